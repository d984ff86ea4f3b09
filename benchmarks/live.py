"""Latency of live speech: delay from the end of an utterance to its result, with clips sent in real time.

python -m benchmarks.live [FOLDER]
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from alignment.audio import decode_audio
from benchmarks.clips import FIXTURES, find_clips
from benchmarks.server_process import run_server

_FRAME_S: Final = 0.1
_RATE_HZ: Final = 16_000
_QUIET_S: Final = 1.5
"""Low noise after each clip, as on an open line after the end of speech."""


def read_clip(path: Path) -> NDArray[np.int16]:
    """(samples,) at 16 kHz, followed by low noise."""
    speech = decode_audio(path.read_bytes()).samples
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(round(_QUIET_S * _RATE_HZ))
    pcm: NDArray[np.int16] = (np.concatenate((speech, quiet)) * 32_767).astype("<i2")
    return pcm


async def send(connection: ClientConnection, samples: NDArray[np.int16], began: float) -> None:
    """Send each frame at the time of its end, by the clock and not by the sum of sleeps."""
    step = round(_FRAME_S * _RATE_HZ)
    for start in range(0, len(samples), step):
        await asyncio.sleep(max(0.0, began + (start + step) / _RATE_HZ - time.monotonic()))
        await connection.send(samples[start : start + step].tobytes())
    await connection.send(json.dumps({"type": "end"}))


async def measure(address: str, samples: NDArray[np.int16]) -> list[float]:
    """Seconds from the end of each utterance, including its margin of 0.2 s, to its result."""
    delays_s = []
    async with connect(address) as connection:
        began = time.monotonic()
        sender = asyncio.create_task(send(connection, samples, began))
        async for message in connection:
            event: dict[str, Any] = json.loads(message)
            if event["type"] == "utterance.result":
                delays_s.append(time.monotonic() - began - event["end_s"])
        await sender
    return delays_s


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.")] = FIXTURES,
    clips: Annotated[int, typer.Option(min=1, help="Number of clips, spread evenly.")] = 20,
    aligner: Annotated[str, typer.Option(help="Aligner of the server.")] = "moonshine",
) -> None:
    """Print the delays, which include the pause of 0.5 s that ends an utterance."""
    files = find_clips(folder, clips)
    with tempfile.TemporaryDirectory() as log, run_server(Path(log) / "log", "--aligner", aligner) as server:
        address = f"ws://127.0.0.1:{server.port}/stream"
        asyncio.run(measure(address, read_clip(files[0])))
        delays_s = [delay for path in files for delay in asyncio.run(measure(address, read_clip(path)))]
    print(
        f"{len(files)} clips, {len(delays_s)} utterances: delay from end to result median {np.median(delays_s):.2f} s, "
        f"95th percentile {np.percentile(delays_s, 95):.2f} s, maximum {max(delays_s):.2f} s"
    )


if __name__ == "__main__":
    typer.run(main)
