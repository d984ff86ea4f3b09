import pytest

from alignment.aligners.given import build_given_transcript
from alignment.errors import WordBoundsError
from tests.builders import timed


def test_pause_separates_utterances() -> None:
    transcript = build_given_transcript(timed(("a", 0.0, 0.5), ("b", 1.5, 2.0)), 2.0)
    assert [utterance.text for utterance in transcript.utterances] == ["a", "b"]
    assert transcript.aligner.name == "given"
    assert transcript.warnings == ()


def test_overlaps_give_a_warning() -> None:
    transcript = build_given_transcript(timed(("a", 0.0, 0.6), ("b", 0.5, 1.0)), 1.0)
    assert transcript.warnings == ("1 words overlapped the previous word; the overlaps were split in the middle",)


def test_invalid_times_are_refused() -> None:
    with pytest.raises(WordBoundsError):
        build_given_transcript(timed(("a", 0.0, 9.0)), 1.0)
