"""Cancellation of work whose client has disconnected."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

_T = TypeVar("_T", bound=Response)
CLIENT_DISCONNECTED: Final = 499
"""Status in the log of a request whose client disconnected (the number of nginx); it is never sent."""


async def cancel_on_disconnect(request: Request, work: Awaitable[_T]) -> _T | Response:
    """Return the result of `work`, which is cancelled when the client disconnects.

    Args:
        request: A request whose body has been read.
        work: Makes the response.
    """
    task = asyncio.ensure_future(work)
    disconnect = asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return Response(status_code=CLIENT_DISCONNECTED)
    finally:
        disconnect.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
