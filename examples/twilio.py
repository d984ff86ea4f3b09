"""Send a recording to the service as Twilio Media Streams sends a call, in real time, and print the events.

python examples/twilio.py recording.wav [ws://127.0.0.1:8000/stream/twilio] [--key KEY]
"""

import asyncio
import base64
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import soundfile
import soxr
import typer
from websockets.asyncio.client import ClientConnection, connect

RATE_HZ = 8_000
FRAME_S = 0.02
IDS = {"streamSid": "MZ00000000000000000000000000000000"}
CALL = {"accountSid": "AC00000000000000000000000000000000", "callSid": "CA00000000000000000000000000000000"}


def encode(path: Path) -> bytes:
    """First channel of a recording as mu-law at 8 kHz, one byte per sample."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    buffer = io.BytesIO()
    telephone = soxr.resample(samples[:, 0], rate_hz, RATE_HZ)
    soundfile.write(buffer, telephone, RATE_HZ, format="RAW", subtype="ULAW")
    return buffer.getvalue()


def messages(audio: bytes, key: str) -> Iterator[dict[str, Any]]:
    """Messages of a call of one track; every frame of 20 ms is one message."""
    yield {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = {
        **IDS,
        **CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
        "customParameters": {"key": key} if key else {},
    }
    yield {"event": "start", "sequenceNumber": "1", "start": start, **IDS}
    frame_bytes = round(FRAME_S * RATE_HZ)
    for number, position in enumerate(range(0, len(audio), frame_bytes), start=1):
        payload = base64.b64encode(audio[position : position + frame_bytes]).decode()
        timestamp = str(1_000 * position // RATE_HZ)
        media = {"track": "inbound", "chunk": str(number), "timestamp": timestamp, "payload": payload}
        yield {"event": "media", "sequenceNumber": str(number + 1), "media": media, **IDS}
    yield {"event": "stop", "stop": CALL, **IDS}


async def send(connection: ClientConnection, audio: bytes, key: str) -> None:
    """Send the messages in real time."""
    due = time.monotonic()
    for message in messages(audio, key):
        await connection.send(json.dumps(message))
        if message["event"] == "media":
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    print("call ended")


async def call(path: Path, address: str, key: str) -> None:
    """Send the recording and print events as they arrive."""
    async with connect(address) as connection:
        began = time.monotonic()
        sender = asyncio.create_task(send(connection, encode(path), key))
        async for text in connection:
            event = json.loads(text)
            about = event.get("text") or event.get("problem", {}).get("detail", "")
            print(f"{time.monotonic() - began:6.2f} s  {event['type']:17} {event.get('emotion') or '':10} {about}")
        sender.cancel()


def main(
    recording: Annotated[Path, typer.Argument(help="Audio file.", exists=True, dir_okay=False)],
    address: Annotated[str, typer.Argument(help="Address of the service.")] = "ws://127.0.0.1:8000/stream/twilio",
    key: Annotated[str, typer.Option(help="API key, where the service requires one.")] = "",
) -> None:
    """Send a recording as a call in real time and print the events."""
    asyncio.run(call(recording, address, key))


if __name__ == "__main__":
    typer.run(main)
