import pytest

from alignment.errors import (
    EmptyTranscriptError,
    TranscriptTooLongError,
    WordBoundsError,
    WordOrderError,
    WordTooLongError,
)
from alignment.transcripts.words import Utterance, check_transcript, check_words
from tests.builders import timed


def test_ordered_words_are_unchanged() -> None:
    words = timed(("a", 0.0, 0.5), ("b", 0.5, 1.0))
    assert check_words(words, 1.0) == words


def test_overlap_is_split_in_the_middle() -> None:
    before, after = check_words(timed(("a", 0.0, 0.6), ("b", 0.4, 1.0)), 1.0)
    assert (before.end_s, after.start_s) == (0.5, 0.5)


def test_word_slightly_past_the_end_is_clipped() -> None:
    [word] = check_words(timed(("a", 0.5, 1.04)), 1.0)
    assert word.end_s == 1.0


@pytest.mark.parametrize(
    "words",
    [
        timed(("a", 1.0, 1.5), ("b", 0.2, 0.6)),
        timed(("a", 0.0, 1.5), ("b", 0.2, 0.6)),
        timed(("a", 0.5, 0.5)),
        timed(("a", 0.6, 0.5)),
    ],
)
def test_unordered_words_are_refused(words: tuple[object, ...]) -> None:
    with pytest.raises(WordOrderError):
        check_words(words, 2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(-0.1, 0.5), (0.5, 2.2), (2.1, 2.2), (float("nan"), 1.0), (0.0, float("inf"))]
)
def test_times_outside_the_audio_are_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(WordBoundsError) as caught:
        check_words(timed(("fine", 0.0, 0.1), ("bad", start_s, end_s)), 2.0)
    assert caught.value.index == 1


def test_empty_word_list_is_refused() -> None:
    with pytest.raises(EmptyTranscriptError):
        check_words([], 1.0)


def test_text_leaves_out_unknown_words() -> None:
    assert Utterance(0.0, 1.0, timed(("a", 0.0, 0.2), ("", 0.2, 0.4), ("b", 0.4, 0.6))).text == "a b"


class TestTranscripts:
    def test_punctuation_is_left_out(self) -> None:
        assert check_transcript("Hello , world !", 1.0) == ["Hello", "world"]

    @pytest.mark.parametrize("text", ["", " ", "... !"])
    def test_empty_transcript_is_refused(self, text: str) -> None:
        with pytest.raises(EmptyTranscriptError):
            check_transcript(text, 1.0)

    @pytest.mark.parametrize("text", ["a " * 100, "1" * 100, "!" * 10_000, "a" + "!" * 1_000_000 + "a"])
    def test_too_long_transcript_is_refused(self, text: str) -> None:
        with pytest.raises(TranscriptTooLongError) as caught:
            check_transcript(text, 1.0)
        assert caught.value.words > caught.value.limit

    def test_too_many_given_words_are_refused(self) -> None:
        words = timed(*((str(index), 0.001 * index, 0.001 * index + 0.001) for index in range(200)))
        with pytest.raises(TranscriptTooLongError):
            check_words(words, 1.0)

    def test_word_without_time_between_neighbours_is_refused(self) -> None:
        with pytest.raises(WordOrderError, match="no time of its own"):
            check_words(timed(("a", 0.0, 1.0), ("b", 0.0, 1.0), ("c", 0.0, 1.0)), 2.0)


def test_word_longer_than_an_utterance_is_refused() -> None:
    assert len(check_words(timed(("slow", 0.0, 15.0)), 20.0)) == 1
    with pytest.raises(WordTooLongError, match="word 1 \\('slower'\\) lasts 15.5 s, the limit is 15 s"):
        check_words(timed(("fine", 0.0, 1.0), ("slower", 1.0, 16.5)), 20.0)
