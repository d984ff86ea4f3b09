"""Workers of a bulk run: processes of a Ray cluster (Ray Data) with an engine each."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import structlog

from alignment.audio import inspect_audio
from alignment.errors import CanSerError
from service.bulk.schema import INTERNAL, UNREADABLE, WORKER_LOST, problem_row, response_row, table_schema
from service.errors import ClusterError
from service.inference.engine import EmotionEngine
from service.inference.long_audio import cut_recording
from service.inference.request import AnalysisRequest
from service.inference.result import AnalysisResult, ResultBuilder
from service.inference.window_loop import WindowLoop
from service.observability.logs import configure_logs
from service.observability.stopwatch import Stopwatch
from service.results.problems import find_problem
from service.results.serialisation import to_response
from service.settings import Settings
from service.sources import open_recording

_MAX_IN_BLOCK: Final = 16
_BLOCKS_PER_WORKER: Final = 8
# It holds only names and rows.
_OBJECT_STORE_BYTES: Final = 256 * 2**20
_LOST: Final = "the worker process died twice; see the workers' logs, which Ray keeps"
log = structlog.stdlib.get_logger("service.bulk.workers")


class ArchiveWorker:
    """One process of the pool, with an engine of its own; analyses one recording after the other."""

    def __init__(self, settings: Settings, engine: EmotionEngine | None = None) -> None:
        """Load all models; `engine` replaces the engine of the settings."""
        configure_logs(settings.log_level)
        self._max_audio_s = settings.jobs.max_audio_s
        self._engine = engine or EmotionEngine(settings)
        self._engine.warm_up()
        self._schema = table_schema(self._engine.bundle.config.emotions)

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        """A table of one row for each recording that the block names."""
        for name in block["file"].to_pylist():
            yield pa.Table.from_pylist([self.row(name)], self._schema)

    def row(self, name: str) -> dict[str, Any]:
        """Row of a recording, or of its problem."""
        try:
            with open_recording(name) as path:
                return response_row(name, to_response(self._analyse(path), self._engine))
        except CanSerError as exc:
            problem = find_problem(exc)
            return problem_row(name, problem.code if problem else INTERNAL, str(exc))
        except (OSError, ImportError) as exc:
            return problem_row(name, UNREADABLE, str(exc) or type(exc).__name__)
        except Exception as exc:
            # An unexpected error in one recording must not end the run.
            log.exception("unexpected error in a recording")
            return problem_row(name, INTERNAL, f"{type(exc).__name__}: {exc}")

    def _analyse(self, path: Path) -> AnalysisResult:
        """As `EmotionEngine.analyse`, but window by window from disk, so that memory does not grow with duration."""
        audio = inspect_audio(path, self._max_audio_s)
        stopwatch, result = Stopwatch(), ResultBuilder(audio.source, audio.warnings, [self._engine.name])
        windows = cut_recording(audio, AnalysisRequest(), self._engine.detector)
        loop = WindowLoop(self._engine, windows, result, stopwatch)
        return loop.run().finish(stopwatch.timings_ms)


@contextmanager
def connect(address: str) -> Iterator[int]:
    """Number of cores of a Ray cluster; one that is started here ends with the block.

    Args:
        address: "local" starts a cluster on this machine; else "auto" or HOST:PORT.

    Raises:
        ClusterError: The cluster does not respond, or its workers cannot start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        # Without clusters of several machines, which this switch disables, Ray listens on 127.0.0.1 only.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Otherwise Ray reports as an error that a dead actor may not restart.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    from ray.exceptions import RayError

    own: dict[str, Any] = (
        {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES} if address == "local" else {}
    )
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as exc:  # Ray raises this very class where its node does not start in time
        raise ClusterError(address, str(exc)) from exc
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    except RayError as exc:
        raise ClusterError(address, str(exc)) from exc
    finally:
        ray.shutdown()


def analyse_archive(
    names: Sequence[str], settings: Settings, schema: pa.Schema, workers: int, gpus: float = 0.0
) -> Iterator[pa.Table]:
    """Rows of all recordings, as they arrive; those of a process that dies are tried once more, each on its own.

    Args:
        names: Paths and addresses, readable on every node.
        settings: Settings of the workers.
        schema: Schema of the rows.
        workers: Maximum number of processes.
        gpus: Share of a GPU for each process.
    """
    missing = set(names)
    for max_in_block in (_MAX_IN_BLOCK, 1):
        remaining = [name for name in names if name in missing]
        if remaining:
            blocks = max(-(-len(remaining) // max_in_block), min(len(remaining), workers * _BLOCKS_PER_WORKER))
            for rows in _run(remaining, blocks, settings, workers, gpus):
                missing.difference_update(rows["file"].to_pylist())
                yield rows
    lost = [problem_row(name, WORKER_LOST, _LOST) for name in names if name in missing]
    if lost:
        yield pa.Table.from_pylist(lost, schema)


def _run(names: Sequence[str], blocks: int, settings: Settings, workers: int, gpus: float) -> Iterator[pa.Table]:
    """Rows of the blocks that succeed; a block whose process died twice is left out."""
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    recordings = data.from_items([{"file": name} for name in names], override_num_blocks=blocks)
    pool = data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=min(workers, blocks))
    with warnings.catch_warnings():
        # Ray 2.60 deprecates options by other names, but has none yet for this one, without which it retries for ever.
        warnings.simplefilter("ignore", DeprecationWarning)
        rows = recordings.map_batches(
            ArchiveWorker,
            fn_constructor_args=(settings,),
            batch_size=None,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=1,
            num_gpus=gpus,
            max_task_retries=1,
        )
    yield from rows.iter_batches(batch_size=None, batch_format="pyarrow")
