"""The synchronous client."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Unpack

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
from can_ser_client.live import stream_frames
from can_ser_client.live_events import LiveEvent, make_live_address
from can_ser_client.responses import read_job_result, read_record, read_submitted
from can_ser_client.retries import Outcome, RetryPolicy, attempt
from can_ser_client.schemas import PredictOut, ServedModelOut

LOCAL: Final = "http://127.0.0.1:8000"
_PAGE: Final = "100"


class Client(AbstractContextManager["Client"]):
    """Synchronous client; thread-safe.

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
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: Address of the service.
            api_key: Key, where the service requires one.
            timeout_s: Timeout of one attempt; longer than the deadline of the service (120 s).
            retries: Retry policy.
            transport: Replaces the network.
            pause: Waits between attempts.
        """
        self._headers = make_headers(api_key)
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, headers=self._headers, transport=transport)
        self._base_url, self._retries, self._pause = base_url, retries or RetryPolicy(), pause
        self.jobs = Jobs(self._run, pause)

    def predict(self, recording: Recording, **fields: Unpack[Fields]) -> PredictOut:
        """Response for a recording.

        Args:
            recording: Path of a file, or its bytes.
            fields: See `can_ser_client.fields.Fields`.

        Raises:
            OSError: The file cannot be read.
            RefusedError: The service refuses the request, or is still busy after the last attempt.
            UnreachableError: The service does not respond.
            UnreadableResponseError: The response has another form.
        """
        with open_recording(recording) as files:
            response = self._run("POST", "predict", files=files, data=make_form(fields, Fields))
        return read_record(PredictOut, response.content, str(response.url))

    def events(self, recording: Recording, **fields: Unpack[Fields]) -> Iterator[Event]:
        """Progress and utterances of a recording while it is analysed, and at the end the whole response.

        Only a request that is refused before the first event is retried.

        Raises:
            Errors of `predict`.
        """
        with open_recording(recording) as files:
            form = make_form(fields, Fields)
            headers = {"Accept": MEDIA_TYPE}
            response = self._run("POST", "predict", stream=True, files=files, data=form, headers=headers)
        try:
            parser = EventParser(str(response.url))
            for line in response.iter_lines():
                yield from parser.feed(line)
        except httpx.TransportError as exc:
            raise UnreachableError(str(response.url), str(exc) or type(exc).__name__) from exc
        finally:
            response.close()

    def live(
        self,
        frames: Iterable[bytes],
        *,
        rate_hz: int = 16_000,
        explain: Explain = "true",
        encoding: Encoding = "pcm_s16le",
    ) -> Iterator[LiveEvent]:
        """Events of speech while it is spoken; requires the extra `live`. Nothing is retried.

        Args:
            frames: Mono samples, in pieces of any length up to 256 KiB; read in a thread.
            rate_hz: Sample rate of the samples.
            explain: As in `predict`.
            encoding: "pcm_s16le" (16-bit little-endian), "pcm_f32le", "mulaw" or "alaw" (G.711).

        Raises:
            MissingPackageError: The package websockets is not installed.
            RefusedError: The service refuses or ends the connection.
            UnreachableError: The service does not respond, or the connection breaks.
        """
        yield from stream_frames(make_live_address(self._base_url, rate_hz, explain, encoding), self._headers, frames)

    def export(
        self,
        response: PredictOut,
        format: ExportFormat,  # noqa: A002
        *,
        subtitle_emotions: SubtitleEmotions = "omit",
        name: str = "",
    ) -> bytes:
        """A response as a file; nothing is analysed again.

        Args:
            response: Response of `predict` or of a job.
            format: "srt", "vtt", "textgrid", "rttm", "words-csv", "utterances-csv" or "xlsx".
            subtitle_emotions: "prefix" begins subtitles with the emotion, as in "[angry]"; "class" makes it a class of
                WebVTT.
            name: Name of the recording, which RTTM and tables contain.

        Raises:
            ClientError: See `predict`.
        """
        parameters = make_export_parameters(format, subtitle_emotions, name)
        headers = {"Content-Type": "application/json"}
        body = response.model_dump_json(exclude_unset=True)
        return self._run("POST", "export", params=parameters, content=body, headers=headers).content

    def served_model(self) -> ServedModelOut:
        """The served weights and aligner, and the limits of a request."""
        response = self._run("GET", "model")
        return read_record(ServedModelOut, response.content, str(response.url))

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self, method: str, path: str, *, stream: bool = False, repeatable: bool = True, **content: Any
    ) -> httpx.Response:
        request = self._http.build_request(method, path, **content)
        attempts = attempt(request, self._retries, repeatable=repeatable)
        step = next(attempts)
        try:
            while True:
                if isinstance(step, float):
                    self._pause(step)
                    step = next(attempts)
                else:
                    step = attempts.send(self._send(step, stream=stream))
        except StopIteration as done:
            response: httpx.Response = done.value
            return response

    def _send(self, request: httpx.Request, *, stream: bool) -> Outcome:
        try:
            response = self._http.send(request, stream=stream)
            if not response.is_success:
                response.read()
        except httpx.TransportError as exc:
            return exc
        return response


class Jobs:
    """Jobs: long recordings, analysed in the background."""

    def __init__(self, run: Callable[..., httpx.Response], pause: Callable[[float], None]) -> None:
        self._run, self._pause = run, pause

    def submit(self, recording: Recording, **fields: Unpack[JobFields]) -> JobOut:
        """Submit a recording; retried only if the service did not accept it, so that no job exists twice.

        Raises:
            OSError: The file cannot be read.
            ClientError: See `Client.predict`.
        """
        with open_recording(recording) as files:
            form = make_form(fields, JobFields)
            response = self._run("POST", "jobs", repeatable=False, files=files, data=form)
        return read_record(JobOut, response.content, str(response.url))

    def submit_all(self, recordings: Iterable[Recording], **fields: Unpack[JobFields]) -> Sequence[JobEntryOut]:
        """Submit several recordings in one request; each becomes a job, all or none.

        Args:
            recordings: At most as many as the service accepts in one request (20 unless it is configured otherwise).
            fields: The same for all; `words` only with a single recording.

        Raises:
            OSError: A file cannot be read.
            ClientError: See `Client.predict`.
        """
        with open_recordings(recordings) as files:
            form = make_form(fields, JobFields)
            response = self._run("POST", "jobs", repeatable=False, files=files, data=form)
        return read_submitted(response)

    def list(self, *, status: JobStatus | None = None) -> Iterator[JobEntryOut]:
        """The caller's jobs without their results, newest first; pages are requested as they are needed.

        Args:
            status: Only jobs of this status.

        Raises:
            ClientError: See `Client.predict`.
        """
        cursor: str | None = None
        while True:
            response = self._run("GET", "jobs", params=make_page(status, cursor))
            page = read_record(JobListOut, response.content, str(response.url))
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def get(self, job_id: str) -> JobOut:
        """Status and progress of a job, and its result once it is done.

        Raises:
            ClientError: See `Client.predict`.
        """
        response = self._run("GET", f"jobs/{job_id}")
        return read_record(JobOut, response.content, str(response.url))

    def export(
        self,
        job_id: str,
        format: ExportFormat,  # noqa: A002
        *,
        subtitle_emotions: SubtitleEmotions = "omit",
    ) -> bytes:
        """Result of a job that is done, as a file; see `Client.export`.

        Raises:
            ClientError: See `Client.predict`; code "job-not-done" where there is no result yet.
        """
        parameters = make_export_parameters(format, subtitle_emotions)
        return self._run("GET", f"jobs/{job_id}", params=parameters).content

    def delete(self, job_id: str) -> None:
        """Stop and delete a job, its recording and its result.

        Raises:
            ClientError: See `Client.predict`.
        """
        self._run("DELETE", f"jobs/{job_id}")

    def wait(
        self,
        job_id: str,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
        on_progress: Callable[[JobOut], None] | None = None,
    ) -> PredictOut:
        """Result of a job, once it has ended.

        Args:
            job_id: Id of the job.
            poll_s: Time between two requests.
            timeout_s: Longest wait; the job continues after it.
            on_progress: Receives every status, also the last one.

        Raises:
            JobFailedError: The job failed.
            TimeoutError: The job has not ended in time.
            ClientError: See `Client.predict`.
        """
        over_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = self.get(job_id)
            if on_progress is not None:
                on_progress(job)
            if job.status in {"done", "failed"}:
                return read_job_result(job, f"job {job_id}")
            check_time(job, over_at)
            self._pause(poll_s)


def make_page(status: JobStatus | None, cursor: str | None) -> dict[str, str]:
    """Query parameters of a page of jobs."""
    return {"limit": _PAGE} | ({"status": status} if status else {}) | ({"cursor": cursor} if cursor else {})


def check_time(job: JobOut, over_at: float | None) -> None:
    """Raise TimeoutError if the time of `time.monotonic` is past `over_at`."""
    if over_at is not None and time.monotonic() >= over_at:
        raise TimeoutError(f"job {job.id} is {job.status} after {job.progress.done_s:g} s of audio; wait for it again")


def make_headers(api_key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
