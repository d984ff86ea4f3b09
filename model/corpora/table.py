"""Reader of a corpus that is a table: one recording per row, with its label.

    file,label,speaker,session,text,words,split

`file` and `label` are required. A row has at most one of `text` (spoken words) and `words` (JSON with times); the words
of the others are recognised. The columns `speaker`, `session` and `split` are filled in every row or in none.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alignment.transcripts.words import TimedWord
from model.errors import CorpusMissingError, TableError
from model.scores import EMOTION_NAMES

COLUMNS: Final = ("file", "label", "speaker", "session", "text", "words", "split")
PARTS: Final = ("train", "validation", "test")
MAX_LABEL: Final = 64
"""Longest label in characters."""
_REQUIRED: Final = ("file", "label")
_OTHER_NAMES: Final = {
    "file": ("path", "filename", "filepath", "audio", "wav", "clip", "recording"),
    "label": ("emotion", "class", "category", "target", "y"),
    "speaker": ("actor", "person", "speaker_id"),
    "session": ("dialog", "dialogue", "conversation"),
    "text": ("transcript", "transcription", "sentence", "utterance"),
    "split": ("part", "set", "subset", "partition", "fold"),
}
_WHOLE_COLUMNS: Final = ("speaker", "session", "split")
_DELIMITERS: Final = (",", ";", "\t")
_IGNORED: Final = "_"
# A cell of words with times is longer than the limit of the standard library.
_MAX_CELL: Final = 10**7


@dataclass(frozen=True, slots=True)
class TableRow:
    """One recording of a table.

    Attributes:
        number: Row number as a spreadsheet shows it; the header is row 1.
        name: Cell `file`, the name of the utterance.
        path: Audio file.
        label: Label, as in the table.
        speaker: Speaker; "" where the table has none.
        session: Recording session; "" where the table has none.
        text: Spoken words; "" where they are not known.
        words: Words with times; None where they are not known.
        part: One of `PARTS`; "" where the table has no split.
    """

    number: int
    name: str
    path: Path
    label: str
    speaker: str = ""
    session: str = ""
    text: str = ""
    words: tuple[TimedWord, ...] | None = None
    part: str = ""


class _Word(BaseModel):
    """A word with times, as in requests to the service; an empty one is speech without a known word."""

    model_config = ConfigDict(extra="ignore")

    word: Annotated[str, Field(max_length=200)]
    start: float
    end: float


_WORDS: Final = TypeAdapter(list[_Word])


def read_table(path: Path) -> tuple[TableRow, ...]:
    """Read and check every row; of the audio only its existence is checked.

    Args:
        path: Text with a header, in UTF-8, separated by commas, semicolons or tabs. Audio files are relative to its
            folder, or absolute. Columns whose name begins with "_" are ignored.

    Raises:
        CorpusMissingError: There is no such file.
        TableError: A column or a row cannot be used; all faults are listed, with row numbers.
    """
    if not path.is_file():
        raise CorpusMissingError(path.parent, path.name, "--table")
    header, records = _read_cells(path)
    _raise_faults(path, list(_find_header_faults(header)))
    faults: list[str] = []
    rows = [row for number, cells in records if (row := _read_row(path, number, header, cells, faults))]
    _raise_faults(path, faults)
    _raise_faults(path, list(_find_table_faults(rows)))
    return tuple(rows)


def _raise_faults(path: Path, faults: Sequence[str]) -> None:
    if faults:
        raise TableError(path, faults)


def _read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and numbered rows; empty rows are skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise TableError(path, [f"it is not UTF-8 (byte {exc.start}); save it as CSV in UTF-8"]) from exc
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    before = csv.field_size_limit(_MAX_CELL)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as exc:
        raise TableError(path, [f"it is not a table ({exc}); check the quotation marks"]) from exc
    finally:
        csv.field_size_limit(before)
    numbered = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, start=1)]
    filled = [(number, row) for number, row in numbered if any(row)]
    if not filled or filled[0][0] != 1:
        raise TableError(path, [f"row 1 is empty; it must name the columns: {', '.join(COLUMNS)}"])
    return filled[0][1], filled[1:]


def _find_header_faults(header: Sequence[str]) -> Iterator[str]:
    for name in header:
        if name not in COLUMNS and not name.startswith(_IGNORED):
            known = [column for column, others in _OTHER_NAMES.items() if name.lower() in others]
            close = known or get_close_matches(name.lower(), COLUMNS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the columns are {', '.join(COLUMNS)}."
            yield f"unknown column {name!r}: {hint} A column whose name begins with {_IGNORED!r} is ignored"
    for name, count in Counter(header).items():
        if name in COLUMNS and count > 1:
            yield f"the column {name!r} occurs {count} times; keep one"
    for name in _REQUIRED:
        if name not in header:
            yield f"the column {name!r} is missing; row 1 has {', '.join(header)}"


def _read_row(
    path: Path, number: int, header: Sequence[str], cells: Sequence[str], faults: list[str]
) -> TableRow | None:
    """One row; None after adding its faults."""
    if len(cells) > len(header) and any(cells[len(header) :]):
        faults.append(f"row {number} has {len(cells)} cells, row 1 has {len(header)}; quote a text with separators")
        return None
    values = {name: cell for name, cell in zip(header, cells, strict=False) if name in COLUMNS}
    found = [f"row {number}: {fault}" for fault in _find_row_faults(path, values)]
    words = None
    if values.get("words"):
        try:
            words = _parse_words(values["words"])
        except ValidationError as exc:
            found.append(f"row {number}: {_describe_invalid_words(exc)}")
    faults += found
    if found:
        return None
    return TableRow(
        number=number,
        name=values["file"],
        path=path.parent / values["file"],
        label=values["label"],
        speaker=values.get("speaker", ""),
        session=values.get("session", ""),
        text=values.get("text", ""),
        words=words,
        part=values.get("split", ""),
    )


def _parse_words(cell: str) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(each.word, each.start, each.end, "given") for each in _WORDS.validate_json(cell))


def _describe_invalid_words(error: ValidationError) -> str:
    first = error.errors()[0]
    place = "".join(f"[{part!r}]" for part in first["loc"])
    return (
        f"words{place} {first['msg'][0].lower()}{first['msg'][1:]}; write JSON such as "
        '[{"word": "hello", "start": 0.31, "end": 0.62}]'
    )


def _find_row_faults(path: Path, values: Mapping[str, str]) -> Iterator[str]:
    file, label, part = (values.get(name, "") for name in ("file", "label", "split"))
    if not file:
        yield "the cell 'file' is empty"
    elif not (path.parent / file).is_file():
        yield f"{path.parent / file} does not exist; files are relative to the folder of the table, or absolute"
    if not label:
        yield "the cell 'label' is empty; label the recording, or remove the row"
    elif len(label) > MAX_LABEL or not label.isprintable():
        yield f"the label {label[:MAX_LABEL]!r} cannot be used; it must be printable and at most {MAX_LABEL} characters"
    if part and part not in PARTS:
        close = get_close_matches(part.lower(), PARTS, n=1, cutoff=0.3)
        yield f"unknown split {part!r}; write {close[0] if close else ', '.join(PARTS)!r}"
    if values.get("text") and values.get("words"):
        yield "it has both text and words; keep one of them"


def _find_table_faults(rows: Sequence[TableRow]) -> Iterator[str]:
    """Faults that only several rows together show."""
    if not rows:
        yield "it has no row under the header"
        return
    yield from _find_duplicates(rows)
    for name in _WHOLE_COLUMNS:
        values = [row.part if name == "split" else getattr(row, name) for row in rows]
        empty = [row.number for row, value in zip(rows, values, strict=True) if not value]
        if empty and len(empty) < len(rows):
            yield f"{name} is empty in {list_rows(empty)} but not in all rows; fill or remove the column"
    yield from _find_label_faults(rows)


def _find_duplicates(rows: Sequence[TableRow]) -> Iterator[str]:
    by_path = defaultdict(list)
    for row in rows:
        by_path[row.path.resolve()].append(row)
    for same in by_path.values():
        if len(same) > 1:
            labels = sorted({row.label for row in same})
            differ = f", labelled {' and '.join(labels)}" if len(labels) > 1 else ""
            yield f"{same[0].name} is in {list_rows([row.number for row in same])}{differ}; keep one row"


def _find_label_faults(rows: Sequence[TableRow]) -> Iterator[str]:
    counts = Counter(row.label for row in rows)
    by_name = defaultdict(list)
    for label in counts:
        by_name[EMOTION_NAMES.get(label, label).casefold()].append(label)
    for labels in by_name.values():
        if len(labels) > 1:
            written = " and ".join(f"{label!r} ({counts[label]} rows)" for label in labels)
            yield f"the labels {written} are one label in different spellings; write them alike"
    if len(by_name) == 1:
        yield f"all {len(rows)} rows have the label {rows[0].label!r}; at least two labels are needed"


def list_rows(numbers: Sequence[int]) -> str:
    """Row numbers in words: "row 4", "rows 4, 7, 9 and 12 more"."""
    shown = ", ".join(map(str, numbers[:5]))
    further = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {shown}{further}"
