"""Health checks, a small request and memory of a server while clients attack it, and afterwards.

    python -m benchmarks.attacks --seconds 15

The attacks run in another process, one after the other: WebSocket handshakes that are refused, frames without content,
pings whose responses are not read, tiny messages, audio without pauses, pipelined requests, a long result of a job and
its table that are not read, and recordings that are small to send and large to decode, or long to analyse. A second
client measures: /health/live on a new connection each time, and POST /predict with given words, both against their
times before the attacks. Memory is the resident memory of all processes of the server.
"""

import io
import json
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import soundfile
import typer
from rich.console import Console
from rich.table import Table

from alignment.timing import SAMPLE_RATE_HZ, Seconds
from benchmarks.attack_clients import (
    EMPTY_FRAMES,
    FAST_AUDIO,
    PINGS,
    PIPELINES,
    REFUSED_UPGRADES,
    TINY_MESSAGES,
    Attack,
    dense_words,
    long_word,
    many_channels,
    run_attack,
    unread_exports,
    unread_results,
)
from benchmarks.clips import FIXTURES, given_words
from benchmarks.server_process import Server, run_server

_CLIP: Final = FIXTURES / "numbers.flac"
_HEALTH_MS: Final = 250.0
_PREDICT_FACTOR: Final = 3.0
_RECOVERY_S: Final = 30.0
_USUAL_S: Final = 20.0
_SAMPLE_S: Final = 0.1
_LONG_S: Final = 900
_WORDS: Final = 10_000
_HEALTH: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
console = Console(highlight=False, width=120)


@dataclass(frozen=True, slots=True)
class Effect:
    """Figures during and after an attack.

    Attributes:
        health_ms: 99th percentile of /health/live.
        predict_ms: Median of the small request.
        predict_p95_ms: 95th percentile of the small request.
        idle_bytes: Memory before it.
        peak_bytes: Highest memory during it.
        after_bytes: Lowest memory within 30 s after it.
    """

    health_ms: float
    predict_ms: float
    predict_p95_ms: float
    idle_bytes: int
    peak_bytes: int
    after_bytes: int

    def passes(self, usual_ms: float) -> bool:
        """Whether the service stayed usable (against the 95th percentile without an attack), and its memory bounded."""
        return (
            self.health_ms <= _HEALTH_MS
            and self.predict_p95_ms <= _PREDICT_FACTOR * usual_ms
            and self.peak_bytes <= 1.5 * self.idle_bytes + 200e6
            and self.after_bytes <= 1.2 * self.idle_bytes + 50e6
        )


def check_health(port: int) -> None:
    """Request /health/live on a new connection; the time without a response counts, up to 30 s.

    Raises:
        RuntimeError: The response is an error.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(_HEALTH)
        if not connection.recv(4_096).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("/health/live did not return 200")


def repeat(action: Callable[[], object], stop: threading.Event, pause_s: Seconds) -> list[float]:
    """Milliseconds of each call until the event is set; at least one."""
    spent_ms = []
    while True:
        started = time.perf_counter()
        action()
        spent_ms.append(1_000 * (time.perf_counter() - started))
        if stop.wait(pause_s):
            return spent_ms


def measure(server: Server, recording: bytes, seconds: Seconds, attack: Attack | None) -> Effect:
    """Run an attack, or none, and measure meanwhile."""
    console.print(attack.name if attack else "no attack")
    words, stop, idle = given_words(recording), threading.Event(), server.resident_bytes()
    peak = idle
    context = multiprocessing.get_context("spawn")
    attacker = attack and context.Process(target=run_attack, args=(attack, server.port, seconds))
    if attacker:
        attacker.start()
    with ThreadPoolExecutor(2) as pool:
        health = pool.submit(repeat, lambda: check_health(server.port), stop, 0.02)
        predict = pool.submit(repeat, lambda: server.predict(recording, words=words), stop, 0.2)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or (attacker and attacker.is_alive()):
            peak = max(peak, server.resident_bytes())
            stop.wait(_SAMPLE_S)
        stop.set()
    delete_jobs(server)
    after = lowest_memory(server, round(1.02 * idle)) if attacker else idle
    health_ms, (middle_ms, late_ms) = np.percentile(health.result(), 99), np.percentile(predict.result(), (50, 95))
    return Effect(float(health_ms), float(middle_ms), float(late_ms), idle, peak, after)


def lowest_memory(server: Server, enough: int) -> int:
    """Lowest memory within 30 s; returns as soon as it is at most `enough`."""
    lowest, pause, ends = server.resident_bytes(), threading.Event(), time.monotonic() + _RECOVERY_S
    while lowest > enough and time.monotonic() < ends:
        pause.wait(_SAMPLE_S)
        lowest = min(lowest, server.resident_bytes())
    return lowest


def delete_jobs(server: Server) -> None:
    """Delete the jobs that have not ended, which an attack has submitted."""
    for status in ("queued", "running"):
        while jobs := server.client.get("/jobs", params={"status": status, "limit": 100}).json()["jobs"]:
            for job in jobs:
                server.client.delete(f"/jobs/{job['id']}")


def submit_long_job(server: Server) -> str:
    """Address of a finished job of a quarter of an hour, with thousands of words and contributions to every emotion."""
    rng = np.random.default_rng(0)
    samples = np.tile(0.1 * rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32), _LONG_S)
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="FLAC")
    step_s = _LONG_S / _WORDS
    words = [{"word": "a", "start": round(i * step_s, 3), "end": round((i + 0.9) * step_s, 3)} for i in range(_WORDS)]
    fields = {"words": json.dumps(words), "explain": "full"}
    response = server.client.post("/jobs", files={"file": file.getvalue()}, data=fields).raise_for_status()
    location, pause = response.headers["location"], threading.Event()
    while (job := server.client.get(location).json())["status"] not in {"done", "failed"}:
        pause.wait(1.0)
    if job["status"] == "failed":
        raise RuntimeError(f"the long job failed: {job['problem']}")
    return str(location)


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each attack.")] = 15.0,
    clip: Annotated[Path, typer.Option(help="Recording of the small request.")] = _CLIP,
) -> None:
    """Print a table; exit with status 1 when an attack passed a limit."""
    recording = clip.read_bytes()
    effects: dict[str, Effect] = {}
    with tempfile.TemporaryDirectory() as folder, run_server(Path(folder) / "log", "--aligner", "moonshine") as server:
        usual = measure(server, recording, _USUAL_S, None)
        for attack in (REFUSED_UPGRADES, EMPTY_FRAMES, PINGS, TINY_MESSAGES, FAST_AUDIO, PIPELINES):
            effects[attack.name] = measure(server, recording, seconds, attack)
        path = submit_long_job(server)
        size = int(server.client.get(path).headers["content-length"])
        for attack in (unread_results(path), unread_exports(path)):
            effects[f"{attack.name} ({size / 1e6:.1f} MB)"] = measure(server, recording, seconds, attack)
        for attack in (long_word(), many_channels(), dense_words()):
            effects[attack.name] = measure(server, recording, seconds, attack)
        show(usual, effects)
    if not all(effect.passes(usual.predict_p95_ms) for effect in effects.values()):
        raise typer.Exit(1)


def show(usual: Effect, effects: dict[str, Effect]) -> None:
    """Print the figures without an attack and of each attack."""
    table = Table(
        "attack", "health p99 ms", "predict ms", "p95", "÷ usual", "MB before", "peak", "after", "limits", box=None
    )
    for name, each in {"none": usual, **effects}.items():
        table.add_row(
            name,
            f"{each.health_ms:.0f}",
            f"{each.predict_ms:.0f}",
            f"{each.predict_p95_ms:.0f}",
            f"{each.predict_p95_ms / usual.predict_p95_ms:.1f}",
            *(f"{size / 1e6:.0f}" for size in (each.idle_bytes, each.peak_bytes, each.after_bytes)),
            "kept" if each.passes(usual.predict_p95_ms) else "passed",
        )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
