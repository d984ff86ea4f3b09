"""Server-sent events of POST /predict."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from can_ser_client.responses import read_record, refusal
from can_ser_client.schemas import PredictOut, Problem, UtteranceOut

MEDIA_TYPE: Final = "text/event-stream"


class Progress(BaseModel):
    """Progress of an analysis.

    Attributes:
        stage: Current stage, such as "recognise".
        done_s: Seconds of audio that are analysed.
        total_s: Duration of the audio.
    """

    stage: str
    done_s: float
    total_s: float


Event = Progress | UtteranceOut | PredictOut
"""Progress, an utterance as soon as it is scored, and at the end the whole response."""
_KINDS: Final[dict[str, type[Progress | UtteranceOut | PredictOut]]] = {
    "progress": Progress,
    "utterance": UtteranceOut,
    "result": PredictOut,
}


class EventParser:
    """Reads events from the lines of a response.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
    """

    def __init__(self, url: str) -> None:
        """Start with no event; the address is for error messages."""
        self._url = url
        self._name = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Iterator[Event]:
        """Events that a line completes; none or one. Comments and events of newer services are ignored.

        Raises:
            RefusedError: The analysis failed.
            UnreadableResponseError: An event has another form.
        """
        if line:
            self._collect(line)
            return
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        if name == "error":
            raise refusal(read_record(Problem, data, self._url))
        if name in _KINDS:
            yield read_record(_KINDS[name], data, self._url)

    def _collect(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
