"""A client of the HTTP service: typed answers, and patience with a service that is busy or starts.

>>> from service import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     answer = client.predict("speech.wav")

Needs httpx (`make install-client`), and of this project nothing heavy.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import httpx

from service.errors import refuse_conflicts
from service.results.schemas import Explain, PredictOut, ServedModelOut
from service.retries import Outcome, RetryPolicy, Wait, exchange

if TYPE_CHECKING:
    from service.inference.result import Speakers

LOCAL: Final = "http://127.0.0.1:8000"
GivenWords = Sequence[tuple[str, float, float]]


class Client:
    """Asks, waits and asks again; threads may share one."""

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
        """Sends nothing yet.

        Args:
            base_url: of the service.
            api_key: where the service asks for one.
            timeout_s: of one attempt; longer than the service's own deadline (120 s).
            retries: how often and how patiently it asks again.
            transport: takes the place of the network.
            pause: waits.
        """
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, headers=_headers(api_key), transport=transport)
        self._retries, self._pause = retries or RetryPolicy(), pause

    def predict(
        self,
        recording: str | Path | bytes,
        *,
        transcript: str | None = None,
        words: GivenWords | None = None,
        speakers: "Speakers | None" = None,
        explain: Explain = "true",
    ) -> PredictOut:
        """The answer about a recording; see `EmotionRecogniser.recognise` for what can be said beside it.

        Raises:
            OSError: the file cannot be read.
            ConflictingFieldsError: of transcript, words and speakers more than one is given.
            RefusedError: the service cannot answer this, or is still busy after the last attempt.
            UnreachableError: no answer came.
        """
        form = _form(recording, transcript, words, speakers, explain)
        return PredictOut.model_validate_json(self._run("POST", "predict", **form))

    def served_model(self) -> ServedModelOut:
        """Which weights and which aligner answer."""
        return ServedModelOut.model_validate_json(self._run("GET", "model"))

    def close(self) -> None:
        """Ends connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, method: str, path: str, **form: Any) -> bytes:
        steps = exchange(_request(self._http, method, path, **form), self._retries)
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                body: bytes = done.value
                return body
            outcome = None if isinstance(step, Wait) else self._send(step)
            if isinstance(step, Wait):
                self._pause(step.seconds)

    def _send(self, request: httpx.Request) -> Outcome:
        try:
            return self._http.send(request)
        except httpx.TransportError as exc:
            return exc


class AsyncClient:
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
        """Sends nothing yet; see `Client`."""
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
        speakers: "Speakers | None" = None,
        explain: Explain = "true",
    ) -> PredictOut:
        """See `Client.predict`."""
        form = await asyncio.to_thread(_form, recording, transcript, words, speakers, explain)
        return PredictOut.model_validate_json(await self._run("POST", "predict", **form))

    async def served_model(self) -> ServedModelOut:
        """Which weights and which aligner answer."""
        return ServedModelOut.model_validate_json(await self._run("GET", "model"))

    async def close(self) -> None:
        """Ends connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, method: str, path: str, **form: Any) -> bytes:
        steps = exchange(_request(self._http, method, path, **form), self._retries)
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                body: bytes = done.value
                return body
            outcome = None if isinstance(step, Wait) else await self._send(step)
            if isinstance(step, Wait):
                await self._pause(step.seconds)

    async def _send(self, request: httpx.Request) -> Outcome:
        try:
            return await self._http.send(request)
        except httpx.TransportError as exc:
            return exc


def _request(http: httpx.Client | httpx.AsyncClient, method: str, path: str, **form: Any) -> httpx.Request:
    """With its body in memory, so that it can be sent again."""
    request = http.build_request(method, path, **form)
    request.read()
    return request


def _form(
    recording: str | Path | bytes,
    transcript: str | None,
    words: GivenWords | None,
    speakers: "Speakers | None",
    explain: Explain,
) -> dict[str, Any]:
    """What httpx needs to make a multipart form."""
    refuse_conflicts(transcript=transcript, words=words, speakers=speakers)
    name, data = ("recording", recording) if isinstance(recording, bytes) else _read(Path(recording))
    fields: dict[str, str] = {"explain": explain}
    if transcript is not None:
        fields["transcript"] = transcript
    if speakers is not None:
        fields["speakers"] = speakers
    if words is not None:
        fields["words"] = json.dumps([{"word": word, "start": start, "end": end} for word, start, end in words])
    return {"files": {"file": (name, data)}, "data": fields}


def _read(path: Path) -> tuple[str, bytes]:
    return path.name, path.read_bytes()


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
