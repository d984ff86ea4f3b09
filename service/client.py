"""Client of the HTTP service, with typed responses and retries.

>>> from service import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     response = client.predict("speech.wav")

It needs httpx (`make install-client`) and imports no model.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from service.errors import RefusedError, UnreachableError
from service.inference.request import AnalysisRequest, Explain, Speakers
from service.results.schemas import PredictOut, ServedModelOut

LOCAL: Final = "http://127.0.0.1:8000"
RETRIED: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
GivenWords = Sequence[tuple[str, float, float]]
Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts, and the waits between them.

    Attributes:
        attempts: Total number of attempts; 1 disables retries.
        first_wait_s: Wait before the second attempt where the service names no time; doubled each time, and reduced by
            a random share of up to one half, so that clients that failed together do not retry together.
        longest_wait_s: Upper bound of a wait; a service that requests a longer one is not retried.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0

    def wait_s(self, outcome: Outcome, attempt: int) -> float | None:
        """Seconds until the next attempt; None for no further one."""
        if attempt >= self.attempts:
            return None
        backoff: float = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(outcome, httpx.TransportError):
            # After a read timeout the service may still process the request: a retry would add to its load.
            return None if isinstance(outcome, httpx.ReadTimeout) else backoff
        if outcome.status_code not in RETRIED and not _is_proxy_error(outcome):
            return None
        requested_s = read_retry_after(outcome.headers.get("retry-after"))
        if requested_s is None:
            return backoff
        return requested_s if requested_s <= self.longest_wait_s else None


class Client(AbstractContextManager["Client"]):
    """Synchronous client; thread-safe."""

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
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, headers=_headers(api_key), transport=transport)
        self._retries, self._pause = retries or RetryPolicy(), pause

    def predict(
        self,
        recording: str | Path | bytes,
        *,
        transcript: str | None = None,
        words: GivenWords | None = None,
        speakers: Speakers | None = None,
        explain: Explain = "true",
    ) -> PredictOut:
        """Response for a recording; see `EmotionRecogniser.recognise` for the arguments.

        Raises:
            OSError: The file cannot be read.
            ConflictingFieldsError: More than one of transcript, words and speakers is given.
            RefusedError: The service refuses the request, or is still busy after the last attempt.
            UnreachableError: The service does not respond.
        """
        request = AnalysisRequest(transcript=transcript, words=words, speakers=speakers, explain=explain)
        form = _make_form(recording, request)
        return PredictOut.model_validate_json(self._run("POST", "predict", **form))

    def served_model(self) -> ServedModelOut:
        """The served weights and aligner."""
        return ServedModelOut.model_validate_json(self._run("GET", "model"))

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, method: str, path: str, **form: Any) -> bytes:
        attempts = _attempt(_build_request(self._http, method, path, **form), self._retries)
        step = next(attempts)
        try:
            while True:
                if isinstance(step, float):
                    self._pause(step)
                    step = next(attempts)
                else:
                    step = attempts.send(self._send(step))
        except StopIteration as done:
            body: bytes = done.value
            return body

    def _send(self, request: httpx.Request) -> Outcome:
        try:
            return self._http.send(request)
        except httpx.TransportError as exc:
            return exc


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """The same for asyncio."""

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
        self._http = httpx.AsyncClient(
            base_url=base_url, timeout=timeout_s, headers=_headers(api_key), transport=transport
        )
        self._retries, self._pause = retries or RetryPolicy(), pause

    async def predict(
        self,
        recording: str | Path | bytes,
        *,
        transcript: str | None = None,
        words: GivenWords | None = None,
        speakers: Speakers | None = None,
        explain: Explain = "true",
    ) -> PredictOut:
        """See `Client.predict`."""
        request = AnalysisRequest(transcript=transcript, words=words, speakers=speakers, explain=explain)
        form = await asyncio.to_thread(_make_form, recording, request)
        return PredictOut.model_validate_json(await self._run("POST", "predict", **form))

    async def served_model(self) -> ServedModelOut:
        """The served weights and aligner."""
        return ServedModelOut.model_validate_json(await self._run("GET", "model"))

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, method: str, path: str, **form: Any) -> bytes:
        attempts = _attempt(_build_request(self._http, method, path, **form), self._retries)
        step = next(attempts)
        try:
            while True:
                if isinstance(step, float):
                    await self._pause(step)
                    step = next(attempts)
                else:
                    step = attempts.send(await self._send(step))
        except StopIteration as done:
            body: bytes = done.value
            return body

    async def _send(self, request: httpx.Request) -> Outcome:
        try:
            return await self._http.send(request)
        except httpx.TransportError as exc:
            return exc


def _attempt(request: httpx.Request, policy: RetryPolicy) -> Generator[httpx.Request | float, Outcome | None, bytes]:
    """Body of a successful response; the rule of both clients, without input or output of its own.

    Yields:
        A request to send, whose outcome is to be sent back, or seconds to wait.

    Raises:
        RefusedError: The service refuses the request, or is still busy after the last attempt.
        UnreachableError: The service does not respond.
    """
    for attempt in count(1):
        outcome = yield request
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome.content
        if outcome is None:
            raise TypeError("send the outcome of the request")
        wait_s = policy.wait_s(outcome, attempt)
        if wait_s is None:
            raise _to_error(outcome, str(request.url))
        yield float(wait_s)
    raise AssertionError("count never ends")


def _is_proxy_error(response: httpx.Response) -> bool:
    """Whether a proxy failed: that of Ray Serve returns 500 when the ingress behind it has died."""
    own = "problem+json" in response.headers.get("content-type", "")
    return response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and not own


def read_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None without a valid one.

    Source: RFC 9110, Section 10.2.3.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _to_error(outcome: Outcome, url: str) -> RefusedError | UnreachableError:
    if isinstance(outcome, httpx.TransportError):
        return UnreachableError(url, str(outcome) or type(outcome).__name__)
    try:
        body = outcome.json()
    except ValueError:
        body = {}
    problem = body if isinstance(body, dict) else {}
    return RefusedError(
        outcome.status_code,
        str(problem.get("code", "")),
        str(problem.get("detail") or outcome.reason_phrase),
        str(problem.get("request_id") or outcome.headers.get("x-request-id", "")),
        read_retry_after(outcome.headers.get("retry-after")),
    )


def _build_request(http: httpx.Client | httpx.AsyncClient, method: str, path: str, **form: Any) -> httpx.Request:
    """A request with its body in memory, so that it can be sent again."""
    request = http.build_request(method, path, **form)
    request.read()
    return request


def _make_form(recording: str | Path | bytes, request: AnalysisRequest) -> dict[str, Any]:
    """Arguments of httpx for a multipart form."""
    name, data = ("recording", recording) if isinstance(recording, bytes) else _read(Path(recording))
    return {"files": {"file": (name, data)}, "data": request.to_form()}


def _read(path: Path) -> tuple[str, bytes]:
    return path.name, path.read_bytes()


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
