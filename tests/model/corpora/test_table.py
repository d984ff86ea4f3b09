import json
from pathlib import Path
from typing import Any

import pytest

from model.corpora.table import MAX_LABEL, read_table
from model.errors import CorpusMissingError, TableError
from tests.model.corpora.table_fixture import LABELS, WORDS, make_rows, write_table


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return make_rows(tmp_path, speakers=2, each=1)


def faults(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    with pytest.raises(TableError) as raised:
        read_table(write_table(tmp_path / "own.csv", rows))
    return str(raised.value)


def test_rows_are_read_with_words_and_numbers(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    read = read_table(write_table(tmp_path / "own.csv", rows))
    assert [row.number for row in read] == [2, 3, 4, 5]
    assert [row.label for row in read] == [*LABELS, *LABELS]
    assert read[0].path == tmp_path / "clips/0-0.wav"
    assert [word.word for word in read[0].words or ()] == ["good", "morning"]
    assert (read[0].speaker, read[0].session, read[0].text, read[0].part) == ("voice 0", "", "", "")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separators_byte_order_mark_and_blank_rows_are_read(
    tmp_path: Path, rows: list[dict[str, Any]], delimiter: str
) -> None:
    path = write_table(tmp_path / "own.csv", rows, delimiter)
    header, first, *rest = path.read_text().splitlines()
    path.write_text("\ufeff" + "\n".join((header, first, "", *rest)) + "\n\n", encoding="utf-8")
    read = read_table(path)
    assert [row.number for row in read] == [2, 4, 5, 6]


def test_line_separators_in_a_text_do_not_divide_rows(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    texts = ["good\u2028morning", "good\x85morning", "good\x0cmorning", 'good "morning"\nagain']
    rows = [{name: value for name, value in row.items() if name != "words"} for row in rows]
    read = read_table(
        write_table(tmp_path / "own.csv", [row | {"text": text} for row, text in zip(rows, texts, strict=True)])
    )
    assert [row.number for row in read] == [2, 3, 4, 5]


def test_files_may_be_absolute(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "elsewhere").mkdir()
    for row in rows:
        row["file"] = str(tmp_path / row["file"])
    read = read_table(write_table(tmp_path / "elsewhere" / "own.csv", rows))
    assert all(row.path.is_file() for row in read)


def test_columns_with_underscore_are_ignored(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    read = read_table(write_table(tmp_path / "own.csv", [{**row, "_age": "7"} for row in rows]))
    assert len(read) == 4


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissingError, match="--table"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arousal": "x"}, r"unknown column 'arousal': the columns are file, label"),
        ({"Speakers": "x"}, r"unknown column 'Speakers': did you mean 'speaker'\?"),
        ({"Transcript": "x"}, r"unknown column 'Transcript': did you mean 'text'\?"),
    ],
)
def test_unknown_column_is_refused_with_suggestion(
    tmp_path: Path, rows: list[dict[str, Any]], change: dict[str, str], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read_table(write_table(tmp_path / "own.csv", [{**row, **change} for row in rows]))


def test_missing_and_repeated_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("file,file\na,b\n")
    with pytest.raises(TableError, match=r"'file' occurs 2 times.*'label' is missing"):
        read_table(tmp_path / "own.csv")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"file": "clips/none.wav"}, "clips/none.wav does not exist"),
        ({"file": ""}, "the cell 'file' is empty"),
        ({"label": ""}, "the cell 'label' is empty"),
        ({"label": "a\tb"}, "must be printable"),
        ({"label": "x" * (MAX_LABEL + 1)}, f"at most {MAX_LABEL} characters"),
        ({"split": "valid"}, "unknown split 'valid'; write 'validation'"),
        ({"text": "good morning"}, "it has both text and words"),
        ({"words": "good morning"}, "invalid JSON"),
        ({"words": '[{"word": "a", "start": 0}]'}, r"words[0]['end'] field required; write JSON such as"),
    ],
)
def test_faulty_row_is_refused_with_its_number(
    tmp_path: Path, rows: list[dict[str, Any]], cells: dict[str, str], message: str
) -> None:
    columns = {"split": "train", "text": ""}
    changed = [{**columns, **row} for row in rows]
    changed[2].update(cells)
    text = faults(tmp_path, changed)
    assert "row 4: " in text
    assert message in text


def test_all_faults_are_listed_up_to_ten(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["label"] = ""
    assert faults(tmp_path, rows).count("the cell 'label' is empty") == 4
    text = faults(tmp_path, [{**rows[0], "label": ""} for _ in range(13)])
    assert text.count("the cell 'label' is empty") == 10
    assert "and 3 further faults" in text


def test_unquoted_separator_is_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = write_table(tmp_path / "own.csv", [{"file": row["file"], "label": row["label"]} for row in rows])
    path.write_text(path.read_text() + "clips/0-0.wav,keen,well, hello\n")
    with pytest.raises(TableError, match="row 6 has 4 cells, row 1 has 2; quote"):
        read_table(path)


def test_same_file_twice_is_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    text = faults(tmp_path, [*rows, {**rows[0], "file": "clips/../clips/0-0.wav", "label": LABELS[1]}])
    assert "clips/0-0.wav is in rows 2, 6, labelled calm-ish and keen; keep one row" in text


def test_column_must_be_filled_in_every_row(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    rows[1]["speaker"] = ""
    assert "speaker is empty in row 3 but not in all rows" in faults(tmp_path, rows)


@pytest.mark.parametrize("pair", [("Keen", "keen"), ("hap", "happy")])
def test_spellings_of_one_label_are_refused(tmp_path: Path, rows: list[dict[str, Any]], pair: tuple[str, str]) -> None:
    rows[0]["label"], rows[1]["label"] = pair
    assert "are one label in different spellings" in faults(tmp_path, rows)


def test_single_label_is_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    same = [{**row, "label": "keen"} for row in rows]
    assert "all 4 rows have the label 'keen'; at least two labels are needed" in faults(tmp_path, same)


def test_table_that_is_not_text_or_has_no_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    for content, message in (
        (b"file,label\n\xff\xfe,a\n", "it is not UTF-8"),
        (b"", "row 1 is empty"),
        (b"file,label\n", "no row under the header"),
        (b'file,label\n"a,b\n', "not a table"),
    ):
        path.write_bytes(content)
        with pytest.raises(TableError, match=message):
            read_table(path)


def test_words_may_be_unknown_and_long_cells_are_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    many = [{"word": "", "start": 0.001 * number, "end": 0.001 * number + 0.001} for number in range(5000)]
    rows[0]["words"] = json.dumps(many)
    assert len(rows[0]["words"]) > len(WORDS) * 1000
    read = read_table(write_table(tmp_path / "own.csv", rows))
    assert len(read[0].words or ()) == 5000
