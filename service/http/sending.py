"""Time limit for sending files, which take a place until their clients have read them."""

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from alignment.timing import Seconds

LIMIT_S: Final[Seconds] = 3_600.0
log = structlog.stdlib.get_logger("service.http.sending")


async def send_in_time(response: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response; after `LIMIT_S` it ends incomplete, and the server closes its connection.

    The timeout of a client that reads nothing does not end one that reads a little at a time.
    """
    try:
        async with asyncio.timeout(LIMIT_S) as limit:
            await response(scope, receive, send)
    except TimeoutError:
        if not limit.expired():
            raise
        log.info("response abandoned", path=scope["path"], limit_s=LIMIT_S)
