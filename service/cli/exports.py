"""Files of `can-ser predict`: subtitles, TextGrids and RTTM of each recording, tables of all recordings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import get_args

from can_ser_client.fields import ExportFormat, SubtitleEmotions
from can_ser_client.schemas import PredictOut
from model.atomic import atomic_file
from service.errors import SettingsError
from service.exports.formats import FORMATS, ExportRequest, write_export
from service.exports.tables import Table


@dataclass(frozen=True, slots=True)
class _FilePlan:
    """Files of one format, one for each recording, in order."""

    export: ExportRequest
    targets: Sequence[Path]


class Exporter:
    """Writes the files of all recordings; tables are written at the end."""

    def __init__(self, files: Sequence[_FilePlan], tables: Mapping[Path, Table]) -> None:
        self._files, self._tables = files, tables
        self._is_empty = True

    def add(self, number: int, name: str, response: PredictOut) -> None:
        """Write the files of a recording, and add it to the tables.

        Args:
            number: Position of the recording, from 0.
            name: Its name.
            response: Its response.

        Raises:
            OSError: A file cannot be written.
            TableFullError: A table has no more rows.
        """
        for plan in self._files:
            _write(plan.targets[number], write_export(response, plan.export, name))
        for table in self._tables.values():
            table.add(name, response)
        self._is_empty = False

    def finish(self) -> None:
        """Write the tables, unless no recording was added.

        Raises:
            OSError: A file cannot be written.
        """
        if self._is_empty:
            return
        for path, table in self._tables.items():
            _write(path, table.finish())


def plan_exports(
    targets: Mapping[ExportFormat, Path], emotions: str | None, recordings: Sequence[Path], inputs: Sequence[Path]
) -> Exporter:
    """The files of each requested format; folders that are missing are created.

    Args:
        targets: File or folder by format: a file for a table; for the others, a file for one recording, a folder for
            one or more.
        emotions: How subtitles show emotions; None for not at all.
        recordings: Recordings, in order.
        inputs: Further files that are read, which must not be overwritten.

    Raises:
        SettingsError: A file is named for several recordings, has another suffix, is named twice, or is an input; or
            the emotions are unknown or cannot be shown.
        OSError: A folder cannot be created.
    """
    shown = _read_emotions(emotions, targets)
    tables = {target: create() for name, target in targets.items() if (create := FORMATS[name].table)}
    files = [
        _FilePlan(ExportRequest(name, shown), _plan_files(name, target, recordings))
        for name, target in targets.items()
        if not FORMATS[name].table
    ]
    of_tables = {name: target for name, target in targets.items() if FORMATS[name].table}
    for name, target in of_tables.items():
        _check_suffix(name, target, FORMATS[name].table_suffix)
    written = [path for plan in files for path in plan.targets] + list(of_tables.values())
    _check_targets(written, [*recordings, *inputs])
    for folder in {path.parent for path in written}:
        folder.mkdir(parents=True, exist_ok=True)
    return Exporter(files, tables)


def _read_emotions(value: str | None, targets: Mapping[ExportFormat, Path]) -> SubtitleEmotions:
    known: dict[str, SubtitleEmotions] = {each: each for each in get_args(SubtitleEmotions)}
    option = f"--subtitle-emotions {value}"
    if value is None:
        return "omit"
    if value not in known:
        raise SettingsError(f"{option} is unknown; use {' or '.join(known)}, or omit it")
    if not {"srt", "vtt"} & targets.keys():
        raise SettingsError(f"{option} has no effect without --srt or --vtt; add one of them")
    if value == "class" and "srt" in targets:
        raise SettingsError(f"{option} needs WebVTT, and SubRip has no classes; use --vtt alone, or prefix")
    return known[value]


def _plan_files(name: ExportFormat, target: Path, recordings: Sequence[Path]) -> list[Path]:
    suffix = FORMATS[name].suffix
    is_folder = target.is_dir()
    if len(recordings) == 1 and not is_folder and (target.suffix or target.exists()):
        _check_suffix(name, target, suffix)
        return [target]
    if not is_folder and (target.exists() or target.suffix.lower() == suffix.lower()):
        raise SettingsError(f"--{name} {target}: the files of {len(recordings)} recordings need a folder, not a file")
    return [target / f"{stem}{suffix}" for stem in _number(path.stem for path in recordings)]


def _number(stems: Iterator[str]) -> Iterator[str]:
    """Stems, of which those that occurred before are numbered: a, b, a-2."""
    used: set[str] = set()
    for stem in stems:
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        name = next(name for name in names if name.casefold() not in used)
        used.add(name.casefold())
        yield name


def _check_suffix(name: ExportFormat, target: Path, suffix: str) -> None:
    if target.is_dir() or target.suffix.lower() != suffix.lower():
        raise SettingsError(f"--{name} {target}: name a file that ends with {suffix}")


def _check_targets(written: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Refuse to write a file twice, or over an input."""
    read = {path.resolve() for path in inputs}
    seen: set[Path] = set()
    for path in written:
        place = path.resolve()
        if place in read:
            raise SettingsError(f"{path} is an input and would be overwritten; name another file or folder")
        if place in seen:
            raise SettingsError(f"{path} would be written twice; name another file or folder")
        seen.add(place)


def _write(path: Path, data: bytes) -> None:
    with atomic_file(path) as part:
        part.write_bytes(data)
