"""HTTP status and RFC 9457 problem document of every error: one table, and a test over every error class."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from asgi_correlation_id import correlation_id

from alignment import errors as alignment_errors
from alignment.errors import CanSerError
from can_ser_client.schemas import Problem
from model import errors as model_errors
from service import errors as service_errors


@dataclass(frozen=True, slots=True)
class ProblemType:
    """HTTP status, code and title of an error."""

    status: HTTPStatus
    code: str
    title: str


_TABLE: Final[tuple[tuple[type[CanSerError], int, str, str], ...]] = (
    (alignment_errors.EmptyFileError, 400, "empty-file", "The file is empty"),
    (alignment_errors.UndecodableAudioError, 415, "not-audio", "The file is not audio"),
    (alignment_errors.UnsupportedAudioError, 422, "unsupported-audio", "The audio format is out of bounds"),
    (alignment_errors.NoSamplesError, 422, "no-samples", "The audio holds no samples"),
    (alignment_errors.NonFiniteAudioError, 422, "non-finite-audio", "The audio holds non-finite values"),
    (alignment_errors.SilentAudioError, 422, "silent-audio", "The audio is silent"),
    (alignment_errors.AudioTooShortError, 422, "audio-too-short", "The audio is too short"),
    (alignment_errors.AudioTooLargeError, 413, "audio-too-large", "The audio has too many samples per second"),
    (alignment_errors.AudioTooLongError, 413, "audio-too-long", "The audio is too long"),
    (alignment_errors.EmptyTranscriptError, 422, "empty-transcript", "The transcript holds no word"),
    (alignment_errors.TranscriptTooLongError, 422, "transcript-too-long", "The transcript is too long for the audio"),
    (alignment_errors.WordOrderError, 422, "words-out-of-order", "The words are out of order"),
    (alignment_errors.WordBoundsError, 422, "words-out-of-bounds", "A word is outside the audio"),
    (alignment_errors.WordTooLongError, 422, "word-too-long", "A word lasts too long"),
    (alignment_errors.SegmentError, 422, "segments-out-of-bounds", "A segment is outside the audio, or out of order"),
    (alignment_errors.NoSpeechError, 422, "no-speech", "No speech was found"),
    (alignment_errors.UnsupportedLanguageError, 422, "unsupported-language", "The language is not supported"),
    (alignment_errors.AlignerUnavailableError, 503, "aligner-unavailable", "The aligner is not available"),
    (alignment_errors.EncoderUnavailableError, 503, "encoder-unavailable", "The speech encoder is not available"),
    (alignment_errors.DiarizationUnavailableError, 422, "diarization-unavailable", "Diarization is not available"),
    (alignment_errors.AlignerFailedError, 503, "aligner-failed", "The aligner failed"),
    (model_errors.ModelError, 503, "model-unavailable", "The model is not available"),
    (service_errors.MalformedFormError, 400, "malformed-form", "The request is not a valid form"),
    (service_errors.EncodedBodyError, 415, "encoded-body", "The body is compressed"),
    (service_errors.UnknownNameError, 400, "unknown-name", "A field or parameter does not exist"),
    (service_errors.InvalidWordsError, 422, "invalid-words", "The words are invalid"),
    (service_errors.InvalidSegmentsError, 422, "invalid-segments", "The segments are invalid"),
    (service_errors.ConflictingFieldsError, 422, "conflicting-fields", "Two fields exclude each other"),
    (service_errors.CallbackRefusedError, 422, "callback-refused", "Callbacks to this address are not allowed"),
    (service_errors.InvalidAnswerError, 422, "invalid-answer", "The body is not a response to export"),
    (service_errors.JobNotDoneError, 409, "job-not-done", "The job has no result to export"),
    (service_errors.UnknownModelError, 404, "unknown-model", "The model is not served"),
    (service_errors.NoTranslationError, 400, "no-translation", "Translations are not available"),
    (service_errors.UploadTooLargeError, 413, "upload-too-large", "The upload is too large"),
    (service_errors.UploadTimeoutError, 408, "upload-timeout", "The upload took too long"),
    (service_errors.UploadsFullError, 503, "uploads-full", "Too many uploads are in progress"),
    (service_errors.NoRoomError, 503, "no-room", "There is no disk space for the upload"),
    (service_errors.WrongKeyError, 401, "wrong-key", "An API key is required"),
    (service_errors.ForeignPageError, 403, "foreign-page", "A page of another site sent the request"),
    (service_errors.RateLimitedError, 429, "rate-limited", "The request rate of this key is reached"),
    (service_errors.UnknownBundleError, 422, "unknown-bundle", "The bundle is not served"),
    (service_errors.AlignerNotServedError, 422, "aligner-not-served", "The aligner is not served"),
    (service_errors.NotReadyError, 503, "not-ready", "The service is not ready"),
    (service_errors.BusyError, 503, "busy", "The service is busy"),
    (service_errors.JobsFullError, 503, "jobs-full", "Too many jobs are waiting"),
    (service_errors.JobsUnavailableError, 503, "jobs-unavailable", "Jobs cannot be stored"),
    (service_errors.JobInterruptedError, 503, "job-interrupted", "The job ends the process of the service"),
    (service_errors.BadFrameError, 400, "bad-frame", "A live message cannot be read"),
    (service_errors.LiveLimitError, 413, "live-limit", "The live connection reached a limit"),
    (service_errors.LiveFullError, 503, "live-full", "Too many live connections are open"),
    (service_errors.UnknownJobError, 404, "unknown-job", "The job does not exist"),
    (service_errors.ReplicaLostError, 503, "replica-lost", "Replicas died during this request"),
    (service_errors.WorkerFailedError, 422, "scorer-failed", "The recording breaks its worker process"),
    (service_errors.DeadlineError, 504, "deadline", "The processing took too long"),
)
PROBLEMS: Final = {error: ProblemType(HTTPStatus(status), code, title) for error, status, code, title in _TABLE}
"""Problem of each error; subclasses use the entry of their nearest base."""

NEVER_OVER_HTTP: Final = frozenset(
    {
        alignment_errors.DecodingAbandonedError,
        alignment_errors.WdsegError,
        alignment_errors.FetchError,
        service_errors.SettingsError,
        service_errors.ListenError,
        service_errors.NoRecordingsError,
        service_errors.OutputNameError,
        service_errors.ArchiveError,
        service_errors.ResultsError,
        service_errors.TableFullError,
        service_errors.UnwritableError,
        service_errors.ScorersUnavailableError,
        service_errors.RecordingPathError,
        service_errors.ClusterError,
        service_errors.MissingPackageError,
    }
)
"""Errors of training, the start, commands, agents and clients, of requests without a client, and mended ones."""


def find_problem(error: BaseException) -> ProblemType | None:
    """The table entry of an error class or its nearest base; None when there is none."""
    return next((PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), None)


def to_problem(error: BaseException, path: str, logged_under: str = "the request id") -> Problem:
    """The problem document of an error; the message of an unexpected error is not exposed.

    Args:
        error: Any exception; its notes precede the message.
        path: Path of the request.
        logged_under: What an unexpected error is logged under.
    """
    known = find_problem(error)
    if known is None:
        detail = f"an unexpected error occurred; it is logged under {logged_under}, please report it"
        return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Internal error", detail, path)
    detail = ": ".join([*getattr(error, "__notes__", ()), str(error)])
    return make_problem(known.status, known.code, known.title, detail, path)


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
