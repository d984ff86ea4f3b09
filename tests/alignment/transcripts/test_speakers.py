"""Which speaker a word belongs to."""

import pytest

from alignment.transcripts.speakers import Turn, assign_speakers, name_speakers
from alignment.transcripts.words import AlignerInfo, Transcript, Utterance
from tests.builders import timed

INFO = AlignerInfo("given", "none", "en")
FOUR = Utterance(0.0, 4.0, timed(("a", 0.2, 0.8), ("b", 1.0, 1.8), ("c", 2.2, 2.8), ("d", 3.0, 3.8)))


def split(*turns: Turn, start_s: float = 0.0) -> list[tuple[str | None, str, float, float]]:
    transcript = assign_speakers(Transcript((FOUR,), INFO), turns, start_s)
    return [(each.speaker, each.text, each.start_s, each.end_s) for each in transcript.utterances]


def test_an_utterance_ends_where_the_speaker_changes() -> None:
    found = split(Turn(0.0, 1.9, "x"), Turn(1.9, 4.0, "y"))
    assert found == [("x", "a b", 0.0, 2.0), ("y", "c d", 2.0, 4.0)]


def test_one_speaker_keeps_it_whole() -> None:
    assert split(Turn(0.0, 4.0, "x")) == [("x", "a b c d", 0.0, 4.0)]


def test_most_of_a_word_decides_and_where_nobody_speaks_the_nearest() -> None:
    """`b` is shared, 0.3 s to 0.5 s; `d` lies in no turn, 0.2 s after one and 6 s before another."""
    found = split(Turn(0.0, 1.3, "x"), Turn(1.3, 2.8, "y"), Turn(9.8, 10.0, "x"))
    assert [(who, text) for who, text, *_ in found] == [("x", "a"), ("y", "b c d")]


def test_of_two_who_speak_at_once_the_one_with_more_of_the_word() -> None:
    assert split(Turn(0.0, 4.0, "x"), Turn(1.0, 1.5, "y")) == [("x", "a b c d", 0.0, 4.0)]


def test_turns_are_in_the_recording_s_time() -> None:
    found = split(Turn(60.0, 61.9, "x"), Turn(61.9, 64.0, "y"), start_s=60.0)
    assert [who for who, *_ in found] == ["x", "y"]


def test_nobody_told_apart_is_said() -> None:
    transcript = assign_speakers(Transcript((FOUR,), INFO), ())
    assert transcript.utterances == (FOUR,)
    assert transcript.warnings == ("nobody was told apart as a speaker; the utterances carry none",)


def test_names_follow_the_order_in_which_they_are_heard() -> None:
    named = name_speakers([Turn(2.0, 3.0, "SPEAKER_00"), Turn(0.0, 1.0, "SPEAKER_07"), Turn(4.0, 5.0, "SPEAKER_07")])
    assert named == [Turn(0.0, 1.0, "speaker 1"), Turn(2.0, 3.0, "speaker 2"), Turn(4.0, 5.0, "speaker 1")]
    assert name_speakers([]) == []


@pytest.mark.parametrize("count", [1, 5])
def test_words_are_neither_lost_nor_doubled(count: int) -> None:
    turns = [Turn(index * 0.9, index * 0.9 + 0.9, f"s{index % 2}") for index in range(count)]
    transcript = assign_speakers(Transcript((FOUR,), INFO), turns)
    assert [word for utterance in transcript.utterances for word in utterance.words] == list(FOUR.words)
