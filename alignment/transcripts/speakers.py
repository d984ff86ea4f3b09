"""Who says which word, where it is known who speaks when.

A word belongs to the speaker whose turns cover most of it; one that no turn covers, to the nearest. An utterance in
which the speaker changes becomes several.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final

from alignment.timing import Seconds
from alignment.transcripts.words import TimedWord, Transcript, Utterance

_NOBODY: Final = "nobody was told apart as a speaker; the utterances carry none"


@dataclass(frozen=True, slots=True)
class Turn:
    """A speaker speaks; turns of several may overlap."""

    start_s: Seconds
    end_s: Seconds
    speaker: str


def name_speakers(turns: Sequence[Turn]) -> list[Turn]:
    """The same turns in order, speakers called "speaker 1" and so on as they are first heard."""
    names: dict[str, str] = {}
    named = []
    for turn in sorted(turns, key=lambda each: (each.start_s, each.end_s)):
        name = names.setdefault(turn.speaker, f"speaker {len(names) + 1}")
        named.append(replace(turn, speaker=name))
    return named


def assign_speakers(transcript: Transcript, turns: Sequence[Turn], start_s: Seconds = 0.0) -> Transcript:
    """The transcript with utterances of one speaker each.

    Args:
        transcript: of a part of a recording, in its own time.
        turns: of the whole recording, in its time.
        start_s: where in the recording the part begins.
    """
    here = [Turn(turn.start_s - start_s, turn.end_s - start_s, turn.speaker) for turn in turns]
    if not here:
        return replace(transcript, warnings=(*transcript.warnings, _NOBODY))
    utterances = tuple(part for utterance in transcript.utterances for part in _split(utterance, here))
    return replace(transcript, utterances=utterances)


def _split(utterance: Utterance, turns: Sequence[Turn]) -> list[Utterance]:
    """One utterance per run of words of one speaker; they meet in the middle between two words."""
    runs = [(name, tuple(run)) for name, run in groupby(utterance.words, key=lambda word: _speaker_of(word, turns))]
    between = [(before[-1].end_s + after[0].start_s) / 2 for (_, before), (_, after) in pairwise(runs)]
    edges = pairwise([utterance.start_s, *between, utterance.end_s])
    return [Utterance(*edge, run, name) for (name, run), edge in zip(runs, edges, strict=True)]


def _speaker_of(word: TimedWord, turns: Sequence[Turn]) -> str:
    shared_s: dict[str, Seconds] = {}
    for turn in turns:
        overlap_s = min(turn.end_s, word.end_s) - max(turn.start_s, word.start_s)
        if overlap_s > 0:
            shared_s[turn.speaker] = shared_s.get(turn.speaker, 0.0) + overlap_s
    if shared_s:
        return max(shared_s, key=lambda name: shared_s[name])
    return min(turns, key=lambda turn: max(turn.start_s - word.end_s, word.start_s - turn.end_s)).speaker
