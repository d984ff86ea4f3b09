"""Messages of live speech over the WebSocket `/stream`."""

import json
from collections.abc import Iterator
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from can_ser_client.errors import UnreadableResponseError
from can_ser_client.fields import Encoding, Explain
from can_ser_client.responses import read_record, refusal
from can_ser_client.schemas import Problem, UtteranceOut

END: Final = json.dumps({"type": "end"})
"""The last message of a client."""
PACKAGE: Final = "websockets"
REQUIREMENT: Final = "can-ser-client[live]"


class UtteranceStarted(BaseModel):
    """Speech has started."""

    type: Literal["utterance.start"]
    id: int
    start_s: float


class UtteranceResult(UtteranceOut):
    """An utterance of live speech."""

    type: Literal["utterance.result"]
    id: int
    warnings: Annotated[list[str], Field(default_factory=list)]


class UtteranceDropped(BaseModel):
    """A segment without speech."""

    type: Literal["utterance.dropped"]
    id: int
    reason: str


class LiveDone(BaseModel):
    """The end: all utterances together; null where there were none."""

    type: Literal["done"]
    duration_s: float
    emotion: str | None
    probabilities: dict[str, float] | None
    confidence: float | None
    uncertain: bool | None
    uncertain_reasons: Annotated[list[str], Field(default_factory=list)]
    warnings: Annotated[list[str], Field(default_factory=list)]


class _Failed(BaseModel):
    type: Literal["error"]
    problem: Problem


class _Kind(BaseModel):
    type: str


LiveEvent = UtteranceStarted | UtteranceResult | UtteranceDropped | LiveDone
_KINDS: Final[dict[str, type[UtteranceStarted | UtteranceResult | UtteranceDropped | LiveDone]]] = {
    "utterance.start": UtteranceStarted,
    "utterance.result": UtteranceResult,
    "utterance.dropped": UtteranceDropped,
    "done": LiveDone,
}


def read_live_event(message: str | bytes, url: str) -> Iterator[LiveEvent]:
    """The event of a message; none where a newer service sends an unknown one.

    Raises:
        RefusedError: The service ends the connection with a problem.
        UnreadableResponseError: The message has another form.
    """
    kind = read_record(_Kind, message, url).type
    if kind == "error":
        raise refusal(read_record(_Failed, message, url).problem)
    if kind in _KINDS:
        yield read_record(_KINDS[kind], message, url)


def make_live_address(base_url: str, rate_hz: int, explain: Explain, encoding: Encoding) -> str:
    """Address of the WebSocket of a service.

    Raises:
        UnreadableResponseError: The address of the service is not one of HTTP.
    """
    scheme, separator, rest = base_url.partition("://")
    if not separator or scheme not in {"http", "https"}:
        raise UnreadableResponseError(base_url, "the address has no http:// or https://")
    query = urlencode({"rate": rate_hz, "encoding": encoding, "explain": explain})
    return f"{scheme.replace('http', 'ws', 1)}://{rest.rstrip('/')}/stream?{query}"
