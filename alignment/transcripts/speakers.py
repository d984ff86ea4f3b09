"""Assignment of words to speakers by speaker turns.

A word belongs to the speaker with the largest overlap, or without any overlap to the nearest turn's speaker. An
utterance in which the speaker changes is split.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final

from alignment.timing import Seconds
from alignment.transcripts.words import TimedWord, Transcript, Utterance

_NO_SPEAKERS: Final = "diarization detected no speaker; the utterances have none"


@dataclass(frozen=True, slots=True)
class Turn:
    """Time in which a speaker speaks; turns of different speakers may overlap."""

    start_s: Seconds
    end_s: Seconds
    speaker: str


def name_speakers(turns: Sequence[Turn]) -> list[Turn]:
    """Sort turns and name their speakers "speaker 1" and so on by first appearance."""
    names: dict[str, str] = {}
    named = []
    for turn in sorted(turns, key=lambda each: (each.start_s, each.end_s)):
        name = names.setdefault(turn.speaker, f"speaker {len(names) + 1}")
        named.append(replace(turn, speaker=name))
    return named


def assign_speakers(transcript: Transcript, turns: Sequence[Turn], start_s: Seconds = 0.0) -> Transcript:
    """Split the utterances of a transcript by speaker.

    Args:
        transcript: Transcript of a part of a recording, in the part's time.
        turns: Turns of the whole recording, in the recording's time.
        start_s: Start of the part in the recording.
    """
    shifted = [Turn(turn.start_s - start_s, turn.end_s - start_s, turn.speaker) for turn in turns]
    if not shifted:
        return replace(transcript, warnings=(*transcript.warnings, _NO_SPEAKERS))
    utterances = tuple(part for utterance in transcript.utterances for part in _split(utterance, shifted))
    return replace(transcript, utterances=utterances)


def _split(utterance: Utterance, turns: Sequence[Turn]) -> list[Utterance]:
    """One utterance per run of words of one speaker; borders are in the middle between two words."""
    runs = [(name, tuple(run)) for name, run in groupby(utterance.words, key=lambda word: _speaker_of(word, turns))]
    between = [(before[-1].end_s + after[0].start_s) / 2 for (_, before), (_, after) in pairwise(runs)]
    edges = pairwise([utterance.start_s, *between, utterance.end_s])
    return [Utterance(*edge, run, name) for (name, run), edge in zip(runs, edges, strict=True)]


def _speaker_of(word: TimedWord, turns: Sequence[Turn]) -> str:
    overlaps_s: dict[str, Seconds] = {}
    for turn in turns:
        overlap_s = min(turn.end_s, word.end_s) - max(turn.start_s, word.start_s)
        if overlap_s > 0:
            overlaps_s[turn.speaker] = overlaps_s.get(turn.speaker, 0.0) + overlap_s
    if overlaps_s:
        return max(overlaps_s, key=lambda name: overlaps_s[name])
    return min(turns, key=lambda turn: max(turn.start_s - word.end_s, word.start_s - turn.end_s)).speaker
