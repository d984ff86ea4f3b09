"""Cues of subtitles: utterances cut at word boundaries into pieces that can be read.

Source: the usual limits of subtitle style guides (BBC, Netflix): two lines of 42 characters, five sixths of a second to
seven seconds; a break after a sentence or a clause is preferred.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Final

from rich.cells import cell_len

from can_ser_client.schemas import PredictOut, UtteranceOut
from service.exports.spans import Span, one_line, separate, to_ms

LINE_WIDTH: Final = 42
LONGEST_MS: Final = 7_000
_SHORTEST_MS: Final = 833
_PAUSE_MS: Final = 1_000
_BREAKS: Final = (tuple(".!?…。！？"), tuple(",;:，；："))


@dataclass(frozen=True, slots=True)
class Cue(Span):
    """A subtitle; its text has one or two lines.

    Attributes:
        utterance: The utterance that it belongs to.
    """

    utterance: UtteranceOut


def cut_cues(response: PredictOut, *, label_emotions: bool, label_speakers: bool) -> list[Cue]:
    """Cues in order; those of one speaker do not overlap.

    Args:
        response: The response.
        label_emotions: Whether each cue begins with the emotion, as in "[angry]".
        label_speakers: Whether each cue begins with the name of its speaker, as in "speaker 1:".
    """
    total_ms = to_ms(response.audio.duration_s)
    cues = [
        cue
        for utterance in response.utterances
        for cue in _cut_utterance(utterance, _label(utterance, emotions=label_emotions, speakers=label_speakers))
    ]
    cues.sort(key=lambda cue: cue.utterance.speaker or "")
    by_speaker = groupby(cues, lambda cue: cue.utterance.speaker)
    apart = [cue for _, own in by_speaker for cue in _extend(separate(own, total_ms), total_ms)]
    return sorted(apart, key=lambda cue: (cue.start_ms, cue.end_ms))


def _label(utterance: UtteranceOut, *, emotions: bool, speakers: bool) -> str:
    """Start of each cue of an utterance; an uncertain emotion is followed by a question mark."""
    emotion = f"[{one_line(utterance.emotion)}{'?' if utterance.uncertain else ''}]" if emotions else ""
    speaker = f"{one_line(utterance.speaker)}:" if speakers and utterance.speaker else ""
    return f"{emotion} {speaker}".strip()


def _cut_utterance(utterance: UtteranceOut, label: str) -> Iterator[Cue]:
    """Cues of one utterance; without words, there is one with its label, if it has one."""
    words = _timed_words(utterance)
    if not words:
        words = [Span(to_ms(utterance.start_s), to_ms(utterance.end_s), "")]
    start = 0
    while start < len(words):
        stop = _find_break(words, start, _find_longest(words, start, label))
        text = "\n".join(_layout([label, *(word.text for word in words[start:stop])]))
        if text:
            begin_ms = words[start].start_ms
            yield Cue(begin_ms, min(words[stop - 1].end_ms, begin_ms + LONGEST_MS), text, utterance)
        start = stop


def _timed_words(utterance: UtteranceOut) -> list[Span]:
    """Words with text; where the response has none, those of the text, with times in proportion to their length."""
    given = [Span(to_ms(word.start_s), to_ms(word.end_s), one_line(word.word)) for word in utterance.words]
    spoken = [word for word in given if word.text]
    return spoken or _spread(one_line(utterance.text).split(), to_ms(utterance.start_s), to_ms(utterance.end_s))


def _spread(texts: Sequence[str], start_ms: int, end_ms: int) -> list[Span]:
    lengths = [len(text) for text in texts]
    total = sum(lengths) or 1
    times = [start_ms + (end_ms - start_ms) * passed // total for passed in accumulate(lengths, initial=0)]
    return [Span(*span) for span in zip(times, times[1:], texts, strict=False)]


def _find_longest(words: Sequence[Span], start: int, label: str) -> int:
    """End of the longest piece from a word on that fits into a cue; at least that word."""
    stop = start + 1
    while stop < len(words):
        pauses = words[stop].start_ms - words[stop - 1].end_ms > _PAUSE_MS
        lasts = words[stop].end_ms - words[start].start_ms > LONGEST_MS
        if pauses or lasts or not _fits([label, *(word.text for word in words[start : stop + 1])]):
            break
        stop += 1
    return stop


def _find_break(words: Sequence[Span], start: int, stop: int) -> int:
    """The last end of a sentence, else of a clause, in the second half of a piece; else the end of the piece."""
    if stop == len(words):
        return stop
    half = start + (stop - start + 1) // 2
    for marks in _BREAKS:
        for end in range(stop, half, -1):
            if words[end - 1].text.endswith(marks):
                return end
    return stop


def _fits(texts: Sequence[str]) -> bool:
    lines = _layout(texts)
    return len(lines) <= 1 or all(cell_len(line) <= LINE_WIDTH for line in lines)


def _layout(texts: Sequence[str]) -> list[str]:
    """One line where the texts fit, else the two lines of which the wider one is narrowest."""
    texts = [text for text in texts if text]
    whole = " ".join(texts)
    if cell_len(whole) <= LINE_WIDTH or len(texts) < 2:
        return [whole]
    halves = [[" ".join(texts[:cut]), " ".join(texts[cut:])] for cut in range(1, len(texts))]
    return min(halves, key=lambda lines: max(map(cell_len, lines)))


def _extend(cues: Sequence[Cue], total_ms: int) -> list[Cue]:
    """Show short cues for longer, until the next one at most."""
    following = [*(cue.start_ms for cue in cues[1:]), total_ms]
    return [
        replace(cue, end_ms=max(cue.end_ms, min(cue.start_ms + _SHORTEST_MS, next_ms)))
        for cue, next_ms in zip(cues, following, strict=True)
    ]
