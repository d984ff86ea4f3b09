"""Errors of requests that the service cannot process as they are."""

from collections.abc import Sequence

from service.errors.base import ServiceError


class MalformedFormError(ServiceError):
    """The multipart form cannot be read."""

    way_out = "send a multipart form with the recording in `file`: curl -F file=@speech.wav …"

    def __init__(self, reason: str, way_out: str = way_out, *, field: str | None = None) -> None:
        self.reason, self.field = reason, field
        super().__init__(f"{reason}; {way_out}")


class EncodedBodyError(ServiceError):
    """The body has a Content-Encoding."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(
            f"the body has the Content-Encoding `{encoding[:40]}`, which is not decoded; send it as it is, "
            "and a recording that is too large as flac or ogg"
        )


class UnknownNameError(ServiceError):
    """A form field or a query parameter does not exist."""

    def __init__(self, kind: str, name: str, hint: str) -> None:
        self.kind, self.name, self.hint = kind, name, hint
        super().__init__(f"there is no {kind} `{name}`; {hint}")


class InvalidWordsError(ServiceError):
    """The field `words` has another shape."""

    way_out = 'send [{"word": "hello", "start": 0.31, "end": 0.62}, …], times in seconds'

    def __init__(self, reason: str, way_out: str = way_out) -> None:
        self.reason = reason
        super().__init__(f"`words` is invalid: {reason}; {way_out}")


class InvalidSegmentsError(ServiceError):
    """The field `segments` has another shape."""

    way_out = 'send [{"start": 0.3, "end": 2.6}, …], times in seconds'

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"`segments` is invalid: {reason}; {self.way_out}")


class ConflictingFieldsError(ServiceError):
    """Two fields exclude each other."""

    def __init__(self, first: str, second: str) -> None:
        self.first, self.second = first, second
        super().__init__(f"`{first}` and `{second}` exclude each other; send only one of them")


class CallbackRefusedError(ServiceError):
    """The field `callback` is not an address to which callbacks may be sent."""

    def __init__(self, reason: str, way_out: str) -> None:
        self.reason = reason
        super().__init__(f"`callback` {reason}; {way_out}")


class InvalidAnswerError(ServiceError):
    """The body to export is not a response of this service."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the body is not a response that can be exported: {reason}; send the JSON of a response of POST /predict, "
            "or `result` of a job"
        )


class JobNotDoneError(ServiceError):
    """A job has no result that could be exported."""

    def __init__(self, name: str, status: str) -> None:
        self.name, self.status = name, status
        super().__init__(
            f"the job {name} is {status!r} and has no result to export; GET /jobs/{name} without `format` returns its "
            "progress, or why it failed"
        )


class TableFullError(ServiceError):
    """A table has more rows than its format allows."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a sheet holds {limit:,} rows at most; write CSV, or fewer recordings into one file")


class UnknownModelError(ServiceError):
    """A client of the OpenAI endpoint names a model that is not served."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"the model {name!r} is not served; choose from {', '.join(known)}")


class NoTranslationError(ServiceError):
    """A client of the OpenAI endpoint requests a translation."""

    def __init__(self) -> None:
        super().__init__(
            "this service transcribes and does not translate; send the recording to /v1/audio/transcriptions and "
            "translate its text elsewhere"
        )


class UnknownBundleError(ServiceError):
    """The requested bundle is not served."""

    def __init__(self, requested: str, served: Sequence[str]) -> None:
        self.requested, self.served = requested, tuple(served)
        super().__init__(f"the bundle {requested!r} is not served; choose {' or '.join(served)}, or omit it")


class AlignerNotServedError(ServiceError):
    """The requested aligner is not served."""

    def __init__(self, requested: str, served: Sequence[str]) -> None:
        self.requested, self.served = requested, tuple(served)
        super().__init__(f"the aligner {requested!r} is not served; choose {' or '.join(served)}, or omit it")


class UnknownJobError(ServiceError):
    """There is no job of that id."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no job {name!r}; it was deleted, has expired, or never existed")


class BadFrameError(ServiceError):
    """A live message cannot be read."""

    way_out = "send mono samples in binary messages, see docs/streaming.md"

    def __init__(self, reason: str, way_out: str = way_out) -> None:
        self.reason = reason
        super().__init__(f"{reason}; {way_out}")


class WrongKeyError(ServiceError):
    """The API key is missing or unknown."""

    def __init__(self) -> None:
        super().__init__("this service requires an API key; send `Authorization: Bearer KEY` or `X-API-Key: KEY`")


class ForeignPageError(ServiceError):
    """A page of another site sent the request, or may have."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        super().__init__(
            f"{sender} may not send requests; the operator must list its origin in CAN_ORIGINS to allow it"
        )
