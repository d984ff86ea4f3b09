"""Live speech over a WebSocket: frames are sent while events arrive."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Final

from can_ser_client.errors import MissingPackageError, UnreachableError
from can_ser_client.live_events import END, PACKAGE, REQUIREMENT, LiveDone, LiveEvent, read_live_event
from can_ser_client.responses import to_refusal

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as AsyncConnection
    from websockets.sync.client import ClientConnection

_NO_RESULT: Final = "the connection ended before the result"


def stream_frames(address: str, headers: Mapping[str, str], frames: Iterable[bytes]) -> Iterator[LiveEvent]:
    """Events of a connection; see `Client.live`."""
    websockets = _require_websockets()
    from websockets.sync.client import connect

    connected = partial(connect, address, additional_headers=headers, max_size=None)
    with _translate_errors(websockets, address), connected() as connection:
        sender = _Sender(connection, frames, websockets.exceptions.ConnectionClosed)
        sender.start()
        for message in connection:
            for event in read_live_event(message, address):
                yield event
                if isinstance(event, LiveDone):
                    return
    raise sender.error or UnreachableError(address, _NO_RESULT)


class _Sender(Thread):
    """Sends frames; an error of their source ends the connection.

    Attributes:
        error: Error of the source.
    """

    def __init__(self, connection: "ClientConnection", frames: Iterable[bytes], closed: type[Exception]) -> None:
        super().__init__(name="can-ser-live", daemon=True)
        self._connection, self._frames, self._closed = connection, frames, closed
        self.error: Exception | None = None

    def run(self) -> None:
        """Send all frames, then the end."""
        try:
            for frame in self._frames:
                self._connection.send(frame)
            self._connection.send(END)
        except self._closed:
            return
        except Exception as exc:  # noqa: BLE001 - raised again in the thread of the caller
            self.error = exc
            self._connection.close()


async def stream_async_frames(
    address: str, headers: Mapping[str, str], frames: AsyncIterable[bytes]
) -> AsyncGenerator[LiveEvent, None]:
    """Events of a connection; see `AsyncClient.live`."""
    websockets = _require_websockets()
    from websockets.asyncio.client import connect

    errors: list[Exception] = []

    with _translate_errors(websockets, address):
        async with connect(address, additional_headers=headers, max_size=None) as connection:
            closed = websockets.exceptions.ConnectionClosed
            sender = asyncio.create_task(_send_all(connection, frames, closed, errors))
            try:
                async for message in connection:
                    for event in read_live_event(message, address):
                        yield event
                        if isinstance(event, LiveDone):
                            return
            finally:
                sender.cancel()
                await asyncio.wait({sender})
    raise errors[0] if errors else UnreachableError(address, _NO_RESULT)


async def _send_all(
    connection: "AsyncConnection", frames: AsyncIterable[bytes], closed: type[Exception], errors: list[Exception]
) -> None:
    """Send all frames, then the end; an error of their source is added to `errors` and ends the connection."""
    try:
        async for frame in frames:
            await connection.send(frame)
        await connection.send(END)
    except closed:
        return
    except Exception as exc:  # noqa: BLE001 - raised again by the caller
        errors.append(exc)
        await connection.close()


def _require_websockets() -> ModuleType:
    try:
        import websockets.exceptions
    except ModuleNotFoundError as exc:
        raise MissingPackageError(PACKAGE, REQUIREMENT) from exc
    return websockets


@contextmanager
def _translate_errors(websockets: ModuleType, address: str) -> Iterator[None]:
    """Raise the client's errors in place of those of the package and of the system."""
    try:
        yield
    except websockets.exceptions.InvalidStatus as exc:
        response = exc.response
        raise to_refusal(response.status_code, response.body or b"", response.headers.get("x-request-id", "")) from exc
    except (websockets.exceptions.WebSocketException, OSError) as exc:
        raise UnreachableError(address, str(exc) or type(exc).__name__) from exc
