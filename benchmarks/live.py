"""How long after its end a live utterance is answered: clips fed in real time to the real server over WebSocket.

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
from benchmarks.server_process import run_server

_FIXTURES: Final = Path("tests/fixtures/speech")
_FRAME_S: Final = 0.1
_RATE_HZ: Final = 16_000
_QUIET_S: Final = 1.5
"""Room tone after each clip: whoever speaks live stops, and the line stays open."""


def read_clip(path: Path) -> NDArray[np.int16]:
    """(samples,) at 16 kHz, with quiet after them."""
    heard = decode_audio(path.read_bytes()).samples
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(round(_QUIET_S * _RATE_HZ))
    pcm: NDArray[np.int16] = (np.concatenate((heard, quiet)) * 32_767).astype("<i2")
    return pcm


async def send(connection: ClientConnection, samples: NDArray[np.int16], began: float) -> None:
    """Each frame when it has been spoken, by the clock and not by the sum of sleeps."""
    step = round(_FRAME_S * _RATE_HZ)
    for start in range(0, len(samples), step):
        await asyncio.sleep(max(0.0, began + (start + step) / _RATE_HZ - time.monotonic()))
        await connection.send(samples[start : start + step].tobytes())
    await connection.send(json.dumps({"type": "end"}))


async def measure(address: str, samples: NDArray[np.int16]) -> list[float]:
    """Seconds from each utterance's end, its margin of 0.2 s included, to its result."""
    spent = []
    async with connect(address) as connection:
        began = time.monotonic()
        sender = asyncio.create_task(send(connection, samples, began))
        async for message in connection:
            told: dict[str, Any] = json.loads(message)
            if told["type"] == "utterance.result":
                spent.append(time.monotonic() - began - told["end_s"])
        await sender
    return spent


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings")] = _FIXTURES,
    clips: Annotated[int, typer.Option(min=1, help="How many of them, spread evenly")] = 20,
) -> None:
    """Prints the figures; the pause of 0.5 s that ends an utterance is in them."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".flac"})
    chosen = files[:: max(1, len(files) // clips)][:clips]
    with (
        tempfile.TemporaryDirectory() as log,
        run_server(Path(log) / "log", "--aligner", "pocketsphinx") as server,
    ):
        address = f"ws://127.0.0.1:{server.port}/stream"
        asyncio.run(measure(address, read_clip(chosen[0])))
        spent = [delay for path in chosen for delay in asyncio.run(measure(address, read_clip(path)))]
    print(
        f"{len(chosen)} clips, {len(spent)} utterances: from an utterance's end to its result median "
        f"{np.median(spent):.2f} s, 95th percentile {np.percentile(spent, 95):.2f} s, longest {max(spent):.2f} s"
    )


if __name__ == "__main__":
    typer.run(main)
