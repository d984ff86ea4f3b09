"""Errors of requests, settings and commands.

ServiceError
├── SettingsError           a CAN_* variable or an option is invalid; the service does not start
├── ListenError             the address or the port of the service cannot be used
├── NoRecordingsError       a folder or a pattern of the command line matches no recording
├── OutputNameError         a file to write is named among the recordings
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

from alignment.errors import MissingPackageError
from can_ser_client.errors import RefusedError, UnreachableError
from service.errors.base import ServiceError
from service.errors.commands import (
    ArchiveError,
    ClusterError,
    ListenError,
    NoRecordingsError,
    OutputNameError,
    RecordingPathError,
    ResultsError,
    SettingsError,
    UnwritableError,
)
from service.errors.limits import (
    BusyError,
    DeadlineError,
    JobInterruptedError,
    JobsFullError,
    JobsUnavailableError,
    LiveFullError,
    LiveLimitError,
    NoRoomError,
    NotReadyError,
    RateLimitedError,
    ReplicaLostError,
    ScorersUnavailableError,
    UploadsFullError,
    UploadTimeoutError,
    UploadTooLargeError,
    WorkerFailedError,
)
from service.errors.requests import (
    AlignerNotServedError,
    BadFrameError,
    CallbackRefusedError,
    ConflictingFieldsError,
    EncodedBodyError,
    ForeignPageError,
    InvalidAnswerError,
    InvalidSegmentsError,
    InvalidWordsError,
    JobNotDoneError,
    MalformedFormError,
    NoTranslationError,
    TableFullError,
    UnknownBundleError,
    UnknownJobError,
    UnknownModelError,
    UnknownNameError,
    WrongKeyError,
)

__all__ = [
    "AlignerNotServedError",
    "ArchiveError",
    "BadFrameError",
    "BusyError",
    "CallbackRefusedError",
    "ClusterError",
    "ConflictingFieldsError",
    "DeadlineError",
    "EncodedBodyError",
    "ForeignPageError",
    "InvalidAnswerError",
    "InvalidSegmentsError",
    "InvalidWordsError",
    "JobInterruptedError",
    "JobNotDoneError",
    "JobsFullError",
    "JobsUnavailableError",
    "ListenError",
    "LiveFullError",
    "LiveLimitError",
    "MalformedFormError",
    "MissingPackageError",
    "NoRecordingsError",
    "NoRoomError",
    "NoTranslationError",
    "NotReadyError",
    "OutputNameError",
    "RateLimitedError",
    "RecordingPathError",
    "RefusedError",
    "ReplicaLostError",
    "ResultsError",
    "ScorersUnavailableError",
    "ServiceError",
    "SettingsError",
    "TableFullError",
    "UnknownBundleError",
    "UnknownJobError",
    "UnknownModelError",
    "UnknownNameError",
    "UnreachableError",
    "UnwritableError",
    "UploadTimeoutError",
    "UploadTooLargeError",
    "UploadsFullError",
    "WorkerFailedError",
    "WrongKeyError",
]
