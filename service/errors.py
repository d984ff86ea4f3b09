"""What can go wrong around a request.

ServiceError
├── SettingsError           a CAN_* variable or option makes no sense; the start is refused
├── NoRecordingsError       a folder or a pattern of the command line holds no recording
├── ArchiveError            a storage of recordings cannot be listed
├── ResultsError            the results of an earlier run cannot be gone on with
├── ClusterError            a Ray cluster does not answer, or its workers cannot start
├── RefusedError            told to a client: the service answered a problem
├── UnreachableError        told to a client: no answer came
├── MalformedFormError      the request is no form with a file, or a field of it cannot be read
├── InvalidWordsError       `words` is JSON, but not a list of words with times
├── InvalidSegmentsError    `segments` is JSON, but not a list of stretches
├── ConflictingFieldsError  two fields that exclude each other
├── UploadTooLargeError     more bytes than accepted
├── UploadTimeoutError      the body stalled, or took too long
├── UploadsFullError        as many bodies are on their way as are accepted
├── NoRoomError             an upload found no room on the disk
├── WrongKeyError           no API key, or one that is not known
├── RateLimitedError        a key's own limit of requests is reached
├── AlignerNotServedError   the request names an aligner that this server does not run
├── NotReadyError           the models have not answered their warm-up yet
├── BusyError               the bounded queue is full
├── JobsFullError           as many jobs wait as are accepted
├── JobsUnavailableError    the folder of jobs cannot be used
├── BadFrameError           a live message cannot be read
├── LiveLimitError          a live connection was silent, or spoke, for too long
├── LiveFullError           as many live connections are open as are accepted
├── UnknownJobError         no job has that name, or not any more
├── ReplicaLostError        replicas of a cluster died under a request, again and again
├── WorkerFailedError       a scorer process broke on a recording, or cannot start
└── DeadlineError           the answer took too long

Facts are attributes; the message says what was wrong, what was got and what to do.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from alignment.errors import CanSerError, MissingPackageError

__all__ = ["MissingPackageError"]  # exported from here since the first version


class ServiceError(CanSerError):
    """Base of everything that `service` raises itself."""


class SettingsError(ServiceError):
    """The configuration cannot be started with."""


class NoRecordingsError(ServiceError):
    """Nothing to work on."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} holds no recording; name files, folders that hold some, or a pattern like 'clips/*.wav'"
        )


class ArchiveError(ServiceError):
    """A storage of recordings cannot be listed."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"{source} cannot be read ({reason}); look at the address and at the credentials, and whether the "
            "storage's package is there (s3fs for s3://, gcsfs for gs://, adlfs for az://)"
        )


class ResultsError(ServiceError):
    """The results of an earlier run cannot be gone on with."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(f"{out} cannot be gone on with: {reason}; name another --out, or move this one away")


class ClusterError(ServiceError):
    """A Ray cluster does not answer, or cannot do what it is to do."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"the Ray cluster at {address} does not work for this ({reason}); `ray status` tells of it, and without "
            "--address and RAY_ADDRESS this machine is enough"
        )


class RefusedError(ServiceError):
    """What a service said instead of an answer.

    Attributes:
        status: of HTTP.
        code: of the problem document, as the troubleshooting page lists them; "" where something in between refused.
        request_id: to be found in the service's log.
        retry_after_s: when to come back, where the service says so.
    """

    def __init__(self, status: int, code: str, detail: str, request_id: str, retry_after_s: float | None) -> None:
        self.status, self.code, self.detail = status, code, detail
        self.request_id, self.retry_after_s = request_id, retry_after_s
        super().__init__(f"{status} {code}: {detail} (request {request_id or 'unknown'})")


class UnreachableError(ServiceError):
    """The network or the service at its other end."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url} did not answer ({reason}); see whether the service runs there")


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


class InvalidSegmentsError(ServiceError):
    """The field `segments` has another shape."""

    way_out = 'send [{"start": 0.3, "end": 2.6}, …], times in seconds'

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"`segments` cannot be used: {reason}; {self.way_out}")


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


class UploadTimeoutError(ServiceError):
    """The body stalled, or took too long."""

    def __init__(self, idle_s: float, whole_s: float) -> None:
        self.idle_s, self.whole_s = idle_s, whole_s
        super().__init__(
            f"the upload stood still for {idle_s:g} s or took over {whole_s:g} s; send it again, compressed (flac, "
            "ogg) or from a better line"
        )


class UploadsFullError(ServiceError):
    """As many bodies are on their way as are accepted."""

    retry_after_s = 5

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} uploads are on their way, the limit; try again in {self.retry_after_s} s")


class NoRoomError(ServiceError):
    """The disk that uploads lie on while they come is full."""

    retry_after_s = 30

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"there was no room for the upload ({reason}); try again in {self.retry_after_s} s; whoever runs the "
            "service must give its folder for temporary files more room, or lower CAN_MAX_UPLOADS"
        )


class WrongKeyError(ServiceError):
    """No API key, or one that is not known."""

    def __init__(self) -> None:
        super().__init__("this service wants an API key; send `Authorization: Bearer KEY` or `X-API-Key: KEY`")


class RateLimitedError(ServiceError):
    """A key's own limit of requests is reached."""

    def __init__(self, per_minute: int, wait_s: float) -> None:
        self.per_minute, self.retry_after_s = per_minute, max(1, ceil(wait_s))
        super().__init__(
            f"this key may ask {per_minute} times a minute, which it has; try again in {self.retry_after_s} s"
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


class JobsFullError(ServiceError):
    """As many jobs wait as are accepted."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        self.waiting, self.retry_after_s = waiting, retry_after_s
        super().__init__(f"{waiting} jobs are waiting, the limit; try again in {retry_after_s} s")


class JobsUnavailableError(ServiceError):
    """The folder of jobs cannot be used."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"jobs cannot be kept here ({reason}); whoever runs the service must set CAN_JOBS__FOLDER to a folder that "
            "it alone can write to"
        )


class BadFrameError(ServiceError):
    """A live message cannot be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; send 16-bit little-endian mono PCM in binary messages, see docs/streaming.md")


class LiveLimitError(ServiceError):
    """A live connection was silent, or spoke, for too long."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; open another connection to go on")


class LiveFullError(ServiceError):
    """As many live connections are open as are accepted."""

    retry_after_s = 10

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} live connections are open, the limit; try again in {self.retry_after_s} s")


class UnknownJobError(ServiceError):
    """No such job."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no job {name!r}; it was deleted, has expired, or never was")


class ReplicaLostError(ServiceError):
    """Replicas of a cluster died under a request, again and again."""

    retry_after_s = 5

    def __init__(self, stage: str, attempts: int) -> None:
        self.stage, self.attempts = stage, attempts
        super().__init__(
            f"{attempts} replicas of {stage} ended while they worked on this; try again in {self.retry_after_s} s, and "
            "see `serve status` and the replicas' logs if it happens again"
        )


class WorkerFailedError(ServiceError):
    """A process that scores recordings broke on one, in company and alone, or cannot start."""

    def __init__(self, reason: str, way_out: str = "send the recording in another format, such as 16-bit wav") -> None:
        self.reason, self.way_out = reason, way_out
        super().__init__(f"a scorer failed: {reason}; {way_out}")


class DeadlineError(ServiceError):
    """The answer took too long."""

    retry_after_s = 5

    def __init__(self, limit_s: float, queued_s: float) -> None:
        self.limit_s, self.queued_s = limit_s, queued_s
        super().__init__(
            f"no answer within {limit_s:g} s, the deadline ({queued_s:.1f} s of them in the queue); try again when the "
            "service is less busy, send shorter audio, or raise CAN_DEADLINE_S"
        )
