"""Latency of requests and live speech while long recordings are processed, compared with the same alone.

    python -m benchmarks.fairness --clips FOLDER [--no-bulk]

A request with words to recognise is sent again and again, then clips are sent live in real time: first alone, then
while a job of many minutes is processed, and `can-ser bulk` processes a recording in processes of its own. The status
is 1 where a 95th percentile is more than 1.5 (requests) or 1.3 times (live results) what it is alone.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from benchmarks.clips import FIXTURES, find_clips
from benchmarks.live import measure, read_clip
from benchmarks.long import join_clips
from benchmarks.server_process import Server, run_server

_BULK_START_S: Final = 20.0
"""Processor time after which `can-ser bulk` has started Ray and processes sound."""
_BULK_LIMIT_S: Final = 120.0
_MAX_CLIPS_PER_RESULT: Final = 3
MAX_REQUEST_RATIO: Final = 1.5
MAX_LIVE_RATIO: Final = 1.3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Latencies of one kind of work, alone and while long recordings are processed.

    Attributes:
        title: What was measured.
        limit: Largest accepted ratio of the 95th percentiles.
        alone: Seconds of each result.
        shared: The same while long recordings are processed.
    """

    title: str
    limit: float
    alone: Sequence[float]
    shared: Sequence[float]

    @property
    def ratio(self) -> float:
        """Ratio of the 95th percentiles."""
        return float(np.percentile(self.shared, 95) / np.percentile(self.alone, 95))

    @property
    def exceeds(self) -> bool:
        """Whether the ratio is above its limit."""
        return self.ratio > self.limit

    def describe(self) -> str:
        """Counts, medians, 95th percentiles and their ratios."""
        median, slow = np.percentile(self.alone, (50, 95))
        median_shared, slow_shared = np.percentile(self.shared, (50, 95))
        return (
            f"{self.title} ({len(self.alone)} alone, {len(self.shared)} shared): median {median:.2f} → "
            f"{median_shared:.2f} s ({median_shared / median:.2f} times), 95th percentile {slow:.2f} → "
            f"{slow_shared:.2f} s ({self.ratio:.2f} times, limit {self.limit:g})"
        )


def require_limits(comparisons: Sequence[Comparison]) -> None:
    """End with status 1 where a limit is exceeded.

    Raises:
        SystemExit: A ratio is above its limit; the message names each.
    """
    exceeded = [f"{each.title} {each.ratio:.2f} times (limit {each.limit:g})" for each in comparisons if each.exceeds]
    if exceeded:
        raise SystemExit(f"95th percentile over its limit: {', '.join(exceeded)}")


def time_requests(server: Server, clip: Path, count: int) -> list[float]:
    """Seconds of each of a number of requests, one after the other."""
    data, seconds = clip.read_bytes(), []
    for _ in range(count):
        started = time.perf_counter()
        server.predict(data)
        seconds.append(time.perf_counter() - started)
    return seconds


def time_live(server: Server, clips: Sequence[NDArray[np.int16]], results: int) -> list[float]:
    """Seconds from the end of each utterance to its result; clips are repeated until there are enough results.

    Raises:
        SystemExit: The clips hold too little speech.
    """
    address, delays_s = f"ws://127.0.0.1:{server.port}/stream", list[float]()
    for clip in islice(cycle(clips), _MAX_CLIPS_PER_RESULT * results):
        delays_s += asyncio.run(measure(address, clip))
        if len(delays_s) >= results:
            return delays_s
    raise SystemExit(f"the clips gave {len(delays_s)} live results, {results} are needed; name clips with speech")


@contextmanager
def bulk_run(folder: Path, recording: Path, active: bool) -> Iterator[None]:
    """`can-ser bulk` on a recording, from the start of its processing to the end of the block.

    Raises:
        SystemExit: It does not begin, or ended before the block.
    """
    if not active:
        yield
        return
    archive = folder / "archive"
    archive.mkdir()
    (archive / recording.name).symlink_to(recording)
    command = [sys.executable, "-m", "service.cli.app", "bulk", str(archive), "--out", str(folder / "bulk.parquet")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        try:
            deadline = time.monotonic() + _BULK_LIMIT_S
            while _cpu_s(tree) < _BULK_START_S:
                _require_running(process, within_s=1.0)
                if time.monotonic() > deadline:
                    raise SystemExit(f"can-ser bulk processed nothing within {_BULK_LIMIT_S:g} s")
            started_s = _cpu_s(tree)
            yield
            _require_running(process)
            print(f"the bulk run used {_cpu_s(tree) - started_s:.0f} s of processor time meanwhile")
        finally:
            process.terminate()


def _require_running(process: subprocess.Popen[bytes], within_s: float = 0.0) -> None:
    """Wait for so many seconds; a process that ends meanwhile, or has ended, ends the benchmark."""
    with suppress(subprocess.TimeoutExpired):
        raise SystemExit(f"can-ser bulk ended with status {process.wait(within_s)} before the measurement")


def _cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and all below it, in seconds."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        for each in [process, *process.children(recursive=True)]:
            times = each.cpu_times()
            total += times.user + times.system
    return total


def main(
    clips: Annotated[Path, typer.Option(help="Folder of recordings.")] = FIXTURES,
    requests: Annotated[int, typer.Option(min=20, help="Requests of each measurement.")] = 40,
    live: Annotated[int, typer.Option(min=20, help="Live results of each measurement, at least.")] = 20,
    minutes: Annotated[float, typer.Option(min=1.0, help="Duration of the recording of the job and the run.")] = 40.0,
    bulk: Annotated[
        bool | None, typer.Option(help="Also run `can-ser bulk`; the default where the extra `cluster` is installed.")
    ] = None,
) -> None:
    """Print both latencies alone, with a job and a bulk run, and the ratios; status 1 where one is over its limit."""
    bulk = find_spec("ray") is not None if bulk is None else bulk
    files = find_clips(clips, max(live, 4))
    spoken = [read_clip(path) for path in files]
    with tempfile.TemporaryDirectory() as name, run_server(Path(name) / "log", "--aligner", "moonshine") as server:
        recording = Path(name) / "long.wav"
        join_clips([path.read_bytes() for path in files], minutes, recording)
        time_requests(server, files[0], 3)
        time_live(server, spoken[:1], 1)
        alone = time_requests(server, files[0], requests), time_live(server, spoken, live)
        with recording.open("rb") as file, bulk_run(Path(name), recording, bulk):
            job = server.client.post("/jobs", files={"file": file}).raise_for_status().json()["id"]
            shared = time_requests(server, files[0], requests), time_live(server, spoken, live)
            status = server.client.get(f"/jobs/{job}").raise_for_status().json()
            server.client.delete(f"/jobs/{job}")
    if status["status"] != "running":
        raise SystemExit(f"the job is {status['status']} at the end of the measurement; raise --minutes")
    titles = (("request", MAX_REQUEST_RATIO), ("live result", MAX_LIVE_RATIO))
    comparisons = [Comparison(*title, *each) for title, *each in zip(titles, alone, shared, strict=True)]
    print(*(each.describe() for each in comparisons), sep="\n")
    print(f"the job processed {status['progress']['done_s']:.0f} s of sound meanwhile")
    if not bulk:
        print("no bulk run was under way: give --bulk, which needs the extra `cluster` (make install-cluster)")
    require_limits(comparisons)


if __name__ == "__main__":
    typer.run(main)
