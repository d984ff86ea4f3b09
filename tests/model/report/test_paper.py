from model.report.paper import paper_tables


def test_table_without_another_system_than_the_reference_is_left_out() -> None:
    assert list(paper_tables(["text", "can", "yoon-mha1"])) == ["Table 2: comparison of systems", "Additional systems"]


def test_reference_alone_has_a_table() -> None:
    assert paper_tables(["can"]) == {"Table 2: comparison of systems": ["can"]}
