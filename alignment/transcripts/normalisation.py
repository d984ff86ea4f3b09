"""Normalisation of spellings, shared by corpora, recognisers and given words.

It makes "Door." match a vocabulary that holds "door".
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from num2words import num2words

_VARIANT: Final = re.compile(r"\(\d+\)$")
_FILLER: Final = re.compile(r"^\+\+.+\+\+$")
_PARTS: Final = re.compile(r"[\s\-‐‑–—/]+|(?<=\d):(?=\d)")
_NUMBER: Final = re.compile(r"^(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(st|nd|rd|th)?('s)?$")
_DIGIT_LETTER_BORDER: Final = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
_CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
_MAGNITUDES: Final = {"hundred", "thousand", "million", "billion", "trillion"}
_SYMBOLS: Final = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent"}
# NFKC would make letters of the marks and two numbers of the fractions.
_COMPATIBLE: Final = str.maketrans({"™": " ", "℠": " ", "½": " half ", "¼": " quarter ", "¾": " three quarters "})
_MAX_DIGITS: Final = 15
_CENTS_LENGTH: Final = len(".50")
_MAX_CACHED: Final = 64


def spoken_words(word: str) -> tuple[str, ...]:
    """Split a written word into its spoken words: lower case, no punctuation, compounds apart, digits spelled out.

    Unicode forms of a word are one (NFKC), e.g. "é" as one character or two, full-width letters, ligatures.

    "Door." → ("door",), "forty-two" → ("forty", "two"), "$5" → ("five", "dollars"), "3rd" → ("third",), "4:30" →
    ("four", "thirty"); a filler such as "++LAUGHTER++" stays one word; punctuation alone gives none.
    """
    return _spoken_words(word) if len(word) <= _MAX_CACHED else _spoken_words.__wrapped__(word)


@lru_cache(maxsize=65_536)
def _spoken_words(word: str) -> tuple[str, ...]:
    composed = unicodedata.normalize("NFKC", word.translate(_COMPATIBLE))
    written = _VARIANT.sub("", composed.strip()).lower().replace("\u2019", "'").replace("\u2018", "'")
    if _FILLER.match(written):
        return (written,)
    parts = [spoken for part in _PARTS.split(written) for spoken in _spoken_part(part)]
    return tuple(parts)


def spoken_forms(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Spoken words of each written word of a text; a currency is spoken after the magnitude that follows it.

    ["$5", "million", "more"] → [("five",), ("million", "dollars"), ("more",)].
    """
    forms = [spoken_words(word) for word in words]
    for index, (written, magnitude) in enumerate(zip(words, forms[1:], strict=False)):
        currency = next((sign for sign in written if sign in _CURRENCIES), None)
        amount = forms[index]
        if currency and set(magnitude[:1]) & _MAGNITUDES and set(amount[-1:]) & set(_CURRENCIES[currency]):
            forms[index : index + 2] = [amount[:-1], (*magnitude, _CURRENCIES[currency][1])]
    return forms


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
    if not stripped:
        return [_SYMBOLS[part]] if part in _SYMBOLS else []
    number = _NUMBER.match(stripped)
    if number is None:
        pieces = [piece for piece in _DIGIT_LETTER_BORDER.split(stripped) if piece]
        return pieces if len(pieces) < 2 else [spoken for piece in pieces for spoken in _spoken_part(piece)]
    if len(stripped) > _MAX_DIGITS:
        return [spoken for digit in stripped if digit.isdecimal() for spoken in _spoken_part(digit)]
    *value, possessive = number.groups()
    currency = next((sign for sign in part if sign in _CURRENCIES), None)
    spoken = _spoken_amount(value[0], value[1], currency) if currency else _spoken_number(*value)
    spoken[-1] += possessive or ""
    return [*spoken, "percent"] if "%" in part else spoken


def _strip_edges(part: str) -> str:
    """Strip punctuation from both ends; by index, because a regular expression would try every start."""
    first, last = 0, len(part)
    while first < last and not part[first].isalnum():
        first += 1
    while first < last and not part[last - 1].isalnum():
        last -= 1
    return part[first:last]


def _spoken_amount(whole: str, fraction: str | None, currency: str) -> list[str]:
    """Amount of money; two decimals are cents: ("42", ".50", "$") → forty two dollars and fifty cents."""
    unit, units, cent, cents = _CURRENCIES[currency]
    count, small = int(whole.replace(",", "")), int(fraction[1:]) if fraction and len(fraction) == _CENTS_LENGTH else 0
    if not small:
        return [*_spoken_number(whole, fraction, None), unit if count == 1 else units]
    amount = [*_spoken_number(whole, None, None), unit if count == 1 else units, "and"] if count else []
    return [*amount, *_spoken_number(str(small), None, None), cent if small == 1 else cents]


def _spoken_number(whole: str, fraction: str | None, ordinal: str | None) -> list[str]:
    value = whole.replace(",", "")
    if ordinal and not fraction:
        text = num2words(int(value), to="ordinal")
    elif len(value) == 4 and "1100" <= value <= "1999" and "," not in whole and not fraction:
        text = num2words(int(value), to="year")
    else:
        text = num2words(float(value + fraction) if fraction else int(value))
    return [word for word in re.split(r"[\s\-]+", text.replace(",", "").lower()) if word]
