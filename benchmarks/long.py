"""Time and memory of jobs with recordings of a minute to an hour.

    python -m benchmarks.long --clips FOLDER
    python -m benchmarks.long --clips FOLDER --recognise

Clips are joined to recordings of the requested lengths. Memory is that of all processes of the service, sampled from
the upload to the result; idle is its value after warm-up, before the first job.
"""

import json
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import soundfile
import typer
from rich.console import Console
from rich.table import Table

from alignment.audio import decode_audio
from alignment.timing import SAMPLE_RATE_HZ
from benchmarks.clips import FIXTURES, GivenWord, given_words, read_clips, spread_words
from benchmarks.server_process import Server, run_server

_POLL_S: Final = 0.2
_CLIPS: Final = 64
_MINUTE_S: Final = 60.0
console = Console(highlight=False, width=120)


@dataclass(frozen=True, slots=True)
class LongRun:
    """Measurements of one job.

    Attributes:
        spent_s: Time from the first byte sent to the result.
        cpu_s: Processor time of all processes of the service.
        peak_bytes: Peak memory of all processes.
        utterances: Number of utterances of the result.
        emotions: Number of different emotions among them.
    """

    spent_s: float
    cpu_s: float
    peak_bytes: int
    utterances: int
    emotions: int


def join_clips(clips: Sequence[bytes], minutes: float, path: Path) -> list[GivenWord]:
    """Write clips one after the other as 16-bit wav; return six words per clip."""
    words: list[GivenWord] = []
    samples = minutes * _MINUTE_S * SAMPLE_RATE_HZ
    source = cycle(clips)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16") as file:
        while file.tell() < samples:
            waveform = decode_audio(next(source))
            words += spread_words(waveform.duration_s, file.tell() / SAMPLE_RATE_HZ)
            file.write(waveform.samples)
    return words


def run_job(server: Server, recording: Path, fields: dict[str, str]) -> LongRun:
    """Run one job from its upload to its end.

    Raises:
        RuntimeError: The job failed, or its utterances are not in order of time.
    """
    peak, done = server.resident_bytes(), threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(_POLL_S):
            peak = max(peak, server.resident_bytes())

    sampler = threading.Thread(target=sample)
    sampler.start()
    started, busy_s = time.perf_counter(), server.cpu_s()
    try:
        job = _finish(server, recording, fields)
    finally:
        done.set()
        sampler.join()
    spent_s, busy_s = time.perf_counter() - started, server.cpu_s() - busy_s
    if job["status"] != "done":
        raise RuntimeError(f"the job failed: {job['problem']}")
    utterances = job["result"]["utterances"]
    if any(after["start_s"] < before["start_s"] for before, after in pairwise(utterances)):
        raise RuntimeError("the utterances are out of order")
    return LongRun(spent_s, busy_s, peak, len(utterances), len({utterance["emotion"] for utterance in utterances}))


def _finish(server: Server, recording: Path, fields: dict[str, str]) -> Any:
    with recording.open("rb") as file:
        response = server.client.post("/jobs", files={"file": file}, data=fields, timeout=600)
    address = response.raise_for_status().headers["Location"]
    pause = threading.Event()
    while True:
        job = server.client.get(address).raise_for_status().json()
        if job["status"] in {"done", "failed"}:
            return job
        pause.wait(_POLL_S)


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings.")] = FIXTURES,
    minutes: Annotated[str, typer.Option(help="Lengths in minutes, separated by commas.")] = "1,10,60",
    recognise: Annotated[bool, typer.Option(help="Recognise words.")] = False,
    aligner: Annotated[str, typer.Option(help="Aligner of the server.")] = "moonshine",
) -> None:
    """Print a table of time and memory by length."""
    recordings = read_clips(clips, _CLIPS)
    table = Table(
        "minutes", "seconds", "CPU s", "CPU s per minute", "peak MB over idle", "utterances", "emotions", box=None
    )
    with tempfile.TemporaryDirectory() as folder, run_server(Path(folder) / "log", "--aligner", aligner) as server:
        server.predict(recordings[0])
        server.predict(recordings[0], words=given_words(recordings[0]))
        idle = server.resident_bytes()
        for length in map(float, minutes.split(",")):
            path = Path(folder) / "long.wav"
            words = join_clips(recordings, length, path)
            run = run_job(server, path, {} if recognise else {"words": json.dumps(words)})
            figures = (run.spent_s, run.cpu_s, run.cpu_s / length, (run.peak_bytes - idle) / 1e6)
            table.add_row(
                f"{length:g}", *(f"{figure:.2f}" for figure in figures), str(run.utterances), str(run.emotions)
            )
    console.print(
        f"words {f'recognised by {aligner}' if recognise else 'given'}; idle: {idle / 1e6:.0f} MB in all processes"
    )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
