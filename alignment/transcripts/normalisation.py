"""Normalisation of spellings, shared by corpora, recognisers and given words.

It makes "Door." match a vocabulary that holds "door".
"""

import re
from functools import lru_cache
from typing import Final

from num2words import num2words

_VARIANT: Final = re.compile(r"\(\d+\)$")
_FILLER: Final = re.compile(r"^\+\+.+\+\+$")
_PARTS: Final = re.compile(r"[\s\-‐‑–—/]+|(?<=\d):(?=\d)")
_NUMBER: Final = re.compile(r"^(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(st|nd|rd|th)?('s)?$")
_DIGIT_LETTER_BORDER: Final = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
_UNITS: Final = {"$": "dollars", "€": "euros", "£": "pounds", "%": "percent"}
_MAX_DIGITS: Final = 15
_MAX_CACHED: Final = 64


def spoken_words(word: str) -> tuple[str, ...]:
    """Split a written word into its spoken words: lower case, no punctuation, compounds apart, digits spelled out.

    "Door." → ("door",), "forty-two" → ("forty", "two"), "$5" → ("five", "dollars"), "3rd" → ("third",), "4:30" →
    ("four", "thirty"); a filler such as "++LAUGHTER++" stays one word; punctuation alone gives none.
    """
    return _spoken_words(word) if len(word) <= _MAX_CACHED else _spoken_words.__wrapped__(word)


@lru_cache(maxsize=65_536)
def _spoken_words(word: str) -> tuple[str, ...]:
    written = _VARIANT.sub("", word.strip()).lower().replace("\u2019", "'").replace("\u2018", "'")
    if _FILLER.match(written):
        return (written,)
    parts = [spoken for part in _PARTS.split(written) for spoken in _spoken_part(part)]
    return tuple(parts)


def is_filler(word: str) -> bool:
    """Whether a word is a non-verbal sound of IEMOCAP's alignments, e.g. "++LAUGHTER++"."""
    return bool(_FILLER.match(word.strip()))


def normalise_word(word: str) -> str:
    """Vocabulary key of a written word: its spoken words joined by hyphens; "" for punctuation alone.

    "Door." → "door", "42" → "forty-two", "Don’t" → "don't", "WHAT(2)" → "what".
    """
    return "-".join(spoken_words(word))


def _spoken_part(part: str) -> list[str]:
    """Spoken words of a part without spaces or hyphens."""
    stripped = _strip_edges(part)
    number = _NUMBER.match(stripped)
    if number is None:
        pieces = [piece for piece in _DIGIT_LETTER_BORDER.split(stripped) if piece]
        return pieces if len(pieces) < 2 else [spoken for piece in pieces for spoken in _spoken_part(piece)]
    if len(stripped) > _MAX_DIGITS:
        return [spoken for digit in stripped if digit.isdecimal() for spoken in _spoken_part(digit)]
    *value, possessive = number.groups()
    spoken = _spoken_number(*value)
    spoken[-1] += possessive or ""
    units = [_UNITS[sign] for sign in part if sign in _UNITS]
    return spoken + units[:1]


def _strip_edges(part: str) -> str:
    """Strip punctuation from both ends; by index, because a regular expression would try every start."""
    first, last = 0, len(part)
    while first < last and not part[first].isalnum():
        first += 1
    while first < last and not part[last - 1].isalnum():
        last -= 1
    return part[first:last]


def _spoken_number(whole: str, fraction: str | None, ordinal: str | None) -> list[str]:
    value = whole.replace(",", "")
    if ordinal and not fraction:
        text = num2words(int(value), to="ordinal")
    elif len(value) == 4 and "1100" <= value <= "1999" and "," not in whole and not fraction:
        text = num2words(int(value), to="year")
    else:
        text = num2words(float(value + fraction) if fraction else int(value))
    return [word for word in re.split(r"[\s\-]+", text.replace(",", "").lower()) if word]
