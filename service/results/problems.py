"""HTTP status and RFC 9457 problem document of every error: one table, and a test over every error class."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from asgi_correlation_id import correlation_id

from alignment import errors as alignment_errors
from model import errors as model_errors
from service import errors as service_errors
from service.results.schemas import Problem


@dataclass(frozen=True, slots=True)
class ProblemType:
    """HTTP status, code and title of an error."""

    status: HTTPStatus
    code: str
    title: str


_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY
_UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE

PROBLEMS: Final[dict[type[Exception], ProblemType]] = {
    alignment_errors.EmptyFileError: ProblemType(HTTPStatus.BAD_REQUEST, "empty-file", "The file is empty"),
    alignment_errors.UndecodableAudioError: ProblemType(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-audio", "The file is not audio"
    ),
    alignment_errors.UnsupportedAudioError: ProblemType(
        _UNPROCESSABLE, "unsupported-audio", "The audio format is out of bounds"
    ),
    alignment_errors.NoSamplesError: ProblemType(_UNPROCESSABLE, "no-samples", "The audio holds no samples"),
    alignment_errors.NonFiniteAudioError: ProblemType(
        _UNPROCESSABLE, "non-finite-audio", "The audio holds non-finite values"
    ),
    alignment_errors.SilentAudioError: ProblemType(_UNPROCESSABLE, "silent-audio", "The audio is silent"),
    alignment_errors.AudioTooShortError: ProblemType(_UNPROCESSABLE, "audio-too-short", "The audio is too short"),
    alignment_errors.AudioTooLongError: ProblemType(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "audio-too-long", "The audio is too long"
    ),
    alignment_errors.EmptyTranscriptError: ProblemType(
        _UNPROCESSABLE, "empty-transcript", "The transcript holds no word"
    ),
    alignment_errors.TranscriptTooLongError: ProblemType(
        _UNPROCESSABLE, "transcript-too-long", "The transcript has more words than the audio can hold"
    ),
    alignment_errors.WordOrderError: ProblemType(_UNPROCESSABLE, "words-out-of-order", "The words are out of order"),
    alignment_errors.WordBoundsError: ProblemType(
        _UNPROCESSABLE, "words-out-of-bounds", "A word lies outside the audio"
    ),
    alignment_errors.SegmentError: ProblemType(
        _UNPROCESSABLE, "segments-out-of-bounds", "A segment is outside the audio, or out of order"
    ),
    alignment_errors.NoSpeechError: ProblemType(_UNPROCESSABLE, "no-speech", "No speech was found"),
    alignment_errors.UnsupportedLanguageError: ProblemType(
        _UNPROCESSABLE, "unsupported-language", "The aligner does not support the language"
    ),
    alignment_errors.AlignerUnavailableError: ProblemType(
        _UNAVAILABLE, "aligner-unavailable", "The aligner is not available"
    ),
    alignment_errors.DiarizationUnavailableError: ProblemType(
        _UNPROCESSABLE, "diarization-unavailable", "Diarization is not available"
    ),
    alignment_errors.AlignerFailedError: ProblemType(_UNAVAILABLE, "aligner-failed", "The aligner failed"),
    model_errors.ModelError: ProblemType(_UNAVAILABLE, "model-unavailable", "The model is not available"),
    service_errors.MalformedFormError: ProblemType(
        HTTPStatus.BAD_REQUEST, "malformed-form", "The request is not a valid form"
    ),
    service_errors.InvalidWordsError: ProblemType(_UNPROCESSABLE, "invalid-words", "The words are invalid"),
    service_errors.InvalidSegmentsError: ProblemType(_UNPROCESSABLE, "invalid-segments", "The segments are invalid"),
    service_errors.ConflictingFieldsError: ProblemType(
        _UNPROCESSABLE, "conflicting-fields", "Two fields exclude each other"
    ),
    service_errors.UploadTooLargeError: ProblemType(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "upload-too-large", "The upload is too large"
    ),
    service_errors.UploadTimeoutError: ProblemType(
        HTTPStatus.REQUEST_TIMEOUT, "upload-timeout", "The upload took too long"
    ),
    service_errors.UploadsFullError: ProblemType(_UNAVAILABLE, "uploads-full", "Too many uploads are in progress"),
    service_errors.NoRoomError: ProblemType(_UNAVAILABLE, "no-room", "There is no disk space for the upload"),
    service_errors.WrongKeyError: ProblemType(HTTPStatus.UNAUTHORIZED, "wrong-key", "An API key is required"),
    service_errors.RateLimitedError: ProblemType(
        HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", "The request rate of this key is reached"
    ),
    service_errors.AlignerNotServedError: ProblemType(
        _UNPROCESSABLE, "aligner-not-served", "The aligner is not served"
    ),
    service_errors.NotReadyError: ProblemType(_UNAVAILABLE, "not-ready", "The service is not ready"),
    service_errors.BusyError: ProblemType(_UNAVAILABLE, "busy", "The service is busy"),
    service_errors.JobsFullError: ProblemType(_UNAVAILABLE, "jobs-full", "Too many jobs are waiting"),
    service_errors.JobsUnavailableError: ProblemType(_UNAVAILABLE, "jobs-unavailable", "Jobs cannot be stored"),
    service_errors.BadFrameError: ProblemType(HTTPStatus.BAD_REQUEST, "bad-frame", "A live message cannot be read"),
    service_errors.LiveLimitError: ProblemType(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "live-limit", "The live connection reached a limit"
    ),
    service_errors.LiveFullError: ProblemType(_UNAVAILABLE, "live-full", "Too many live connections are open"),
    service_errors.UnknownJobError: ProblemType(HTTPStatus.NOT_FOUND, "unknown-job", "The job does not exist"),
    service_errors.ReplicaLostError: ProblemType(_UNAVAILABLE, "replica-lost", "Replicas died during this request"),
    service_errors.WorkerFailedError: ProblemType(
        _UNPROCESSABLE, "scorer-failed", "The recording breaks its worker process"
    ),
    service_errors.DeadlineError: ProblemType(HTTPStatus.GATEWAY_TIMEOUT, "deadline", "The processing took too long"),
}
"""Subclasses use the entry of their nearest base."""

NEVER_OVER_HTTP: Final = frozenset(
    {
        alignment_errors.DecodingAbandonedError,
        alignment_errors.WdsegError,
        alignment_errors.FetchError,
        service_errors.SettingsError,
        service_errors.NoRecordingsError,
        service_errors.ArchiveError,
        service_errors.ResultsError,
        service_errors.ClusterError,
        service_errors.MissingPackageError,
        service_errors.RefusedError,
        service_errors.UnreachableError,
    }
)
"""Errors of training, the start, the command line and clients, and of requests without a client."""


def find_problem(error: BaseException) -> ProblemType | None:
    """The table entry of an error class or its nearest base; None when there is none."""
    return next((PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), None)


def to_problem(error: BaseException, path: str) -> Problem:
    """The problem document of an error; an unexpected one keeps its message to itself.

    Args:
        error: Any exception.
        path: Path of the request.
    """
    known = find_problem(error)
    if known is None:
        detail = "an unexpected error occurred; it is logged under the request id, please report it"
        return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Internal error", detail, path)
    return make_problem(known.status, known.code, known.title, str(error), path)


def make_problem(status: int, code: str, title: str, detail: str, path: str) -> Problem:
    """A problem document with the id of the current request."""
    return Problem(
        type=f"urn:can-ser:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=path,
        code=code,
        request_id=correlation_id.get() or "",
    )
