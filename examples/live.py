"""Send a recording to the service in real time and print the events.

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
    """Send a frame of 0.1 s of 16-bit mono audio every 0.1 s."""
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    step = round(FRAME_S * rate_hz)
    for start in range(0, len(samples), step):
        await connection.send(samples[start : start + step, 0].astype("<i2").tobytes())
        await asyncio.sleep(FRAME_S)
    await connection.send(json.dumps({"type": "end"}))


async def stream(path: Path, address: str) -> None:
    """Send the recording and print events as they arrive."""
    async with connect(f"{address}?rate={soundfile.info(path).samplerate}") as connection:
        began = time.monotonic()
        sender = asyncio.create_task(send(connection, path))
        async for message in connection:
            event = json.loads(message)
            text = event.get("text", "")
            print(f"{time.monotonic() - began:6.2f} s  {event['type']:17} {event.get('emotion') or '':10} {text}")
            if event["type"] == "utterance.result":
                print(f"{'':8} end of utterance: {event['end_s']:.2f} s")
        await sender


def main(
    recording: Annotated[Path, typer.Argument(help="Audio file.", exists=True, dir_okay=False)],
    address: Annotated[
        str, typer.Argument(help="Address of the WebSocket of the service.")
    ] = "ws://127.0.0.1:8000/stream",
) -> None:
    """Send a recording in real time and print the events."""
    asyncio.run(stream(recording, address))


if __name__ == "__main__":
    typer.run(main)
