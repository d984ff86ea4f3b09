"""`can-ser bulk`: a table of an archive of recordings, resumable at any time."""

import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignment.errors import CanSerError, optional_packages
from alignment.timing import Seconds
from model.bundle import Bundle
from service.cli.console import print_error, print_left_out
from service.cli.progress import BulkProgress
from service.inference.loading import choose_bundle, load_aligner
from service.settings import Settings, load_settings
from service.sources import find_archive

if TYPE_CHECKING:
    import pyarrow as pa

    from service.bulk.parquet import ResultParts

INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """Options of the command.

    Attributes:
        sources: See `service.sources.find_archive`.
        out: Parquet file of the table.
        address: See `service.bulk.workers.connect`.
        workers: Maximum number of processes; None for one per core.
        gpus: Share of a GPU for each process.
        bundle: Name or folder.
        aligner: Name.
        flush_s: Longest time after which results are on disk; a kill loses no more.
    """

    sources: Sequence[str]
    out: Path
    address: str = "local"
    workers: int | None = None
    gpus: float = 0.0
    bundle: str | None = None
    aligner: str | None = None
    flush_s: Seconds = 10.0


def run_bulk(options: BulkOptions) -> int:
    """Analyse the recordings without a row; return 0, 1 for problems, 130 on interruption, 2 when it cannot go on."""
    try:
        with optional_packages("cluster", "ray", "pyarrow", "filelock"):
            return _run(options)
    except (CanSerError, OSError) as exc:
        print_error(exc)
        return 2


def _run(options: BulkOptions) -> int:
    from service.bulk.parquet import ResultParts
    from service.bulk.schema import table_schema
    from service.bulk.workers import analyse_archive, connect

    settings = load_settings({"bundle": options.bundle, "aligner": options.aligner})
    bundle, _ = choose_bundle(settings)
    names = find_archive(options.sources, print_left_out)
    schema = table_schema(bundle.config.emotions)
    with ResultParts(options.out, schema, _identity(settings, bundle)) as parts:
        remaining = parts.find_remaining(names)
        progress = BulkProgress(len(names), len(names) - len(remaining), options.out)
        try:
            if remaining:
                with connect(options.address) as cores, progress:
                    interrupt = _Interrupt()
                    tables = analyse_archive(remaining, settings, schema, options.workers or cores, options.gpus)
                    _store(tables, parts, progress, options.flush_s, interrupt)
            parts.join()
        except KeyboardInterrupt:
            progress.print_interrupted()
            return INTERRUPTED
        problems = [problem for name in names if (problem := parts.problems[name]) is not None]
    progress.print_summary(problems)
    return 1 if problems else 0


class _Interrupt:
    """Handler of SIGINT and SIGTERM.

    The exception alone is not enough: where it is raised inside a callback of Ray, Python only reports it.
    """

    def __init__(self) -> None:
        self.received = False
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._handle)

    def _handle(self, *_: object) -> None:
        self.received = True
        raise KeyboardInterrupt


def _store(
    tables: "Iterable[pa.Table]", parts: "ResultParts", progress: BulkProgress, flush_s: Seconds, interrupt: _Interrupt
) -> None:
    """Add rows as they arrive, and flush them often enough."""
    flushed = time.monotonic()
    for rows in tables:
        parts.add(rows)
        progress.add(rows["duration_s"].to_pylist(), rows["problem"].to_pylist())
        if interrupt.received:
            raise KeyboardInterrupt
        if time.monotonic() - flushed >= flush_s:
            parts.flush()
            flushed = time.monotonic()


def _identity(settings: Settings, bundle: Bundle) -> str:
    """Weights and aligner: rows of different ones are not comparable."""
    aligner = load_aligner(settings)
    info = aligner.info
    aligner.close()
    return f"{bundle.config.name} {bundle.version} with {info.name} {info.model} ({info.language})"
