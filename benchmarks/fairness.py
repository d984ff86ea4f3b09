"""Latency of requests and live speech while long recordings are processed, compared with the same alone.

    python -m benchmarks.fairness --clips FOLDER [--bulk]

A request with words to recognise is sent again and again, then clips are sent live in real time: first alone, then
while a job of many minutes is processed, and with `--bulk` also while `can-ser bulk` processes a recording in processes
of its own. The ratios of the 95th percentiles are printed.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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


def time_requests(server: Server, clip: Path, count: int) -> list[float]:
    """Seconds of each of a number of requests, one after the other."""
    data, seconds = clip.read_bytes(), []
    for _ in range(count):
        started = time.perf_counter()
        server.predict(data)
        seconds.append(time.perf_counter() - started)
    return seconds


def time_live(server: Server, clips: Sequence[NDArray[np.int16]]) -> list[float]:
    """Seconds from the end of each utterance to its result."""
    address = f"ws://127.0.0.1:{server.port}/stream"
    return [delay_s for clip in clips for delay_s in asyncio.run(measure(address, clip))]


@contextmanager
def bulk_run(folder: Path, recording: Path, active: bool) -> Iterator[None]:
    """`can-ser bulk` on a recording, from the start of its processing to the end of the block.

    Raises:
        SystemExit: It ended before the block.
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
            while process.poll() is None and _cpu_s(tree) < _BULK_START_S:
                time.sleep(1)
            started_s = _cpu_s(tree)
            yield
            if process.poll() is not None:
                raise SystemExit(f"can-ser bulk ended with status {process.returncode} before the measurement")
            print(f"the bulk run used {_cpu_s(tree) - started_s:.0f} s of processor time meanwhile")
        finally:
            process.terminate()


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
    live: Annotated[int, typer.Option(min=1, help="Clips sent live in each measurement.")] = 8,
    minutes: Annotated[float, typer.Option(min=1.0, help="Duration of the job's recording.")] = 20.0,
    bulk: Annotated[bool, typer.Option(help="Also run `can-ser bulk`; needs `make install-cluster`.")] = False,
) -> None:
    """Print both latencies alone, with a job, and the ratios."""
    files = find_clips(clips, max(live, 4))
    spoken = [read_clip(path) for path in files[:live]]
    with tempfile.TemporaryDirectory() as name, run_server(Path(name) / "log", "--aligner", "moonshine") as server:
        recording = Path(name) / "long.wav"
        join_clips([path.read_bytes() for path in files], minutes, recording)
        time_requests(server, files[0], 3)
        time_live(server, spoken[:1])
        alone = time_requests(server, files[0], requests), time_live(server, spoken)
        with recording.open("rb") as file, bulk_run(Path(name), recording, bulk):
            job = server.client.post("/jobs", files={"file": file}).raise_for_status().json()["id"]
            shared = time_requests(server, files[0], requests), time_live(server, spoken)
            status = server.client.get(f"/jobs/{job}").raise_for_status().json()
            server.client.delete(f"/jobs/{job}")
    if status["status"] != "running":
        raise SystemExit(f"the job is {status['status']} at the end of the measurement; raise --minutes")
    for title, before, after in zip(("request", "live result"), alone, shared, strict=True):
        _print(title, before, after)
    print(f"the job processed {status['progress']['done_s']:.0f} s of sound meanwhile")


def _print(title: str, alone: Sequence[float], shared: Sequence[float]) -> None:
    (median, slow), (median_shared, slow_shared) = (np.percentile(each, (50, 95)) for each in (alone, shared))
    print(
        f"{title}: median {median:.2f} → {median_shared:.2f} s ({median_shared / median:.2f} times), 95th percentile "
        f"{slow:.2f} → {slow_shared:.2f} s ({slow_shared / slow:.2f} times)"
    )


if __name__ == "__main__":
    typer.run(main)
