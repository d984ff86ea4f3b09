"""Leaks after a thousand mixed requests, four at a time: memory, threads, descriptors and files.

    python -m benchmarks.soak --clips FOLDER

Of ten requests six have given words (one as a stereo wav over 1 MB, which is stored on disk while it is read, one as an
event stream, one with `explain=full`), one has a transcript, one neither, and two are refused. Memory is the resident
memory of all processes after each round of requests; growth is relative to the first round.
"""

import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import soundfile
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from alignment.audio import decode_audio
from benchmarks.clips import FIXTURES, TEXT, given_words, read_clips
from benchmarks.server_process import Server, run_server

_AT_ONCE: Final = 4
_ROUND: Final = 100
_CLIPS: Final = 48
_GROWTH: Final = 0.05
_STATUSES: Final = frozenset({200, 415, 422})
console = Console(highlight=False, width=100)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources of the idle service.

    Attributes:
        resident_bytes: Memory of all processes.
        threads: Threads of all processes.
        descriptors: Open descriptors of all processes.
        files: Files in its temporary folder.
    """

    resident_bytes: int
    threads: int
    descriptors: int
    files: int


def measure_footprint(server: Server, temporary: Path) -> Footprint:
    """Current resources of the service."""
    processes = (server.process, *server.workers())
    return Footprint(
        server.resident_bytes(),
        sum(process.num_threads() for process in processes),
        sum(process.num_fds() for process in processes),
        sum(path.is_file() for path in temporary.rglob("*")),
    )


def large_wav(recording: bytes) -> bytes:
    """The recording, repeated until it exceeds 1 MB, as a stereo wav of floats at 16 kHz."""
    samples = decode_audio(recording).samples
    copies = 1 + 1_000_000 // (8 * len(samples))
    file = io.BytesIO()
    soundfile.write(file, np.stack([np.tile(samples, copies)] * 2, axis=1), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def mixed_request(number: int, recording: bytes) -> dict[str, Any]:
    """Arguments of one POST /predict; the kinds repeat every ten requests."""
    words = {"words": given_words(recording)}
    late = {"words": '[{"word": "late", "start": 9999, "end": 10000}]'}
    kinds: tuple[tuple[bytes, dict[str, str]], ...] = (
        (recording, {}),
        (recording, {"transcript": TEXT}),
        (b"no recording", {}),
        (recording, late),
        (large_wav(recording), words),
        (recording, words | {"explain": "full"}),
    )
    data, fields = kinds[number % 10] if number % 10 < len(kinds) else (recording, words)
    headers = {"Accept": "text/event-stream"} if number % 10 == len(kinds) else {}
    return {"files": {"file": data}, "data": fields, "headers": headers}


def send_round(server: Server, requests: Sequence[dict[str, Any]]) -> Counter[int]:
    """Send a round of requests and count the statuses.

    Raises:
        RuntimeError: A status is unexpected.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        statuses = Counter(pool.map(lambda each: server.client.post("/predict", **each).status_code, requests))
    if not set(statuses) <= _STATUSES:
        raise RuntimeError(f"unexpected statuses: {dict(statuses)}")
    return statuses


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings.")] = FIXTURES,
    requests: Annotated[int, typer.Option(min=2 * _ROUND, help="Number of requests, in rounds of 100.")] = 1_000,
) -> None:
    """Print a table; exit with status 1 when memory grew by over 5 % or a temporary file is left."""
    recordings = read_clips(clips, _CLIPS)
    statuses: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "tmp"
        temporary.mkdir()
        with run_server(Path(folder) / "log", "--aligner", "moonshine", settings={"TMPDIR": str(temporary)}) as server:
            footprints = []
            for first in track(range(0, requests, _ROUND), "rounds", transient=True):
                mix = [mixed_request(n, recordings[n % len(recordings)]) for n in range(first, first + _ROUND)]
                statuses += send_round(server, mix)
                footprints.append(measure_footprint(server, temporary))
    show(footprints, statuses)
    growth = footprints[-1].resident_bytes / footprints[0].resident_bytes - 1
    if growth > _GROWTH or footprints[-1].files:
        raise typer.Exit(1)


def show(footprints: Sequence[Footprint], statuses: Counter[int]) -> None:
    """Print the first, the middle and the last round."""
    table = Table("after", "MB", "÷ first", "threads", "descriptors", "temporary files", box=None)
    for index in sorted({0, len(footprints) // 2, len(footprints) - 1}):
        each = footprints[index]
        table.add_row(
            str(_ROUND * (index + 1)),
            f"{each.resident_bytes / 1e6:.0f}",
            f"{each.resident_bytes / footprints[0].resident_bytes:.3f}",
            *map(str, (each.threads, each.descriptors, each.files)),
        )
    console.print(table)
    console.print(json.dumps({str(status): number for status, number in sorted(statuses.items())}))


if __name__ == "__main__":
    typer.run(main)
