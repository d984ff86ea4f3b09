"""An answer that comes bit by bit: `progress`, `utterance` and `result` as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Final

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.errors import ServiceError
from service.http.exception_handlers import problem_response
from service.inference.result import ScoredUtterance
from service.inference.scheduler import Observer, Progress

MEDIA_TYPE: Final = "text/event-stream"
_QUIET_S: Final = 15.0
_Event = Progress | ScoredUtterance | str | Exception
_NOTHING: Final = ""
log = structlog.stdlib.get_logger("service.http.sse")


class EventStream:
    """Makes an answer beside the response that tells of it; when the client goes, the answer is given up."""

    def __init__(
        self, answer: Callable[[Observer], Awaitable[str]], present: Callable[[ScoredUtterance], str], path: str
    ) -> None:
        """Begins the answer.

        Args:
            answer: makes the whole answer, as JSON, and tells an observer on its way.
            present: an utterance as JSON; called in a thread.
            path: of the request, for problem documents.
        """
        self._events: asyncio.Queue[_Event | None] = asyncio.Queue()
        self._present, self._path = present, path
        self._task = asyncio.create_task(self._make(answer))

    async def respond(self) -> EventSourceResponse:
        """The response, as soon as there is something to tell.

        Raises:
            AlignmentError, ModelError, ServiceError: what goes wrong before that has a status of its own.
        """
        try:
            first = await self._events.get()
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if isinstance(first, Exception):
            raise first
        if first is None:
            await self._task
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return EventSourceResponse(self._tell(first), headers=headers, media_type=MEDIA_TYPE)

    async def _make(self, answer: Callable[[Observer], Awaitable[str]]) -> None:
        try:
            self._events.put_nowait(await answer(self._events.put_nowait))
        except (AlignmentError, ModelError, ServiceError) as error:
            self._events.put_nowait(error)
        finally:
            self._events.put_nowait(None)

    async def _tell(self, event: _Event | None) -> AsyncIterator[bytes]:
        try:
            while event is not None:
                yield await self._format(event)
                while (following := await self._next()) is _NOTHING:
                    yield KEEPALIVE_COMMENT
                event = following
            if error := self._task.exception() if self._task.done() else None:
                log.error("unexpected error", exc_info=error)
                yield self._problem(error)
        finally:
            self._task.cancel()

    async def _next(self) -> _Event | None:
        """The next event; `_NOTHING` after a while: a proxy would take more silence for a dead connection."""
        try:
            return await asyncio.wait_for(self._events.get(), _QUIET_S)
        except TimeoutError:
            return _NOTHING

    async def _format(self, event: _Event) -> bytes:
        if isinstance(event, Progress):
            return format_sse_event(event="progress", data_str=json.dumps(asdict(event)))
        if isinstance(event, ScoredUtterance):
            return format_sse_event(event="utterance", data_str=await asyncio.to_thread(self._present, event))
        if isinstance(event, str):
            return format_sse_event(event="result", data_str=event)
        return self._problem(event)

    def _problem(self, error: BaseException) -> bytes:
        document = bytes(problem_response(error, self._path).body).decode()
        return format_sse_event(event="error", data_str=document)
