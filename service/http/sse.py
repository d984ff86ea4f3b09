"""Server-sent events of an analysis; those of POST /predict are `progress`, `utterance`, and `result` or `error`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Final, Protocol

import structlog
from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from alignment.errors import CanSerError
from service.inference.result import ScoredUtterance
from service.inference.scheduler import Progress, ProgressListener
from service.results.problems import to_problem

MEDIA_TYPE: Final = "text/event-stream"
_KEEPALIVE_S: Final = 15.0
_Event = Progress | ScoredUtterance | str | Exception
_NO_EVENT: Final = ""
log = structlog.stdlib.get_logger("service.http.sse")


def accepts_events(request: Request) -> bool:
    """Whether the client requests server-sent events."""
    return any(part.split(";")[0].strip() == MEDIA_TYPE for part in request.headers.get("accept", "").split(","))


class EventWriter(Protocol):
    """The form of the events of a stream."""

    def progress(self, progress: Progress) -> bytes:
        """Event for progress."""

    def utterance(self, scored: ScoredUtterance) -> bytes:
        """Event for an utterance; called in a thread."""

    def result(self, result: str) -> bytes:
        """Last event."""

    def error(self, error: BaseException) -> bytes:
        """Last event of an analysis that failed."""


class EventFormat:
    """The events of POST /predict."""

    def __init__(self, serialise: Callable[[ScoredUtterance], str], path: str) -> None:
        """Form of events.

        Args:
            serialise: Returns an utterance as JSON.
            path: Path of the request, for problem documents.
        """
        self._serialise, self._path = serialise, path

    def progress(self, progress: Progress) -> bytes:
        """Event `progress`."""
        return format_sse_event(event="progress", data_str=json.dumps(asdict(progress)))

    def utterance(self, scored: ScoredUtterance) -> bytes:
        """Event `utterance`."""
        return format_sse_event(event="utterance", data_str=self._serialise(scored))

    def result(self, result: str) -> bytes:
        """Event `result`."""
        return format_sse_event(event="result", data_str=result)

    def error(self, error: BaseException) -> bytes:
        """Event `error`."""
        return format_sse_event(event="error", data_str=to_problem(error, self._path).model_dump_json())


class EventStream:
    """Runs an analysis while the response reports on it; a client that disconnects cancels the analysis."""

    def __init__(self, analyse: Callable[[ProgressListener], Awaitable[str]], writer: EventWriter) -> None:
        """Start the analysis.

        Args:
            analyse: Returns the whole response as text, and reports to a listener meanwhile.
            writer: Form of the events.
        """
        self._events: asyncio.Queue[_Event | None] = asyncio.Queue()
        self._writer = writer
        self._task = asyncio.create_task(self._run(analyse))

    async def respond(self) -> EventSourceResponse:
        """The response, once the first event is known.

        Raises:
            CanSerError: An error before the first event, which has a status of its own.
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
        return EventSourceResponse(self._write(first), headers=headers, media_type=MEDIA_TYPE)

    async def _run(self, analyse: Callable[[ProgressListener], Awaitable[str]]) -> None:
        try:
            self._events.put_nowait(await analyse(self._events.put_nowait))
        except CanSerError as error:
            self._events.put_nowait(error)
        finally:
            self._events.put_nowait(None)

    async def _write(self, event: _Event | None) -> AsyncIterator[bytes]:
        try:
            while event is not None:
                yield await self._format(event)
                while (following := await self._next()) is _NO_EVENT:
                    yield KEEPALIVE_COMMENT
                event = following
            if error := self._task.exception() if self._task.done() else None:
                log.error("unexpected error", exc_info=error)
                yield self._writer.error(error)
        finally:
            self._task.cancel()

    async def _next(self) -> _Event | None:
        """The next event, or `_NO_EVENT` after a while: proxies close connections that are silent for longer."""
        try:
            async with asyncio.timeout(_KEEPALIVE_S):
                return await self._events.get()
        except TimeoutError:
            return _NO_EVENT

    async def _format(self, event: _Event) -> bytes:
        if isinstance(event, Progress):
            return self._writer.progress(event)
        if isinstance(event, ScoredUtterance):
            return await asyncio.to_thread(self._writer.utterance, event)
        if isinstance(event, str):
            return self._writer.result(event)
        return self._writer.error(event)
