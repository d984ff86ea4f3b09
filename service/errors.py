"""Errors of requests, settings and commands.

ServiceError
├── SettingsError           a CAN_* variable or an option is invalid; the service does not start
├── ListenError             the address or the port of the service cannot be used
├── NoRecordingsError       a folder or a pattern of the command line matches no recording
├── ArchiveError            a storage of recordings cannot be listed
├── ResultsError            a run cannot resume from the results of an earlier one
├── UnwritableError         the results of a run cannot be written
├── RecordingPathError      an agent names a file that is not a recording in the folders that it may read
├── ClusterError            a Ray cluster does not respond, or its workers cannot start
├── MalformedFormError      the request is not a form with a file, or a field cannot be read
├── EncodedBodyError        the body is compressed as a whole
├── UnknownNameError        a form field or a query parameter does not exist
├── InvalidWordsError       `words` is JSON, but not a list of words with times
├── InvalidSegmentsError    `segments` is JSON, but not a list of segments
├── ConflictingFieldsError  two fields exclude each other
├── CallbackRefusedError    `callback` is not an address to which callbacks may be sent
├── InvalidAnswerError      the body to export is not a response of this service
├── JobNotDoneError         a job without a result cannot be exported
├── TableFullError          a table has more rows than its format allows
├── UnknownModelError       an OpenAI client names a model that is not served
├── NoTranslationError      an OpenAI client requests a translation
├── UploadTooLargeError     the body has more bytes than accepted
├── UploadTimeoutError      the body stalled or took too long
├── UploadsFullError        the limit of concurrent uploads is reached
├── NoRoomError             the disk has no space for an upload
├── WrongKeyError           the API key is missing or unknown
├── ForeignPageError        a page of another site sent the request
├── RateLimitedError        the request rate of a key is reached
├── UnknownBundleError      the request names a bundle that is not served
├── AlignerNotServedError   the request names an aligner that is not served
├── NotReadyError           the models are not loaded yet
├── BusyError               the limit of concurrent requests is reached
├── JobsFullError           the limit of waiting jobs is reached
├── JobsUnavailableError    the folder of jobs cannot be used
├── JobInterruptedError     the process ended again and again during a job
├── BadFrameError           a live message cannot be read
├── LiveLimitError          a live connection was idle or open for too long
├── LiveFullError           the limit of live connections is reached
├── UnknownJobError         there is no job of that id
├── ReplicaLostError        several replicas of a cluster died during a request
├── WorkerFailedError       a worker process broke on a recording, or cannot start
├── ScorersUnavailableError no worker process can score, whatever the recording
└── DeadlineError           the processing took too long

Facts are attributes; the message states what was wrong, the value, and what to do.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from alignment.errors import CanSerError, MissingPackageError
from can_ser_client.errors import RefusedError, UnreachableError

__all__ = ["MissingPackageError", "RefusedError", "UnreachableError"]  # exported from here since the first version


class ServiceError(CanSerError):
    """Base of the errors of `service`."""


class SettingsError(ServiceError):
    """The configuration is invalid."""


class ListenError(ServiceError):
    """The address or the port of the service cannot be used."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(
            f"cannot listen on {host!r}, port {port} ({reason}); choose an address of this machine with --host or "
            "CAN_HOST, and a free port with --port or CAN_PORT"
        )


class NoRecordingsError(ServiceError):
    """A source matches no recording."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} holds no recording; name files, folders with recordings, or a pattern like 'clips/*.wav'"
        )


class ArchiveError(ServiceError):
    """A storage of recordings cannot be listed."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"{source} cannot be read ({reason}); check the address, the credentials, and that the package "
            "of the storage is installed (s3fs for s3://, gcsfs for gs://, adlfs for az://)"
        )


class ResultsError(ServiceError):
    """A run cannot resume from the results of an earlier one."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(f"cannot resume from {out}: {reason}; choose another --out, or move this file")


class UnwritableError(ServiceError):
    """The results of a run cannot be written, on a full disk for example."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(
            f"cannot write {out} ({reason}); what has been written before is kept: make space, then run again to resume"
        )


class RecordingPathError(ServiceError):
    """An agent names a path that is not a recording in the folders that it may read."""

    def __init__(self, path: str, reason: str, way_out: str) -> None:
        self.path = path
        super().__init__(f"{path[:200]!r} {reason}; {way_out}")


class ClusterError(ServiceError):
    """A Ray cluster does not respond, or its workers cannot start."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"the Ray cluster at {address} failed ({reason}); see `ray status`, or omit --address and RAY_ADDRESS to "
            "use this machine"
        )


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
            "as flac or ogg if it is too large"
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


class UploadTooLargeError(ServiceError):
    """The body is larger than accepted."""

    way_out = "compress it (flac, ogg) or raise CAN_MAX_UPLOAD_BYTES"

    def __init__(self, limit_bytes: int, way_out: str = way_out) -> None:
        self.limit_bytes, self.way_out = limit_bytes, way_out
        super().__init__(f"the upload is larger than {limit_bytes:,} bytes, the limit; {way_out}")


class UploadTimeoutError(ServiceError):
    """The body stalled or took too long."""

    def __init__(self, idle_s: float, total_s: float) -> None:
        self.idle_s, self.total_s = idle_s, total_s
        super().__init__(
            f"the upload stalled for {idle_s:g} s or took longer than {total_s:g} s; send it again, compressed (flac, "
            "ogg) or over a faster connection"
        )


class UploadsFullError(ServiceError):
    """The limit of concurrent uploads is reached."""

    retry_after_s = 5

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} uploads are in progress, the limit; retry in {self.retry_after_s} s")


class NoRoomError(ServiceError):
    """The disk of incoming uploads is full."""

    retry_after_s = 30

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"there is no disk space for the upload ({reason}); retry in {self.retry_after_s} s; the operator must "
            "provide more space for temporary files, or lower CAN_MAX_UPLOADS"
        )


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


class RateLimitedError(ServiceError):
    """The request rate of a key is reached."""

    def __init__(self, per_minute: int, wait_s: float) -> None:
        self.per_minute, self.retry_after_s = per_minute, max(1, ceil(wait_s))
        super().__init__(
            f"this key has sent {per_minute} requests within 60 s, the limit; the next one is accepted in "
            f"{self.retry_after_s} s"
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


class NotReadyError(ServiceError):
    """Models are still loading."""

    retry_after_s = 2

    def __init__(self, reason: str = "the models are loading") -> None:
        self.reason = reason
        super().__init__(f"{reason}; retry when GET /health/ready returns 200")


class BusyError(ServiceError):
    """The limit of concurrent requests is reached."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        self.waiting, self.retry_after_s = waiting, retry_after_s
        super().__init__(f"{waiting} requests are in progress, the limit; retry in {retry_after_s} s")


class JobsFullError(ServiceError):
    """The limit of waiting jobs is reached."""

    def __init__(self, waiting: int, retry_after_s: int, count: int = 1, limit: int | None = None) -> None:
        self.waiting, self.retry_after_s, self.count, self.limit = waiting, retry_after_s, count, limit
        if limit is None or count == 1:
            super().__init__(f"{waiting} jobs are waiting, the limit; retry in {retry_after_s} s")
        elif count > limit:
            super().__init__(f"{count} recordings were sent, and at most {limit} jobs may wait; send fewer at once")
        else:
            super().__init__(
                f"{waiting} jobs are waiting, the limit is {limit}: there is no room for {count} more, and none was "
                f"accepted; send fewer at once, or retry in {retry_after_s} s"
            )


class JobsUnavailableError(ServiceError):
    """The folder of jobs cannot be used."""

    way_out = "set CAN_JOBS__FOLDER to a writable folder that no other process uses"

    def __init__(self, folder: Path, reason: str, way_out: str = way_out) -> None:
        self.folder, self.reason, self.way_out = folder, reason, way_out
        super().__init__(f"jobs cannot be stored ({reason}); the operator must {way_out}")


class JobInterruptedError(ServiceError):
    """The process of the service ended again and again while it processed a job."""

    def __init__(self, times: int, at_s: float) -> None:
        self.times, self.at_s = times, at_s
        super().__init__(
            f"the process of the service ended {times} times while it processed this job, {at_s:.0f} s from the start "
            "of the recording; split the recording, or convert it to 16 kHz mono, and submit it again; the operator "
            "finds the cause in the log of the system (memory, in most cases)"
        )


class BadFrameError(ServiceError):
    """A live message cannot be read."""

    way_out = "send mono samples in binary messages, see docs/streaming.md"

    def __init__(self, reason: str, way_out: str = way_out) -> None:
        self.reason = reason
        super().__init__(f"{reason}; {way_out}")


class LiveLimitError(ServiceError):
    """A live connection was idle or open for too long."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; open another connection to continue")


class LiveFullError(ServiceError):
    """The limit of live connections is reached."""

    retry_after_s = 10

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} live connections are open, the limit; retry in {self.retry_after_s} s")


class UnknownJobError(ServiceError):
    """There is no job of that id."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no job {name!r}; it was deleted, has expired, or never existed")


class ReplicaLostError(ServiceError):
    """Several replicas of a cluster died during a request."""

    retry_after_s = 5

    def __init__(self, stage: str, attempts: int) -> None:
        self.stage, self.attempts = stage, attempts
        super().__init__(
            f"{attempts} replicas of {stage} died during this request; retry in {self.retry_after_s} s, and see "
            "`serve status` and the logs of the replicas if it happens again"
        )


class WorkerFailedError(ServiceError):
    """A worker process broke on a recording, in a batch and alone, or cannot start."""

    def __init__(self, reason: str, way_out: str = "send the recording in another format, such as 16-bit wav") -> None:
        self.reason, self.way_out = reason, way_out
        super().__init__(f"a worker process failed: {reason}; {way_out}")


class ScorersUnavailableError(ServiceError):
    """No worker process can score, whatever the recording; threads of the service do it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the worker processes cannot score: {reason}; correct this, then restart the service")


class DeadlineError(ServiceError):
    """The processing took too long."""

    retry_after_s = 5

    def __init__(self, limit_s: float, queued_s: float) -> None:
        self.limit_s, self.queued_s = limit_s, queued_s
        super().__init__(
            f"no result within {limit_s:g} s, the deadline ({queued_s:.1f} s of them in the queue); retry when the "
            "service is less busy, send shorter audio, or raise CAN_DEADLINE_S"
        )
