"""What a connection wants, and whether somebody is still at its other end."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

_T = TypeVar("_T", bound=Response)
CLIENT_GONE: Final = 499
"""Status in the log of a request whose client hung up (nginx's number); nobody is there to read it."""


def wants_events(request: Request) -> bool:
    """Whether the client asked for server-sent events."""
    return any(
        part.split(";")[0].strip() == "text/event-stream" for part in request.headers.get("accept", "").split(",")
    )


async def unless_gone(request: Request, work: Awaitable[_T]) -> _T | Response:
    """The result of `work`, which is cancelled when the client hangs up.

    Args:
        request: its body must have been read.
        work: makes the response.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.create_task(_wait_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return Response(status_code=CLIENT_GONE)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
