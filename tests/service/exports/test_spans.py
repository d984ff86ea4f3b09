from hypothesis import given
from hypothesis import strategies as st

from service.exports.spans import Span, one_line, separate


def test_span_ends_where_next_one_starts() -> None:
    spans = [Span(500, 900, "b"), Span(0, 600, "a"), Span(850, 850, "c")]
    assert separate(spans, 1_000) == [Span(0, 500, "a"), Span(500, 850, "b"), Span(850, 851, "c")]


def test_spans_end_by_the_end_of_the_sound() -> None:
    spans = [Span(990, 1_200, "a"), Span(1_000, 1_100, "b"), Span(1_000, 1_000, "c")]
    assert separate(spans, 1_000) == [Span(990, 998, "a"), Span(998, 999, "b"), Span(999, 1_000, "c")]


times = st.integers(0, 40)


@given(st.lists(st.tuples(times, times, st.sampled_from("abc"))), st.integers(1, 30))
def test_separate_spans_are_inside_and_apart(values: list[tuple[int, int, str]], total_ms: int) -> None:
    spans = [Span(min(start, end), max(start, end), text) for start, end, text in values]
    apart = separate(spans, total_ms)
    assert len(apart) == min(len(spans), total_ms)
    assert all(0 <= span.start_ms < span.end_ms <= total_ms for span in apart)
    assert all(first.end_ms <= second.start_ms for first, second in zip(apart, apart[1:], strict=False))


def test_one_line_has_no_control_characters() -> None:
    assert one_line(" New\r\n York\x00\u2028!\x85 ") == "New York !"
