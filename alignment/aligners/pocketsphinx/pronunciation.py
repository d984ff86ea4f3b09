"""Pronunciation of words outside the recogniser's dictionary: spelled out, or by letter-to-sound rules.

Libraries for English pronunciations download models at import (g2p-en), have many dependencies (gruut) or an
incompatible licence (espeak-ng). A rough guess is enough to align one word.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_RULE: Final = re.compile(r"^(?:(?P<left>.+) )?\[(?P<letters>[^\]]+)\](?: (?P<right>.+))? = (?P<phones>.+)$")
_VOWELS: Final = "aeiouy"
_LETTER_NAMES: Final = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        (
            *("EY", "B IY", "S IY", "D IY", "IY", "EH F", "JH IY", "EY CH", "AY", "JH EY", "K EY", "EH L", "EH M"),
            *("EH N", "OW", "P IY", "K Y UW", "AA R", "EH S", "T IY", "Y UW", "V IY", "D AH B AH L Y UW", "EH K S"),
            *("W AY", "Z IY"),
        ),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class _Rule:
    letters: str
    pattern: re.Pattern[str]
    phones: tuple[str, ...]


def guess_phones(word: str) -> tuple[str, ...]:
    """Guess the ARPAbet phones (no stress) of a word in lower case; none when the rules cover none of its letters.

    "zumba" → Z AH M B AH; a word without a vowel, or with dots, is spelled out: "bbc" → B IY B IY S IY.
    """
    letters = "".join(letter for letter in word if letter.isalpha())
    if "." in word or not any(letter in _VOWELS or not letter.isascii() for letter in letters):
        return tuple(phone for letter in letters for phone in _LETTER_NAMES.get(letter, "").split())
    phones: list[str] = []
    position = 0
    while position < len(letters):
        rules = _rules().get(letters[position], ())
        rule = next((rule for rule in rules if rule.pattern.match(letters, position)), None)
        phones.extend(rule.phones if rule else ())
        position += len(rule.letters) if rule else 1
    return tuple(phones)


@cache
def _rules() -> dict[str, list[_Rule]]:
    """Rules by their first letter."""
    lines = (files("alignment.aligners.pocketsphinx") / "letter_to_sound.txt").read_text(encoding="utf-8").splitlines()
    rules: dict[str, list[_Rule]] = {}
    for rule in (_parse(line) for line in lines if line and not line.startswith(";")):
        rules.setdefault(rule.letters[0], []).append(rule)
    return rules


def _parse(line: str) -> _Rule:
    match = _RULE.match(line)
    if match is None:
        raise ValueError(f"letter_to_sound.txt: not a rule: {line!r}")
    left, letters, right, phones = match.group("left", "letters", "right", "phones")
    pattern = f"{_context(left, behind=True)}{re.escape(letters)}{_context(right, behind=False)}"
    return _Rule(letters, re.compile(pattern), tuple(phone for phone in phones.split() if phone != "_"))


def _context(marks: str | None, *, behind: bool) -> str:
    """Regular expression for the context on one side of a rule."""
    if not marks:
        return ""
    classes = {"#": f"[{_VOWELS}]", ".": f"[^{_VOWELS}\\W\\d_]", "^": "^" if behind else "$"}
    inner = "".join(classes.get(mark, re.escape(mark)) for mark in marks.replace(" ", ""))
    return f"(?<={inner})" if behind else f"(?={inner})"
