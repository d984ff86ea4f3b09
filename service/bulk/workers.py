"""An archive's recordings through the engine, in as many processes as a Ray cluster has room for (Ray Data)."""

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
from alignment.errors import AlignmentError
from model.errors import ModelError
from service.bulk.schema import INTERNAL, UNREADABLE, WORKER_LOST, answer_row, problem_row, table_schema
from service.errors import ClusterError, ServiceError
from service.inference.engine import EmotionEngine
from service.inference.long_audio import cut_recording
from service.inference.result import Analysis, AnalysisRequest, ResultBuilder, Stopwatch
from service.observability.logs import configure_logs
from service.results.problems import find_problem
from service.results.serialisation import present
from service.settings import Settings
from service.sources import fetch

_MOST_IN_A_BLOCK: Final = 16
_BLOCKS_A_WORKER: Final = 8
# Names and rows are all that passes through it.
_OBJECT_STORE_BYTES: Final = 256 * 2**20
_LOST: Final = "the process that worked on it died, twice; see the workers' logs, which Ray keeps"
log = structlog.stdlib.get_logger("service.cli.bulk")


class ArchiveWorker:
    """One process of the pool: its own engine, one recording after the other."""

    def __init__(self, settings: Settings, engine: EmotionEngine | None = None) -> None:
        """Loads everything; `engine` takes the place of the one that the settings name."""
        configure_logs(settings.log_level)
        self._max_audio_s = settings.jobs.max_audio_s
        self._engine = engine or EmotionEngine(settings)
        self._engine.warm_up()
        self._schema = table_schema(self._engine.bundle.config.emotions)

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        """A table of one row for each recording that the block names."""
        for name in block["file"].to_pylist():
            yield pa.Table.from_pylist([self.answer(name)], self._schema)

    def answer(self, name: str) -> dict[str, Any]:
        """The recording's row, whatever comes of it."""
        try:
            with fetch(name) as path:
                return answer_row(name, present(self._analyse(path), self._engine))
        except (AlignmentError, ModelError, ServiceError) as exc:
            problem = find_problem(exc)
            return problem_row(name, problem.code if problem else INTERNAL, str(exc))
        except (OSError, ImportError) as exc:
            return problem_row(name, UNREADABLE, str(exc) or type(exc).__name__)
        except Exception as exc:
            # One recording in a million that nobody thought of must not cost the others.
            log.exception("unexpected error", file=name)
            return problem_row(name, INTERNAL, f"{type(exc).__name__}: {exc}")

    def _analyse(self, path: Path) -> Analysis:
        """As `EmotionEngine.analyse`, window by window from disk, so that hours take no more memory than minutes."""
        audio = inspect_audio(path, self._max_audio_s)
        findings, watch = ResultBuilder(audio.source, audio.warnings), Stopwatch()
        for window, request in cut_recording(audio, AnalysisRequest(), self._engine.detector):
            prepared = self._engine.prepare(window, request, watch)
            if prepared is not None:
                findings.add(window.start_s, prepared.transcript, self._engine.classify(prepared.features))
        return findings.finish(watch.timings_ms)


@contextmanager
def connect(address: str) -> Iterator[int]:
    """Number of cores of a Ray cluster; one that was started here ends here.

    Args:
        address: see `Resources`.

    Raises:
        ClusterError: nothing answers there, or its workers cannot start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        # Where it is not to make clusters of machines, which this switch is about, Ray listens on 127.0.0.1 alone.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # It would report as an error that an actor which dies may not come back.
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


def answer_archive(
    names: Sequence[str], settings: Settings, schema: pa.Schema, workers: int, gpus: float = 0.0
) -> Iterator[pa.Table]:
    """Rows of all recordings, as they come; those of a process that dies are tried once more, each on its own.

    Args:
        names: paths and addresses; every node must be able to read them.
        settings: for the workers.
        schema: of the rows.
        workers: processes at most.
        gpus: share of a GPU that each takes.
    """
    missing = set(names)
    for most_in_a_block in (_MOST_IN_A_BLOCK, 1):
        left = [name for name in names if name in missing]
        if left:
            blocks = max(-(-len(left) // most_in_a_block), min(len(left), workers * _BLOCKS_A_WORKER))
            for rows in _run(left, blocks, settings, workers, gpus):
                missing.difference_update(rows["file"].to_pylist())
                yield rows
    lost = [problem_row(name, WORKER_LOST, _LOST) for name in names if name in missing]
    if lost:
        yield pa.Table.from_pylist(lost, schema)


def _run(names: Sequence[str], blocks: int, settings: Settings, workers: int, gpus: float) -> Iterator[pa.Table]:
    """Rows of what the processes got through; a block whose process died twice is left out."""
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    recordings = data.from_items([{"file": name} for name in names], override_num_blocks=blocks)
    pool = data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=min(workers, blocks))
    with warnings.catch_warnings():
        # Ray 2.60 tells of names for all options, and has none yet for this one, without which it tries for ever.
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
