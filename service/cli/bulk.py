"""`can-ser bulk`: an archive in, one table out, however often it is stopped in between."""

import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignment.errors import AlignmentError
from alignment.timing import Seconds
from model.bundle import Bundle, locate_bundle, read_bundle
from model.errors import ModelError
from service.cli.console import complain
from service.cli.progress import BulkProgress
from service.errors import MissingPackageError, ServiceError
from service.inference.engine import load_aligner
from service.settings import Settings, load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from service.bulk.parquet import Parts

KNOWN_ERRORS: Final = (AlignmentError, ModelError, ServiceError)
INTERRUPTED: Final = 130
_PACKAGES: Final = frozenset({"ray", "pyarrow", "fsspec"})


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """What was asked for.

    Attributes:
        sources: see `service.sources.find_archive`.
        out: the table.
        address: see `service.bulk.workers.connect`.
        workers: processes at most; None for one per core.
        gpus: share of a GPU that each takes.
        bundle: name or folder.
        aligner: by name.
        flush_s: what is answered is on disk within so long; a kill loses no more.
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
    """Answers what has no row yet; 0, 1 when some have a problem, 2 when it cannot start, 130 when interrupted."""
    try:
        return _run(options)
    except ModuleNotFoundError as exc:
        if exc.name not in _PACKAGES:
            raise
        complain(MissingPackageError(str(exc.name), "cluster"))
    except KNOWN_ERRORS as exc:
        complain(exc)
    return 2


def _run(options: BulkOptions) -> int:
    from service.bulk.parquet import Parts
    from service.bulk.schema import table_schema
    from service.bulk.workers import answer_archive, connect
    from service.sources import find_archive

    settings = load_settings({"bundle": options.bundle, "aligner": options.aligner})
    bundle = read_bundle(locate_bundle(settings.bundle))
    names = find_archive(list(options.sources))
    schema = table_schema(bundle.config.emotions)
    with Parts(options.out, schema, _identity(settings, bundle)) as parts:
        left = parts.find_open(names)
        progress = BulkProgress(len(names), len(names) - len(left), options.out)
        try:
            if left:
                with connect(options.address) as cores, progress:
                    stop = _Stop()
                    tables = answer_archive(left, settings, schema, options.workers or cores, options.gpus)
                    _keep(tables, parts, progress, options.flush_s, stop)
            parts.join()
        except KeyboardInterrupt:
            progress.tell_interrupted()
            return INTERRUPTED
        problems = [problem for name in names if (problem := parts.problems[name]) is not None]
    progress.tell_done(problems)
    return 1 if problems else 0


class _Stop:
    """Ctrl-C and SIGTERM alike, from now on.

    The exception alone is not enough: where it is raised inside a callback of Ray's, Python only reports it.
    """

    def __init__(self) -> None:
        self.asked = False
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._end)

    def _end(self, *_: object) -> None:
        self.asked = True
        raise KeyboardInterrupt


def _keep(tables: "Iterable[pa.Table]", parts: "Parts", progress: BulkProgress, flush_s: Seconds, stop: _Stop) -> None:
    """Writes rows as they come, often enough."""
    flushed = time.monotonic()
    for rows in tables:
        parts.add(rows)
        progress.add(rows["duration_s"].to_pylist(), rows["problem"].to_pylist())
        if stop.asked:
            raise KeyboardInterrupt
        if time.monotonic() - flushed >= flush_s:
            parts.flush()
            flushed = time.monotonic()


def _identity(settings: Settings, bundle: Bundle) -> str:
    """Who answers: rows of two of them are not comparable."""
    aligner = load_aligner(settings)
    info = aligner.info
    aligner.close()
    return f"{bundle.config.name} {bundle.version} with {info.name} {info.model} ({info.language})"
