"""A closed loop of clients on raw connections: each sends its next request when it has received the last response.

Requests are encoded in advance and sent by a separate process on one core, to leave the other cores to the server; its
utilisation of that core is measured.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Final

import numpy as np

_BOUNDARY: Final = "can-ser-load"


@dataclass(slots=True)
class LoadResult:
    """Results of a run of clients.

    Attributes:
        seconds: Length of the run.
        latencies_s: Latency of each request with status 200.
        statuses: Number of responses by status.
        core_share: Utilisation of one core by the load generator.
    """

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    core_share: float = 0.0

    @property
    def per_second(self) -> float:
        """Responses of status 200 per second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Percentile of the latencies; NaN without any."""
        return float(np.percentile(self.latencies_s, percent)) * 1_000 if self.latencies_s else float("nan")


def form_request(recording: bytes, **fields: str) -> bytes:
    """Encode a complete POST /predict."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n'.encode()
        + recording
        + b"\r\n"
    )
    body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    )
    return head.encode() + body


LIVE: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def run_clients(
    port: int, requests: Sequence[bytes], clients: int, seconds: float, pause_s: float = 0.0, core: int | None = None
) -> LoadResult:
    """Run the clients in a separate process.

    Args:
        port: Port on 127.0.0.1.
        requests: Complete requests, sent in turn.
        clients: Number of concurrent clients.
        seconds: Time during which new requests are sent.
        pause_s: Pause of each client between a response and the next request.
        core: Core to which the process is pinned; None for any.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, port, list(requests), clients, seconds, pause_s, core).result()


def _measure(
    port: int, requests: list[bytes], clients: int, seconds: float, pause_s: float, core: int | None
) -> LoadResult:
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    result = LoadResult()
    began, busy = time.perf_counter(), time.process_time()
    asyncio.run(_run(result, port, requests, clients, began + seconds, pause_s))
    result.seconds = time.perf_counter() - began
    result.core_share = (time.process_time() - busy) / result.seconds
    return result


async def _run(
    result: LoadResult, port: int, requests: list[bytes], clients: int, until: float, pause_s: float
) -> None:
    numbers = count()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(requests[next(numbers) % len(requests)])
            status = await _read_response(reader)
            if status == 200:
                result.latencies_s.append(time.perf_counter() - started)
            result.statuses[status] = result.statuses.get(status, 0) + 1
            if pause_s:
                await asyncio.sleep(pause_s)
            if status >= 400:
                writer.close()
                await asyncio.sleep(0.05)
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))


async def _read_response(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
