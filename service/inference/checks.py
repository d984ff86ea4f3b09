"""Checks of a request before its recording is decoded, and before its words wait for the aligner."""

from alignment.aligners.protocol import Aligner
from alignment.timing import Seconds
from alignment.transcripts.untimed import check_given
from alignment.transcripts.utterances import check_segments
from alignment.transcripts.words import check_text, check_transcript
from service.errors import AlignerNotServedError
from service.inference.request import AnalysisRequest


def check_without_recording(request: AnalysisRequest, aligner: Aligner, longest_s: Seconds) -> None:
    """Raise where the fields for words cannot be used with any recording; this waits for nothing.

    Args:
        request: The request.
        aligner: The served aligner.
        longest_s: Longest accepted recording.

    Raises:
        AlignerNotServedError: The request names another aligner.
        UnsupportedLanguageError: The aligner does not support the language.
        TranscriptError: See `check_text` and `check_given`.
    """
    if request.aligner not in (None, "auto", aligner.info.name):
        raise AlignerNotServedError(str(request.aligner), [aligner.info.name])
    if request.words is not None:
        check_given(request.words)
        return
    aligner.check_language(request.language)
    if request.transcript is not None:
        check_text(request.transcript, longest_s)


def check_with_duration(request: AnalysisRequest, duration_s: Seconds) -> AnalysisRequest:
    """The request with times for words that have none; raise where its fields do not fit the recording.

    Args:
        request: The request.
        duration_s: Length of the recording.

    Raises:
        TranscriptError: See `AnalysisRequest.with_duration`, `check_transcript` and `check_segments`.
    """
    if request.transcript is not None:
        check_transcript(request.transcript, duration_s)
    check_segments(request.segments, duration_s)
    return request.with_duration(duration_s)
