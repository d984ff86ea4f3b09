"""Recorded responses of every entry point, to compare two versions of the code.

    python -m benchmarks.answers record before.json
    python -m benchmarks.answers compare before.json after.json

`record` uses the public interfaces: HTTP, server-sent events, jobs, live speech, `can-ser bulk` and `can-ser predict`.
It imports none of the packages under test, so that it also runs in a checkout of an earlier version.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import httpx
import numpy as np
import pyarrow.parquet as pq
import soundfile
import typer
from websockets.asyncio.client import connect

from tests.waiting import wait_until

ROOT: Final = Path(__file__).parent.parent
TOLERANCE: Final = 1e-6
_SPEECH: Final = ROOT / "tests" / "fixtures" / "speech"
_TINY: Final = ROOT / "tests" / "fixtures" / "tiny_whisperx"
_PORT: Final = 8931
_RATE_HZ: Final = 16_000
_CHANGING: Final = frozenset({"timings_ms", "id", "created_at", "expires_at", "request_id", "file", "instance"})
_PROSE: Final = frozenset({"warnings", "reason", "detail", "title", "message", "aligner_reason"})
"""Human-readable text: only its presence and the number of its entries are compared."""
_WORDS: Final = '[{"word": "she", "start": 0.25, "end": 0.5}, {"word": "paid", "start": 0.5, "end": 0.9}]'
_SEGMENTS: Final = '[{"start": 0.1, "end": 1.9}, {"start": 2.0, "end": 3.6}]'
_TRANSCRIPT: Final = "she paid forty-two dollars for the old book"
_FORMS: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "full": {"explain": "full"},
    "brief": {"explain": "false"},
    "transcript": {"transcript": _TRANSCRIPT},
    "words": {"words": _WORDS},
    "segments": {"segments": _SEGMENTS},
    "channels": {"speakers": "channels"},
    "conflict": {"transcript": "she", "words": _WORDS},
    "not-json": {"words": "["},
    "bounds": {"words": '[{"word": "she", "start": 1, "end": 99}]'},
    "language": {"language": "de"},
}


def _make_recordings(folder: Path) -> dict[str, Path]:
    numbers, _ = soundfile.read(_SPEECH / "numbers.flac", dtype="float32")
    garden, _ = soundfile.read(_SPEECH / "garden.flac", dtype="float32")
    pause = np.zeros(_RATE_HZ, np.float32)
    long = np.concatenate([piece for _ in range(12) for piece in (numbers, pause, garden, pause)])
    size = max(len(numbers), len(garden))
    stereo = np.stack([np.pad(each, (0, size - len(each))) for each in (numbers, garden)], axis=1)
    clips = {"numbers": numbers, "garden": garden, "long": long, "stereo": stereo}
    for name, samples in clips.items():
        soundfile.write(folder / f"{name}.wav", samples, _RATE_HZ, subtype="PCM_16")
    return {name: folder / f"{name}.wav" for name in clips}


@contextmanager
def _serve(folder: Path, **variables: str) -> Iterator[httpx.Client]:
    environment = os.environ | {
        "CAN_PORT": str(_PORT),
        "CAN_JOBS__FOLDER": str(folder / "jobs"),
        "CAN_MAX_AUDIO_S": "600",
        "CAN_LOG_LEVEL": "error",
        **variables,
    }
    with (
        subprocess.Popen([sys.executable, "-m", "service"], env=environment, cwd=ROOT) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{_PORT}", timeout=300) as client,
    ):
        try:
            _wait_until_ready(client, server)
            yield client
        finally:
            server.terminate()


def _wait_until_ready(client: httpx.Client, server: "subprocess.Popen[bytes]") -> None:
    def is_ready() -> bool:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            return client.get("/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_until(is_ready, 120.0)


def _predict(client: httpx.Client, path: Path, fields: dict[str, str]) -> Any:
    response = client.post("/predict", files={"file": path.read_bytes()}, data=fields)
    return {"status": response.status_code, "body": response.json()}


def _predict_events(client: httpx.Client, path: Path) -> Any:
    response = client.post(
        "/predict", files={"file": path.read_bytes()}, headers={"Accept": "text/event-stream"}, timeout=300
    )
    data = [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line.startswith("data: ")]
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    return list(map(list, zip(names, data, strict=True)))


def _run_job(client: httpx.Client, path: Path, fields: dict[str, str]) -> Any:
    created = client.post("/jobs", files={"file": path.read_bytes()}, data=fields)
    address = created.headers["location"]
    wait_until(lambda: client.get(address).json()["status"] in {"done", "failed"}, 300.0)
    return client.get(address).json()


async def _stream(path: Path) -> Any:
    samples, _ = soundfile.read(path, dtype="int16")
    async with connect(f"ws://127.0.0.1:{_PORT}/stream?rate={_RATE_HZ}") as socket:
        for first in range(0, len(samples), 3_200):
            await socket.send(samples[first : first + 3_200].tobytes())
        await socket.send('{"type": "end"}')
        messages = [json.loads(message) async for message in socket]
    # Results are sent while later audio is received: their order among the starts depends on timing.
    return sorted(messages, key=lambda message: (message["type"], str(message.get("id"))))


def _predict_together(client: httpx.Client, path: Path) -> Any:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: _predict(client, path, {"words": _WORDS}), range(24)))


def _run_command(*arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "can-ser"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(done.stderr)
    return done.stdout


def _record_http(folder: Path, recordings: dict[str, Path]) -> dict[str, Any]:
    recorded: dict[str, Any] = {}
    with _serve(folder, CAN_ALIGNER="pocketsphinx") as client:
        for name, fields in _FORMS.items():
            path = recordings["stereo" if name == "channels" else "numbers"]
            recorded[f"http {name}"] = _predict(client, path, fields)
        recorded["http long"] = _predict(client, recordings["long"], {})
        recorded["events"] = _predict_events(client, recordings["garden"])
        recorded["events long"] = _predict_events(client, recordings["long"])
        recorded["job"] = _run_job(client, recordings["long"], {})
        recorded["job words"] = _run_job(client, recordings["numbers"], {"words": _WORDS, "explain": "full"})
        recorded["live"] = asyncio.run(_stream(recordings["long"]))
        recorded["http together"] = _predict_together(client, recordings["numbers"])
        recorded["model"] = client.get("/model").json()
    with _serve(folder, CAN_ALIGNER="pocketsphinx", CAN_SCORERS="1") as client:
        recorded["http beside"] = _predict_together(client, recordings["numbers"])
    weights = {"CAN_WHISPERX__MODEL": "tiny-words", "CAN_WHISPERX__WEIGHTS": str(_TINY), "CAN_WHISPERX__THREADS": "1"}
    with _serve(folder, CAN_ALIGNER="whisperx", **weights) as client:
        for clip in sorted((_TINY / "speech").glob("*.flac"))[::4]:
            recorded[f"whisperx {clip.stem}"] = _predict(client, clip, {})
    return recorded


def _record_commands(folder: Path, recordings: dict[str, Path]) -> dict[str, Any]:
    short = [str(recordings[name]) for name in ("garden", "numbers")]
    lines = _run_command("predict", *short, "--json", "--aligner", "pocketsphinx").splitlines()
    table = _run_command("predict", *short, "--csv", "--aligner", "pocketsphinx").replace(str(folder), "")
    given = _run_command("predict", short[1], "--json", "--transcript", _TRANSCRIPT, "--aligner", "pocketsphinx")
    out = folder / "bulk.parquet"
    _run_command(
        *("bulk", *short, str(recordings["long"]), "--out", str(out), "--aligner", "pocketsphinx", "--workers", "1")
    )
    return {
        "command json": [json.loads(line) for line in lines],
        "command csv": [[_number(cell) for cell in row.split(",")] for row in table.splitlines()],
        "command transcript": json.loads(given),
        "bulk": pq.read_table(out).to_pylist(),
    }


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def find_differences(before: Any, after: Any, path: str = "", ignored: frozenset[str] = _CHANGING) -> Iterator[str]:
    """Yield the differences of two recordings: numbers beyond `TOLERANCE`, and any other unequal value."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_objects(before, after, path, ignored)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path} has {len(before)} or {len(after)} entries"
        for index, pair in enumerate(zip(before, after, strict=False)):
            yield from find_differences(*pair, f"{path}[{index}]", ignored)
    elif isinstance(before, float) and isinstance(after, float):
        if not abs(before - after) <= TOLERANCE:
            yield f"{path}: {before} or {after}"
    elif before != after:
        yield f"{path}: {before!r} or {after!r}"


def _compare_objects(
    before: dict[str, Any], after: dict[str, Any], path: str, ignored: frozenset[str]
) -> Iterator[str]:
    for key in before.keys() ^ after.keys():
        yield f"{path}.{key} is in one recording only"
    for key in sorted(before.keys() & after.keys() - ignored):
        if key not in _PROSE:
            yield from find_differences(before[key], after[key], f"{path}.{key}", ignored)
        elif _outline(before[key]) != _outline(after[key]):
            yield f"{path}.{key}: {before[key]!r} or {after[key]!r}"


def _outline(prose: Any) -> object:
    return len(prose) if isinstance(prose, list) else bool(prose)


def _count_values(recorded: Any) -> int:
    if isinstance(recorded, dict | list):
        inner = recorded.values() if isinstance(recorded, dict) else recorded
        return sum(map(_count_values, inner))
    return 1


app = typer.Typer()


@app.command()
def record(out: Annotated[Path, typer.Argument(help="JSON file to write.")]) -> None:
    """Record the responses of every entry point; takes about two minutes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        recordings = _make_recordings(folder)
        recorded = _record_http(folder, recordings) | _record_commands(folder, recordings)
    out.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{len(recorded)} groups of responses, {_count_values(recorded):,} values, written to {out}")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="Recording of the earlier version.")],
    after: Annotated[Path, typer.Argument(help="Recording of the later version.")],
    ignore: Annotated[list[str] | None, typer.Option(help="Field that is not compared; may be repeated.")] = None,
) -> None:
    """Compare two recordings. Exit status: 0 when they are equal, 1 when they differ."""
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    differences = list(find_differences(first, second, ignored=_CHANGING.union(ignore or ())))
    for difference in differences[:50]:
        print(difference)
    print(f"{_count_values(first):,} values compared, {len(differences)} differences beyond {TOLERANCE:g}")
    raise typer.Exit(bool(differences))


if __name__ == "__main__":
    app()
