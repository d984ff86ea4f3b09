"""What can go wrong around a request.

ServiceError
├── SettingsError           a CAN_* variable or option makes no sense; the start is refused
├── MalformedFormError      the request is no form with a file, or a field of it cannot be read
├── InvalidWordsError       `words` is JSON, but not a list of words with times
├── ConflictingFieldsError  two fields that exclude each other
├── UploadTooLargeError     more bytes than accepted
├── AlignerNotServedError   the request names an aligner that this server does not run
├── NotReadyError           the models have not answered their warm-up yet
├── BusyError               the bounded queue is full
└── DeadlineError           the answer took too long

Facts are attributes; the message says what was wrong, what was got and what to do.
"""

from collections.abc import Sequence


class ServiceError(Exception):
    """Base of everything that `service` raises itself."""


class SettingsError(ServiceError):
    """The configuration cannot be started with."""


class MalformedFormError(ServiceError):
    """The multipart form cannot be read."""

    way_out = "send a multipart form with the recording in `file`: curl -F file=@speech.wav …"

    def __init__(self, reason: str, way_out: str = way_out) -> None:
        self.reason = reason
        super().__init__(f"{reason}; {way_out}")


class InvalidWordsError(ServiceError):
    """The field `words` has another shape."""

    way_out = 'send [{"word": "hello", "start": 0.31, "end": 0.62}, …], times in seconds'

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"`words` cannot be used: {reason}; {self.way_out}")


class ConflictingFieldsError(ServiceError):
    """Fields that exclude each other."""

    def __init__(self, first: str, second: str) -> None:
        self.first, self.second = first, second
        super().__init__(f"`{first}` and `{second}` exclude each other; send one of them")


class UploadTooLargeError(ServiceError):
    """The body is larger than accepted."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the upload is larger than {limit_bytes:,} bytes, the limit; compress it (flac, ogg) or raise "
            "CAN_MAX_UPLOAD_BYTES"
        )


class AlignerNotServedError(ServiceError):
    """Another aligner than those that run here."""

    def __init__(self, asked: str, served: Sequence[str]) -> None:
        self.asked, self.served = asked, tuple(served)
        super().__init__(f"the aligner {asked!r} does not run here; choose {' or '.join(served)}, or leave it out")


class NotReadyError(ServiceError):
    """Models are still loading."""

    retry_after_s = 2

    def __init__(self, reason: str = "the models are loading") -> None:
        self.reason = reason
        super().__init__(f"{reason}; try again in a moment, GET /health/ready tells when")


class BusyError(ServiceError):
    """The queue is full."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        self.waiting, self.retry_after_s = waiting, retry_after_s
        super().__init__(f"{waiting} requests are being worked on, the limit; try again in {retry_after_s} s")


class DeadlineError(ServiceError):
    """The answer took too long."""

    retry_after_s = 5

    def __init__(self, limit_s: float, queued_s: float) -> None:
        self.limit_s, self.queued_s = limit_s, queued_s
        super().__init__(
            f"no answer within {limit_s:g} s, the deadline ({queued_s:.1f} s of them in the queue); try again when the "
            "service is less busy, send shorter audio, or raise CAN_DEADLINE_S"
        )
