"""Cost of padding with and without buckets by length: `python -m benchmarks.scoring --buckets`."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from model.runtime import EmotionClassifier, bucket_by_length, pad_frames

MIXES: Final = {
    "14 words of 36 frames": (36,) * 14,
    "13 words of 20 frames and one of 200": (20,) * 13 + (200,),
    "14 words, as long as in speech": (9, 14, 20, 22, 25, 28, 30, 36, 40, 41, 50, 58, 65, 80),
    "8 such utterances at once": (9, 14, 20, 22, 25, 28, 30, 36, 40, 41, 50, 58, 65, 80) * 8,
}
_GRID: Final = tuple((segments, frames) for segments in (1, 4, 16, 64) for frames in (10, 40, 160))


def run_groups(
    classifier: EmotionClassifier, frames: NDArray[np.float32], counts: NDArray[np.int64], groups: list[Any]
) -> None:
    """Encode segments with one padded call per group."""
    starts = np.cumsum(counts) - counts
    for group in groups:
        classifier.encode_padded(pad_frames(frames, starts[group], counts[group]), counts[group])


def show_buckets(classifier: EmotionClassifier, median_ms: Callable[..., float], console: Console) -> None:
    """Print a table of the mixes, and the fitted costs."""
    frame_size = classifier.bundle.config.network.frame_size
    table = Table("segments", "one padded call", "a call each", "bucketed as served", "calls", box=None)
    for name, lengths in MIXES.items():
        counts = np.array(lengths, np.int64)
        frames = np.zeros((int(counts.sum()), frame_size), np.float32)
        buckets = list(bucket_by_length(counts))
        groupings: Iterable[list[Any]] = ([np.arange(len(counts))], list(np.arange(len(counts))[:, None]), buckets)
        spent_ms = [
            median_ms("run(c, f, n, g)", run=run_groups, c=classifier, f=frames, n=counts, g=groups)
            for groups in groupings
        ]
        table.add_row(name, *(f"{value:.2f} ms" for value in spent_ms), str(len(buckets)))
    console.print(table)
    call, step, cell = fit_costs(classifier, median_ms)
    console.print(
        f"a call costs {1_000 * call:.0f} µs, a time step {1_000 * step:.1f} µs, a segment's time step "
        f"{1_000 * cell:.2f} µs: a step is worth {step / cell:.1f} and a call {call / cell:.0f} padded segment steps"
    )


def fit_costs(classifier: EmotionClassifier, median_ms: Callable[..., float]) -> tuple[float, float, float]:
    """Milliseconds per call, per time step and per time step of one segment, by least squares over a grid."""
    frame_size = classifier.bundle.config.network.frame_size
    rows, spent_ms = [], []
    for segments, frames in _GRID:
        padded, counts = np.zeros((segments, frames, frame_size), np.float32), np.full(segments, frames, np.int64)
        spent_ms.append(median_ms("c.encode_padded(p, n)", c=classifier, p=padded, n=counts))
        rows.append((1.0, frames, segments * frames))
    weights = 1.0 / np.array(spent_ms)
    solution = np.linalg.lstsq(np.array(rows) * weights[:, None], np.ones(len(spent_ms)), rcond=None)[0]
    call, step, cell = solution.tolist()
    return call, step, cell
