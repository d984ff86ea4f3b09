"""Labelled spans of time in whole milliseconds, the resolution of a response."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from alignment.timing import Seconds

_SHORTEST_MS: Final = 1
_CONTROLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A text from one time to another.

    Attributes:
        start_ms: Milliseconds from the start of the audio.
        end_ms: Milliseconds from the start of the audio.
        text: One line.
    """

    start_ms: int
    end_ms: int
    text: str


_S = TypeVar("_S", bound=Span)


def to_ms(time_s: Seconds) -> int:
    """Whole milliseconds."""
    return round(1_000 * time_s)


def one_line(text: str) -> str:
    """Text with a space in place of each run of white space and control characters."""
    return _CONTROLS.sub(" ", text).strip()


def separate(spans: Iterable[_S], total_ms: int) -> list[_S]:
    """Spans in order, inside the sound, without overlaps, and each at least 1 ms long.

    A span ends where the next one starts. Of more spans than milliseconds, the first ones are omitted.
    """
    ordered = sorted(spans, key=lambda span: span.start_ms)
    return _end_by(total_ms, _trim(ordered))


def _trim(ordered: list[_S]) -> list[_S]:
    trimmed: list[_S] = []
    free_ms = 0
    for index, span in enumerate(ordered):
        next_ms = ordered[index + 1].start_ms if index + 1 < len(ordered) else span.end_ms
        start_ms = max(span.start_ms, free_ms)
        free_ms = max(min(span.end_ms, next_ms), start_ms + _SHORTEST_MS)
        trimmed.append(replace(span, start_ms=start_ms, end_ms=free_ms))
    return trimmed


def _end_by(total_ms: int, spans: list[_S]) -> list[_S]:
    moved: list[_S] = []
    limit_ms = total_ms
    for span in reversed(spans):
        end_ms = min(span.end_ms, limit_ms)
        limit_ms = min(span.start_ms, end_ms - _SHORTEST_MS)
        if limit_ms < 0:
            break
        moved.append(replace(span, start_ms=limit_ms, end_ms=end_ms))
    return moved[::-1]
