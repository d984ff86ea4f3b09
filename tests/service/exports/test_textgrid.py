"""TextGrids and RTTM, read by other parsers."""

from pathlib import Path

import pytest
import textgrid

from can_ser_client.schemas import PredictOut
from service.exports.rttm import write_rttm
from service.exports.textgrid import write_textgrid
from tests.service.exports.answers import make_answer, make_utterance, say


def read(response: PredictOut, folder: Path) -> textgrid.TextGrid:
    """The TextGrid as the package textgrid reads it, which refuses overlaps; every tier fills the sound."""
    path = folder / "a.TextGrid"
    path.write_bytes(write_textgrid(response))
    grid = textgrid.TextGrid.fromFile(str(path))
    for tier in grid.tiers:
        assert (tier.minTime, tier.maxTime) == (0, response.audio.duration_s)
        times = [0.0, *(interval.maxTime for interval in tier)]
        assert [interval.minTime for interval in tier] == times[:-1]
        assert times[-1] == response.audio.duration_s
        assert all(first < second for first, second in zip(times, times[1:], strict=False))
    return grid


def labels(tier: textgrid.IntervalTier) -> list[tuple[float, float, str]]:
    return [(interval.minTime, interval.maxTime, interval.mark) for interval in tier if interval.mark]


def test_words_utterances_and_emotions_are_tiers(tmp_path: Path) -> None:
    grid = read(make_answer(make_utterance(say('say "hello" Jürgen', 0.5)), duration_s=2.0), tmp_path)
    assert [tier.name for tier in grid.tiers] == ["words", "utterances", "emotions"]
    words, utterances, emotions = map(labels, grid.tiers)
    assert words == [(0.5, 0.75, "say"), (0.75, 1.0, '"hello"'), (1.0, 1.25, "Jürgen")]
    assert utterances == [(0.5, 1.25, 'say "hello" Jürgen')]
    assert emotions == [(0.5, 1.25, "angry")]


def test_each_speaker_has_tiers(tmp_path: Path) -> None:
    response = make_answer(
        make_utterance(say("one two"), speaker="speaker 1"), make_utterance(say("three", 0.1), speaker="speaker 2")
    )
    grid = read(response, tmp_path)
    kinds = ("words", "utterances", "emotions")
    assert [tier.name for tier in grid.tiers] == [f"speaker {i} - {kind}" for i in (1, 2) for kind in kinds]
    assert [mark for *_, mark in labels(grid.tiers[3])] == ["three"]


def test_degenerate_times_make_valid_intervals(tmp_path: Path) -> None:
    words = [("a", 0.5, 0.5), ("b", 0.5, 0.5), ("c", 0.4, 0.9), ("d", 1.0, 1.0), ("", 0.2, 0.3)]
    grid = read(make_answer(make_utterance(words, start_s=0.2, end_s=1.0), duration_s=1.0), tmp_path)
    assert [mark for *_, mark in labels(grid.tiers[0])] == ["c", "a", "b", "d"]


def test_line_ends_in_labels_become_spaces(tmp_path: Path) -> None:
    grid = read(make_answer(make_utterance([('New\nYork "x"\x00', 0.1, 0.2)])), tmp_path)
    assert labels(grid.tiers[0])[0][2] == 'New York "x"'


def test_answer_without_utterances(tmp_path: Path) -> None:
    assert [len(tier) for tier in read(make_answer(), tmp_path).tiers] == [1, 1, 1]
    assert write_rttm(make_answer()) == b""


def test_rttm_has_a_line_for_each_utterance(tmp_path: Path) -> None:
    database = pytest.importorskip("pyannote.database.util", reason="pyannote.database is not installed")
    response = make_answer(
        make_utterance(say("one two", 1.0), speaker="channel 1"),
        make_utterance(say("three", 1.1), speaker="channel 2"),
        make_utterance(say("four", 1.25), speaker="channel 1"),
    )
    path = tmp_path / "a.rttm"
    path.write_bytes(write_rttm(response, "my call.wav"))
    [(uri, annotation)] = database.load_rttm(path).items()
    assert uri == "my_call"
    turns = [
        (round(turn.start, 3), round(turn.end, 3), name) for turn, _, name in annotation.itertracks(yield_label=True)
    ]
    assert turns == [(1.0, 1.25, "channel_1"), (1.1, 1.35, "channel_2"), (1.25, 1.5, "channel_1")]


def test_rttm_without_speakers_or_name() -> None:
    assert write_rttm(make_answer(make_utterance(say("one", 1.0)))) == (
        b"SPEAKER recording 1 1.000 0.250 <NA> <NA> speech <NA> <NA>\n"
    )
