import pytest

from alignment.aligners.given import build_given_transcript
from alignment.errors import WordBoundsError
from tests.builders import timed


def test_one_utterance_per_stretch() -> None:
    transcript = build_given_transcript(timed(("a", 0.0, 0.5), ("b", 1.5, 2.0)), 2.0)
    assert [utterance.text for utterance in transcript.utterances] == ["a", "b"]
    assert transcript.aligner.name == "given"
    assert transcript.warnings == ()


def test_overlaps_are_told() -> None:
    transcript = build_given_transcript(timed(("a", 0.0, 0.6), ("b", 0.5, 1.0)), 1.0)
    assert transcript.warnings == ("1 words began before the one before them ended; they were cut in the middle",)


def test_bad_times_are_refused() -> None:
    with pytest.raises(WordBoundsError):
        build_given_transcript(timed(("a", 0.0, 9.0)), 1.0)
