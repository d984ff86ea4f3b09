"""Workbooks (XLSX), written by xlsxwriter."""

import io
from collections.abc import Sequence
from typing import Any, Final

from can_ser_client.schemas import PredictOut
from service.errors import TableFullError
from service.exports.tables import Cell, Kind, columns_of, rows_of

MAX_ROWS: Final = 1_048_576
"""Rows of a sheet, of which one is the header."""
_MAX_TEXT: Final = 32_767
_KINDS: Final[tuple[Kind, ...]] = ("utterances", "words")
_WIDTHS: Final = {"file": 24, "text": 60, "reasons": 40, "word": 16, "warning": 90}


class Workbook:
    """A sheet `utterances` with one row per utterance, and a sheet `words` with one row per word.

    Warnings have a sheet of their own, where there are any.
    """

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        from xlsxwriter import Workbook as File

        self._data = io.BytesIO()
        self._file: Any = File(self._data, {"in_memory": True})
        self._heading = self._file.add_format({"bold": True})
        self._sheets: dict[Kind, Any] = {kind: self._file.add_worksheet(kind) for kind in _KINDS}
        self._columns: dict[Kind, list[str]] = {}
        self._used = dict.fromkeys(_KINDS, 1)
        self._warnings: list[tuple[str, str]] = []
        self._max_rows = max_rows

    def add(self, name: str, response: PredictOut) -> None:
        """Add the rows of a recording.

        Raises:
            TableFullError: A sheet has no more rows.
        """
        for kind in _KINDS:
            if kind not in self._columns:
                self._columns[kind] = columns_of(kind, response)
                self._write_heading(kind)
            for row in rows_of(kind, name, response):
                self._add_row(kind, row)
        self._warnings += [(name, warning) for warning in response.warnings]
        if len(self._warnings) >= self._max_rows:
            raise TableFullError(self._max_rows - 1)

    def finish(self) -> bytes:
        """The file."""
        for kind, columns in self._columns.items():
            self._sheets[kind].autofilter(0, 0, self._used[kind] - 1, len(columns) - 1)
        if self._warnings:
            self._write_warnings()
        self._file.close()
        return self._data.getvalue()

    def _write_warnings(self) -> None:
        sheet = self._file.add_worksheet("warnings")
        self._write_names(sheet, ("file", "warning"))
        for number, texts in enumerate(self._warnings, start=1):
            for column, text in enumerate(texts):
                sheet.write_string(number, column, text[:_MAX_TEXT])

    def _write_heading(self, kind: Kind) -> None:
        self._write_names(self._sheets[kind], self._columns[kind])

    def _write_names(self, sheet: Any, columns: Sequence[str]) -> None:
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(columns):
            sheet.write_string(0, column, name, self._heading)
            sheet.set_column(column, column, _WIDTHS.get(name, max(9, len(name) + 2)))

    def _add_row(self, kind: Kind, row: dict[str, Cell]) -> None:
        number = self._used[kind]
        if number >= self._max_rows:
            raise TableFullError(self._max_rows - 1)
        for column, name in enumerate(self._columns[kind]):
            self._write_cell(kind, number, column, row.get(name))
        self._used[kind] = number + 1

    def _write_cell(self, kind: Kind, row: int, column: int, value: Cell) -> None:
        sheet = self._sheets[kind]
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value)
        elif value:
            # Never a formula; longer texts than a cell may hold would be left out.
            sheet.write_string(row, column, value[:_MAX_TEXT])
