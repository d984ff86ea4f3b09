"""Recordings of a minute to an hour as jobs: whether time grows with them, and whether memory does.

    python -m benchmarks.long --clips FOLDER
    python -m benchmarks.long --clips FOLDER --recognise

The clips are joined until they are long enough. Memory is that of all processes of the service, looked at while the
recording is sent and worked on; what it held before the first job, warm, is idle.
"""

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
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

_LOOK_EVERY_S: Final = 0.2
_CLIPS: Final = 64
_MINUTE_S: Final = 60.0
console = Console(highlight=False, width=120)


@dataclass(frozen=True, slots=True)
class LongRun:
    """What one job took.

    Attributes:
        spent_s: from the first byte sent to the answer.
        cpu_s: processor time of all processes of the service.
        peak_bytes: most memory of all processes meanwhile.
        utterances: of the answer.
        emotions: how many different ones they have.
    """

    spent_s: float
    cpu_s: float
    peak_bytes: int
    utterances: int
    emotions: int


def join_clips(clips: Sequence[bytes], minutes: float, path: Path) -> list[GivenWord]:
    """Writes clips one after the other as 16-bit wav, and gives six words in each."""
    words: list[GivenWord] = []
    longest = minutes * _MINUTE_S * SAMPLE_RATE_HZ
    more = cycle(clips)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16") as file:
        while file.tell() < longest:
            waveform = decode_audio(next(more))
            words += spread_words(waveform.duration_s, file.tell() / SAMPLE_RATE_HZ)
            file.write(waveform.samples)
    return words


def run_job(server: Server, recording: Path, fields: dict[str, str]) -> LongRun:
    """One job from its upload to its end.

    Raises:
        RuntimeError: it failed, or its utterances do not follow each other in time.
    """
    peak, done = server.resident_bytes(), threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(_LOOK_EVERY_S):
            peak = max(peak, server.resident_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    started, busy_s = time.perf_counter(), server.cpu_s()
    try:
        job = _finish(server, recording, fields)
    finally:
        done.set()
        watcher.join()
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
    return list(_ask(server, address))[-1]


def _ask(server: Server, address: str) -> Iterator[Any]:
    """Every state of the job, the last one ended."""
    pause = threading.Event()
    while True:
        job = server.client.get(address).raise_for_status().json()
        yield job
        if job["status"] in {"done", "failed"}:
            return
        pause.wait(_LOOK_EVERY_S)


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings")] = FIXTURES,
    minutes: Annotated[str, typer.Option(help="Lengths, separated by commas")] = "1,10,60",
    recognise: Annotated[bool, typer.Option(help="Recognise words with the embedded aligner")] = False,
) -> None:
    """Prints a table."""
    recordings = read_clips(clips, _CLIPS)
    table = Table(
        "minutes", "seconds", "CPU s", "CPU s a minute", "peak MB over idle", "utterances", "emotions", box=None
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        run_server(Path(folder) / "log", "--aligner", "pocketsphinx") as server,
    ):
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
    console.print(f"words {'recognised' if recognise else 'given'}; idle: {idle / 1e6:.0f} MB in all processes")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
