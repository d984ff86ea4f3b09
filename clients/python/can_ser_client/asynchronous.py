"""The client for asyncio; `can_ser_client.synchronous` describes arguments and errors."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Unpack

import httpx

from can_ser_client.errors import UnreachableError
from can_ser_client.events import MEDIA_TYPE, Event, EventParser
from can_ser_client.fields import (
    Encoding,
    Explain,
    ExportFormat,
    Fields,
    JobFields,
    Recording,
    SubtitleEmotions,
    make_export_parameters,
    make_form,
    open_recording,
    open_recordings,
)
from can_ser_client.job_schemas import JobEntryOut, JobListOut, JobOut, JobStatus
from can_ser_client.live import stream_async_frames
from can_ser_client.live_events import LiveEvent, make_live_address
from can_ser_client.responses import read_job_result, read_record, read_submitted
from can_ser_client.retries import Outcome, RetryPolicy, attempt
from can_ser_client.schemas import PredictOut, ServedModelOut
from can_ser_client.synchronous import LOCAL, check_time, make_headers, make_page


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """`Client` for asyncio.

    Attributes:
        jobs: Jobs of the service, for long recordings.
    """

    def __init__(
        self,
        base_url: str = LOCAL,
        *,
        api_key: str | None = None,
        timeout_s: float = 150.0,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Open no connection yet; see `Client`."""
        self._headers = make_headers(api_key)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout_s, headers=self._headers, transport=transport)
        self._base_url, self._retries, self._pause = base_url, retries or RetryPolicy(), pause
        self.jobs = AsyncJobs(self._run, pause)

    async def predict(self, recording: Recording, **fields: Unpack[Fields]) -> PredictOut:
        """See `Client.predict`."""
        with open_recording(recording) as files:
            response = await self._run("POST", "predict", files=files, data=make_form(fields, Fields))
        return read_record(PredictOut, response.content, str(response.url))

    async def events(self, recording: Recording, **fields: Unpack[Fields]) -> AsyncIterator[Event]:
        """See `Client.events`."""
        with open_recording(recording) as files:
            form = make_form(fields, Fields)
            headers = {"Accept": MEDIA_TYPE}
            response = await self._run("POST", "predict", stream=True, files=files, data=form, headers=headers)
        try:
            parser = EventParser(str(response.url))
            async for line in response.aiter_lines():
                for event in parser.feed(line):
                    yield event
        except httpx.TransportError as exc:
            raise UnreachableError(str(response.url), str(exc) or type(exc).__name__) from exc
        finally:
            await response.aclose()

    async def live(
        self,
        frames: AsyncIterable[bytes],
        *,
        rate_hz: int = 16_000,
        explain: Explain = "true",
        encoding: Encoding = "pcm_s16le",
    ) -> AsyncIterator[LiveEvent]:
        """See `Client.live`; `frames` are read in a task."""
        address = make_live_address(self._base_url, rate_hz, explain, encoding)
        async with aclosing(stream_async_frames(address, self._headers, frames)) as events:
            async for event in events:
                yield event

    async def export(
        self,
        response: PredictOut,
        format: ExportFormat,  # noqa: A002
        *,
        subtitle_emotions: SubtitleEmotions = "omit",
        name: str = "",
    ) -> bytes:
        """See `Client.export`."""
        parameters = make_export_parameters(format, subtitle_emotions, name)
        headers = {"Content-Type": "application/json"}
        body = response.model_dump_json(exclude_unset=True)
        return (await self._run("POST", "export", params=parameters, content=body, headers=headers)).content

    async def served_model(self) -> ServedModelOut:
        """The served weights and aligner, and the limits of a request."""
        response = await self._run("GET", "model")
        return read_record(ServedModelOut, response.content, str(response.url))

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(
        self, method: str, path: str, *, stream: bool = False, repeatable: bool = True, **content: Any
    ) -> httpx.Response:
        request = self._http.build_request(method, path, **content)
        attempts = attempt(request, self._retries, repeatable=repeatable)
        step = next(attempts)
        try:
            while True:
                if isinstance(step, float):
                    await self._pause(step)
                    step = next(attempts)
                else:
                    step = attempts.send(await self._send(step, stream=stream))
        except StopIteration as done:
            response: httpx.Response = done.value
            return response

    async def _send(self, request: httpx.Request, *, stream: bool) -> Outcome:
        try:
            response = await self._http.send(request, stream=stream)
            if not response.is_success:
                await response.aread()
        except httpx.TransportError as exc:
            return exc
        return response


class AsyncJobs:
    """`Jobs` for asyncio."""

    def __init__(
        self, run: Callable[..., Awaitable[httpx.Response]], pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._run, self._pause = run, pause

    async def submit(self, recording: Recording, **fields: Unpack[JobFields]) -> JobOut:
        """See `Jobs.submit`."""
        with open_recording(recording) as files:
            form = make_form(fields, JobFields)
            response = await self._run("POST", "jobs", repeatable=False, files=files, data=form)
        return read_record(JobOut, response.content, str(response.url))

    async def submit_all(self, recordings: Iterable[Recording], **fields: Unpack[JobFields]) -> Sequence[JobEntryOut]:
        """See `Jobs.submit_all`."""
        with open_recordings(recordings) as files:
            form = make_form(fields, JobFields)
            response = await self._run("POST", "jobs", repeatable=False, files=files, data=form)
        return read_submitted(response)

    async def list(self, *, status: JobStatus | None = None) -> AsyncIterator[JobEntryOut]:
        """See `Jobs.list`."""
        cursor: str | None = None
        while True:
            response = await self._run("GET", "jobs", params=make_page(status, cursor))
            page = read_record(JobListOut, response.content, str(response.url))
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def get(self, job_id: str) -> JobOut:
        """See `Jobs.get`."""
        response = await self._run("GET", f"jobs/{job_id}")
        return read_record(JobOut, response.content, str(response.url))

    async def export(
        self,
        job_id: str,
        format: ExportFormat,  # noqa: A002
        *,
        subtitle_emotions: SubtitleEmotions = "omit",
    ) -> bytes:
        """See `Jobs.export`."""
        parameters = make_export_parameters(format, subtitle_emotions)
        return (await self._run("GET", f"jobs/{job_id}", params=parameters)).content

    async def delete(self, job_id: str) -> None:
        """See `Jobs.delete`."""
        await self._run("DELETE", f"jobs/{job_id}")

    async def wait(
        self,
        job_id: str,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
        on_progress: Callable[[JobOut], None] | None = None,
    ) -> PredictOut:
        """See `Jobs.wait`."""
        over_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = await self.get(job_id)
            if on_progress is not None:
                on_progress(job)
            if job.status in {"done", "failed"}:
                return read_job_result(job, f"job {job_id}")
            check_time(job, over_at)
            await self._pause(poll_s)
