"""Warnings as a header of responses whose body has no place for them: subtitles, TextGrids, RTTM, tables, text.

The header `Warning` of HTTP is obsolete (RFC 9111, Section 5.5) and was about caches.
"""

import json
from collections.abc import Sequence
from typing import Final

NAME: Final = "X-Can-Warnings"
MAX_BYTES: Final = 2_000
"""Proxies accept 4 KB for all headers of a response by default (nginx: `proxy_buffer_size`)."""
_MAX_LENGTH: Final = 1_000
_MAX_WARNINGS: Final = 50
_FURTHER: Final = "{} further warnings; the response as JSON has all"


def warning_headers(warnings: Sequence[str]) -> dict[str, str]:
    """The header: a JSON array of strings, in ASCII, of at most `MAX_BYTES`; no header without warnings.

    Warnings that do not fit are counted in the last string.
    """
    if not warnings:
        return {}
    shown = [warning[:_MAX_LENGTH] for warning in warnings[:_MAX_WARNINGS]]
    while len(value := _encode(shown, len(warnings) - len(shown))) > MAX_BYTES:
        shown.pop()
    return {NAME: value}


def _encode(shown: Sequence[str], further: int) -> str:
    """JSON in printable ASCII, which needs an escape for one more character than JSON requires."""
    return json.dumps([*shown, _FURTHER.format(further)] if further else shown).replace("\x7f", "\\u007f")
