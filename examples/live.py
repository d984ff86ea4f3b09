"""Sends a recording to the service at the speed at which it was spoken and prints what comes back.

python examples/live.py recording.wav [ws://127.0.0.1:8000/stream]
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import soundfile
import typer
from websockets.asyncio.client import ClientConnection, connect

FRAME_S = 0.1


async def send(connection: ClientConnection, path: Path) -> None:
    """Frames of 0.1 s of 16-bit mono sound, one every 0.1 s."""
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    step = round(FRAME_S * rate_hz)
    for start in range(0, len(samples), step):
        await connection.send(samples[start : start + step, 0].astype("<i2").tobytes())
        await asyncio.sleep(FRAME_S)
    await connection.send(json.dumps({"type": "end"}))


async def talk(path: Path, address: str) -> None:
    """Sends and reads at once."""
    async with connect(f"{address}?rate={soundfile.info(path).samplerate}") as connection:
        began = time.monotonic()
        sender = asyncio.create_task(send(connection, path))
        async for message in connection:
            told = json.loads(message)
            heard = told.get("text", "")
            print(f"{time.monotonic() - began:6.2f} s  {told['type']:17} {told.get('emotion') or '':10} {heard}")
            if told["type"] == "utterance.result":
                print(f"{'':8} it ended at {told['end_s']:.2f} s")
        await sender


def main(
    recording: Annotated[Path, typer.Argument(help="An audio file", exists=True, dir_okay=False)],
    address: Annotated[str, typer.Argument(help="Of the service's WebSocket")] = "ws://127.0.0.1:8000/stream",
) -> None:
    """Sends a recording as if it were being spoken, and prints what comes back."""
    asyncio.run(talk(recording, address))


if __name__ == "__main__":
    typer.run(main)
