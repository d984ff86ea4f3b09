"""Rows of utterances and of words, and CSV files of them that spreadsheets open."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Protocol

from can_ser_client.schemas import COLUMNS, PredictOut, UtteranceOut

Kind = Literal["utterances", "words"]
Cell = str | int | float | bool | None
UTTERANCE_COLUMNS: Final = (
    *("file", "utterance", "start_s", "end_s", "speaker", "text"),
    *("emotion", "confidence", "uncertain", "reasons", "words", "doubtful_words"),
)
"""Columns of an utterance; those of a word are `can_ser_client.schemas.COLUMNS`. Probabilities follow both."""
_PREFIXES: Final = {"p_": "probabilities", "p_text_": "text_probabilities", "p_audio_": "audio_probabilities"}
_DIGITS: Final = 4
# Spreadsheets read a file as UTF-8 only with this mark, and would run a text that begins like a formula.
_BYTE_ORDER_MARK: Final = "\ufeff"
_FORMULA_STARTS: Final = tuple("=+-@\t\r")


class Table(Protocol):
    """A table of several recordings with the same emotions."""

    def add(self, name: str, response: PredictOut) -> None:
        """Add the rows of a recording."""

    def finish(self) -> bytes:
        """The file."""


def columns_of(kind: Kind, response: PredictOut) -> list[str]:
    """Names of the columns, with three probabilities of each emotion: of both, of the text and of the sound."""
    first = UTTERANCE_COLUMNS if kind == "utterances" else COLUMNS
    return [*first, *(f"{prefix}{label}" for prefix in _PREFIXES for label in response.probabilities)]


def rows_of(kind: Kind, name: str, response: PredictOut) -> Iterator[dict[str, Cell]]:
    """Rows by column, rounded.

    Args:
        kind: One row per utterance, or per word.
        name: Name of the recording.
        response: The response.
    """
    rows = _utterance_rows(name, response) if kind == "utterances" else response.word_rows(name)
    for row in rows:
        utterance = response.utterances[row["utterance"] - 1]
        yield {column: _round(value) for column, value in (row | _probabilities(utterance)).items()}


def _utterance_rows(name: str, response: PredictOut) -> Iterator[dict[str, Any]]:
    for number, each in enumerate(response.utterances, start=1):
        values = (
            *(name, number, each.start_s, each.end_s, each.speaker, each.text, each.emotion, each.confidence),
            *(each.uncertain, "; ".join(each.uncertain_reasons), sum(1 for word in each.words if word.word)),
            sum(1 for word in each.words if word.word and word.doubtful),
        )
        yield dict(zip(UTTERANCE_COLUMNS, values, strict=True))


def _probabilities(utterance: UtteranceOut) -> dict[str, float]:
    return {
        f"{prefix}{label}": value
        for prefix, field in _PREFIXES.items()
        for label, value in getattr(utterance, field).items()
    }


def _round(value: Cell) -> Cell:
    """A value of a cell; a number that is not finite is left out."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    return value


class CsvTable:
    """CSV in UTF-8 with a byte order mark, commas and CRLF.

    Source: RFC 4180.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind: Kind = kind
        self._text = io.StringIO(newline="")
        self._text.write(_BYTE_ORDER_MARK)
        self._writer: csv.DictWriter[str] | None = None

    def add(self, name: str, response: PredictOut) -> None:
        """Add the rows of a recording."""
        if self._writer is None:
            columns = columns_of(self._kind, response)
            self._writer = csv.DictWriter(self._text, columns, restval="", extrasaction="ignore")
            self._writer.writeheader()
        self._writer.writerows(map(_as_text, rows_of(self._kind, name, response)))

    def finish(self) -> bytes:
        """The file."""
        return self._text.getvalue().encode()


def _as_text(row: Mapping[str, Cell]) -> dict[str, Cell]:
    return {column: _write(value) for column, value in row.items()}


def _write(value: Cell) -> Cell:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
