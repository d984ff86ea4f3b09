import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.transcripts.interpolation import anchor_words, interpolate_spans, share_time, spread_over_speech
from tests.builders import timed


def test_gap_is_divided_by_letters() -> None:
    spans = interpolate_spans(["x", "a", "bcd", "y"], [(0.0, 1.0), None, None, (2.0, 3.0)], 0.0, 3.0)
    assert spans == [(0.0, 1.0), (1.0, 1.25), (1.25, 2.0), (2.0, 3.0)]


def test_words_at_the_ends_are_bounded_by_the_speech() -> None:
    spans = interpolate_spans(["a", "b", "c"], [None, (1.0, 2.0), None], 0.5, 2.5)
    assert spans == [(0.5, 1.0), (1.0, 2.0), (2.0, 2.5)]


def test_gap_without_room_is_widened_into_its_neighbours() -> None:
    spans = interpolate_spans(["a", "b", "c"], [(0.0, 1.0), None, (1.0, 2.0)], 0.0, 2.0)
    assert list(spans[1]) == pytest.approx([0.975, 1.025])
    assert spans[0][1] == pytest.approx(0.975)
    assert spans[2][0] == pytest.approx(1.025)


def test_no_known_spans() -> None:
    assert interpolate_spans(["ab", "ab"], [None, None], 1.0, 2.0) == share_time(["ab", "ab"], 1.0, 2.0)


def test_words_are_spread_over_speech_without_pauses() -> None:
    spans = spread_over_speech(["ab", "cd", "ef", "gh"], [(0.0, 1.0), (5.0, 6.0)])
    assert spans == [(0.0, 0.5), (0.5, 1.0), (5.0, 5.5), (5.5, 6.0)]


def test_recognised_words_anchor_a_transcript() -> None:
    recognised = timed(("kids", 0.0, 0.4), ("art", 0.4, 0.6), ("talking", 0.6, 1.0))
    words = anchor_words(["Kids", "are", "talking", "loudly."], recognised, [(0.0, 1.5)])
    assert [(word.start_s, word.end_s, word.timing) for word in words] == [
        (0.0, 0.4, "recognised"),
        (0.4, 0.6, "interpolated"),
        (0.6, 1.0, "recognised"),
        (1.0, 1.5, "interpolated"),
    ]


def test_words_without_anchor_are_spread() -> None:
    words = anchor_words(["one", "two"], timed(("other", 0.0, 1.0)), [(0.0, 0.5), (2.0, 2.5)])
    assert [(word.start_s, word.end_s) for word in words] == [(0.0, 0.5), (2.0, 2.5)]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_spans_are_ordered_and_bounded(known: list[bool]) -> None:
    spans = [(float(index), index + 1.0) if is_known else None for index, is_known in enumerate(known)]
    found = interpolate_spans(["word"] * len(known), spans, 0.0, float(len(known)))
    edges = [edge for span in found for edge in span]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(known) + 1e-9
    assert all(end_s > start_s for start_s, end_s in found)
