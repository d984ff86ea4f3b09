"""Start-up time, health checks under load and memory of the server with the embedded aligner and starter bundle.

python -m benchmarks.serving
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from benchmarks.server_process import Server, run_server

_CLIP: Final = Path("tests/fixtures/speech/garden.flac")


def live_ms_under_load(server: Server, recording: bytes) -> list[float]:
    """Milliseconds of each /health/live while three recordings are recognised."""
    spent_ms = []
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(server.predict, recording) for _ in range(3)]
        while not all(future.done() for future in slow):
            started = time.perf_counter()
            server.client.get("/health/live").raise_for_status()
            spent_ms.append(1_000 * (time.perf_counter() - started))
    return spent_ms


def main(
    clip: Annotated[Path, typer.Option(help="Recording of speech.")] = _CLIP,
    requests: Annotated[int, typer.Option(min=1, help="Requests before the second reading of memory.")] = 100,
    aligner: Annotated[str, typer.Option(help="Aligner of the server.")] = "moonshine",
) -> None:
    """Print the figures."""
    recording = clip.read_bytes()
    with tempfile.TemporaryDirectory() as folder, run_server(Path(folder) / "log", "--aligner", aligner) as server:
        print(f"start to ready: {server.ready_after_s:.2f} s")
        live = live_ms_under_load(server, recording)
        print(
            f"/health/live while 3 recordings are recognised: median {np.median(live):.1f} ms, maximum "
            f"{max(live):.1f} ms of {len(live)}"
        )
        before = server.resident_bytes()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: server.predict(recording), range(requests)))
        print(
            f"resident memory of {1 + len(server.workers())} processes: {before / 1e6:.0f} MB initially, "
            f"{server.resident_bytes() / 1e6:.0f} MB after {requests} requests"
        )


if __name__ == "__main__":
    typer.run(main)
