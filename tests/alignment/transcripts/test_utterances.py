import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.errors import SegmentError
from alignment.transcripts.utterances import SpeechSegment, assign_words, check_segments, group_words, join_segments
from alignment.transcripts.words import TimedWord
from tests.builders import timed


def test_pause_of_half_a_second_ends_the_utterance() -> None:
    first, second = group_words(timed(("a", 0.5, 1.0), ("b", 1.49, 2.0), ("c", 2.5, 3.0)), 4.0)
    assert [word.word for word in first.words] == ["a", "b"]
    assert [first.start_s, first.end_s] == pytest.approx([0.3, 2.2])
    assert [second.start_s, second.end_s] == pytest.approx([2.3, 3.2])


def test_margins_end_with_the_audio() -> None:
    [utterance] = group_words(timed(("a", 0.1, 0.9)), 1.0)
    assert (utterance.start_s, utterance.end_s) == (0.0, 1.0)


def test_sentence_ends_split_and_margins_do_not_overlap() -> None:
    first, second = group_words(timed(("a", 0.5, 1.0), ("b", 1.1, 2.0)), 3.0, frozenset({1}))
    assert first.end_s == second.start_s == pytest.approx(1.05)


def test_long_utterance_is_split_at_its_longest_pause() -> None:
    words = timed(*((str(i), i * 0.5, i * 0.5 + (0.3 if i == 24 else 0.45)) for i in range(40)))
    first, second = group_words(words, 20.0)
    assert first.words[-1].word == "24"
    assert second.words[0].word == "25"


def test_long_word_is_not_split() -> None:
    utterances = group_words(timed(("a", 0.0, 20.0), ("b", 20.0, 21.0)), 21.0)
    assert [[word.word for word in utterance.words] for utterance in utterances] == [["a"], ["b"]]


@given(st.lists(st.tuples(st.floats(0, 0.9), st.floats(0.01, 2)), min_size=1, max_size=200))
def test_utterances_hold_all_words_in_order_without_overlap(steps: list[tuple[float, float]]) -> None:
    words, now_s = [], 0.0
    for index, (pause_s, length_s) in enumerate(steps):
        words.append(TimedWord(str(index), now_s + pause_s, now_s + pause_s + length_s, "given"))
        now_s += pause_s + length_s
    utterances = group_words(words, now_s)
    assert [word for utterance in utterances for word in utterance.words] == words
    for before, after in zip(utterances, utterances[1:], strict=False):
        assert before.end_s <= after.start_s + 1e-9
    for utterance in utterances:
        assert utterance.start_s <= utterance.words[0].start_s
        assert utterance.end_s >= utterance.words[-1].end_s - 1e-9
        assert utterance.words[-1].end_s - utterance.words[0].start_s <= 15 or len(utterance.words) == 1


def test_neighbouring_segments_are_joined_up_to_a_length() -> None:
    segments = [SpeechSegment(0, 4), SpeechSegment(5, 9), SpeechSegment(12, 14), SpeechSegment(14.5, 30)]
    assert join_segments(segments, longest_s=20, max_pause_s=2) == [SpeechSegment(0, 9), SpeechSegment(12, 30)]


def test_words_are_assigned_by_their_middle() -> None:
    words = timed(("a", 0.9, 1.4), ("b", 1.9, 2.6), ("c", 4.0, 4.5))
    first, second, third = assign_words(
        words, [SpeechSegment(1.0, 2.0), SpeechSegment(2.2, 3.0), SpeechSegment(6.0, 7.0)], 8.0
    )
    assert [word.word for word in first.words] == ["a"]
    assert first.start_s == 0.9
    assert [(word.word, word.start_s) for word in second.words] == [("b", 2.1), ("c", 4.0)]
    assert second.end_s == 4.5
    [unknown] = third.words
    assert (unknown.word, unknown.timing, unknown.start_s, unknown.end_s) == ("", "interpolated", 6.0, 7.0)


def test_given_segments_are_clipped_to_the_audio() -> None:
    assert check_segments([(0.0, 1.0), (1.0, 2.03)], 2.0) == (SpeechSegment(0.0, 1.0), SpeechSegment(1.0, 2.0))
    assert check_segments([], 2.0) == ()


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([(-0.1, 1.0)], "outside the audio"),
        ([(0.0, 2.1)], "outside the audio"),
        ([(0.0, float("nan"))], "outside the audio"),
        ([(1.0, 1.05)], "shorter than 0.1 s"),
        ([(2.0, 1.0)], "shorter than 0.1 s"),
        ([(1.99, 2.05)], "shorter than 0.1 s"),
        ([(0.0, 1.0), (0.9, 1.5)], "segment 1 (0.9 to 1.5 s) begins before the previous one ends"),
    ],
)
def test_invalid_segments_are_refused(segments: list[tuple[float, float]], reason: str) -> None:
    with pytest.raises(SegmentError) as caught:
        check_segments(segments, 2.0)
    assert reason in str(caught.value)
