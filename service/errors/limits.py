"""Errors of limits, and of parts of the service that are not available."""

from math import ceil
from pathlib import Path

from service.errors.base import ServiceError


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


class RateLimitedError(ServiceError):
    """The request rate of a key is reached."""

    def __init__(self, per_minute: int, wait_s: float) -> None:
        self.per_minute, self.retry_after_s = per_minute, max(1, ceil(wait_s))
        super().__init__(
            f"this key has sent {per_minute} requests within 60 s, the limit; the next one is accepted in "
            f"{self.retry_after_s} s"
        )


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
