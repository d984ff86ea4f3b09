"""Praat TextGrids (long form, UTF-8), written by praatio.

Source: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from can_ser_client.schemas import PredictOut, UtteranceOut
from service.exports.spans import Span, one_line, separate, to_ms

TIERS: Final = ("words", "utterances", "emotions")
"""Tiers of a recording; with speakers, each has its own: "speaker 1 - words"."""


def write_textgrid(response: PredictOut) -> bytes:
    """A TextGrid whose tiers fill the sound: what lies between the intervals is an empty interval."""
    from praatio.utilities.constants import INTERVAL_TIER
    from praatio.utilities.textgrid_io import getTextgridAsStr

    total_ms = max(1, to_ms(response.audio.duration_s))
    limits = {"xmin": 0.0, "xmax": total_ms / 1_000}
    tiers: list[dict[str, Any]] = [
        limits | {"class": INTERVAL_TIER, "name": name, "entries": _entries(spans, total_ms)}
        for name, spans in _tiers(response)
    ]
    text: str = getTextgridAsStr(limits | {"tiers": tiers}, "long_textgrid", includeBlankSpaces=True)
    return text.encode()


def _entries(spans: Iterable[Span], total_ms: int) -> list[tuple[float, float, str]]:
    named = [span for span in spans if span.text]
    return [(span.start_ms / 1_000, span.end_ms / 1_000, span.text) for span in separate(named, total_ms)]


def _tiers(response: PredictOut) -> Iterator[tuple[str, Iterable[Span]]]:
    by_speaker: dict[str | None, list[UtteranceOut]] = {}
    for utterance in response.utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    for speaker, own in (by_speaker or {None: []}).items():
        prefix = f"{one_line(speaker)} - " if speaker else ""
        for name, spans in zip(TIERS, (_words(own), _texts(own), _emotions(own)), strict=True):
            yield f"{prefix}{name}", spans


def _words(utterances: Iterable[UtteranceOut]) -> list[Span]:
    words = (word for utterance in utterances for word in utterance.words)
    return [Span(to_ms(word.start_s), to_ms(word.end_s), one_line(word.word)) for word in words]


def _texts(utterances: Iterable[UtteranceOut]) -> list[Span]:
    return [Span(to_ms(each.start_s), to_ms(each.end_s), one_line(each.text)) for each in utterances]


def _emotions(utterances: Iterable[UtteranceOut]) -> list[Span]:
    return [Span(to_ms(each.start_s), to_ms(each.end_s), one_line(each.emotion)) for each in utterances]
