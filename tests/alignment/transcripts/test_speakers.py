import pytest

from alignment.transcripts.speakers import Turn, assign_speakers, name_speakers
from alignment.transcripts.words import AlignerInfo, Transcript, Utterance
from tests.builders import timed

INFO = AlignerInfo("given", "none", "en")
FOUR = Utterance(0.0, 4.0, timed(("a", 0.2, 0.8), ("b", 1.0, 1.8), ("c", 2.2, 2.8), ("d", 3.0, 3.8)))


def split(*turns: Turn, start_s: float = 0.0) -> list[tuple[str | None, str, float, float]]:
    transcript = assign_speakers(Transcript((FOUR,), INFO), turns, start_s)
    return [(each.speaker, each.text, each.start_s, each.end_s) for each in transcript.utterances]


def test_utterance_is_split_where_the_speaker_changes() -> None:
    utterances = split(Turn(0.0, 1.9, "x"), Turn(1.9, 4.0, "y"))
    assert utterances == [("x", "a b", 0.0, 2.0), ("y", "c d", 2.0, 4.0)]


def test_utterance_of_one_speaker_stays_whole() -> None:
    assert split(Turn(0.0, 4.0, "x")) == [("x", "a b c d", 0.0, 4.0)]


def test_word_belongs_to_largest_overlap_or_nearest_turn() -> None:
    """`b` overlaps two turns, by 0.3 s and 0.5 s; `d` overlaps none, 0.2 s after one and 6 s before another."""
    utterances = split(Turn(0.0, 1.3, "x"), Turn(1.3, 2.8, "y"), Turn(9.8, 10.0, "x"))
    assert [(speaker, text) for speaker, text, *_ in utterances] == [("x", "a"), ("y", "b c d")]


def test_overlapping_turns_do_not_split_the_utterance() -> None:
    assert split(Turn(0.0, 4.0, "x"), Turn(1.0, 1.5, "y")) == [("x", "a b c d", 0.0, 4.0)]


def test_turns_use_the_recording_s_time() -> None:
    utterances = split(Turn(60.0, 61.9, "x"), Turn(61.9, 64.0, "y"), start_s=60.0)
    assert [speaker for speaker, *_ in utterances] == ["x", "y"]


def test_no_turns_give_a_warning() -> None:
    transcript = assign_speakers(Transcript((FOUR,), INFO), ())
    assert transcript.utterances == (FOUR,)
    assert transcript.warnings == ("diarization detected no speaker; the utterances have none",)


def test_speakers_are_numbered_by_first_appearance() -> None:
    named = name_speakers([Turn(2.0, 3.0, "SPEAKER_00"), Turn(0.0, 1.0, "SPEAKER_07"), Turn(4.0, 5.0, "SPEAKER_07")])
    assert named == [Turn(0.0, 1.0, "speaker 1"), Turn(2.0, 3.0, "speaker 2"), Turn(4.0, 5.0, "speaker 1")]
    assert name_speakers([]) == []


@pytest.mark.parametrize("count", [1, 5])
def test_all_words_remain_in_order(count: int) -> None:
    turns = [Turn(index * 0.9, index * 0.9 + 0.9, f"s{index % 2}") for index in range(count)]
    transcript = assign_speakers(Transcript((FOUR,), INFO), turns)
    assert [word for utterance in transcript.utterances for word in utterance.words] == list(FOUR.words)
