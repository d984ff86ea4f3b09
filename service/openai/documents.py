"""Responses in OpenAI's form, from a response of POST /predict or from a recording without speech."""

import math
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel

from can_ser_client.fields import SubtitleEmotions
from can_ser_client.schemas import Attribution, PredictOut, UtteranceOut
from service.exports.subtitles import write_empty_vtt, write_srt, write_vtt
from service.inference.languages import find_language_name
from service.openai.schemas import (
    DeltaOut,
    DiarizedSegmentOut,
    DiarizedTranscriptionOut,
    DoneOut,
    SegmentOut,
    TranscriptionOut,
    TranscriptionWordOut,
    UsageOut,
    VerboseTranscriptionOut,
)

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
Granularity = Literal["word", "segment"]
FORMATS: Final[tuple[ResponseFormat, ...]] = get_args(ResponseFormat)
MEDIA_TYPES: Final[dict[ResponseFormat, str]] = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
"""Media types of the formats that are not JSON."""
_LOWEST_SCORE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Transcription:
    """What is known about a recording.

    Attributes:
        response: The response of POST /predict; None where there is no speech.
        duration_s: Duration of the recording.
        language: ISO 639-1 code.
        warnings: Warnings of the analysis, and about fields without effect.
    """

    response: PredictOut | None
    duration_s: float
    language: str
    warnings: Sequence[str] = ()

    @property
    def utterances(self) -> Sequence[UtteranceOut]:
        """The utterances; empty where there is no speech."""
        return self.response.utterances if self.response else ()

    @property
    def text(self) -> str:
        """The utterances joined by spaces; empty where there is no speech."""
        return " ".join(each.text for each in self.utterances if each.text)


@dataclass(frozen=True, slots=True)
class Output:
    """The form of a response.

    Attributes:
        format: Format.
        granularities: What `verbose_json` lists; empty for segments.
        emotions: How subtitles show emotions.
    """

    format: ResponseFormat = "json"
    granularities: Collection[Granularity] = ()
    emotions: SubtitleEmotions = "omit"


def write_transcription(transcription: Transcription, output: Output) -> str:
    """The body of a response."""
    response = transcription.response
    match output.format:
        case "text":
            return f"{transcription.text}\n"
        case "srt":
            return write_srt(response, output.emotions).decode() if response else ""
        case "vtt":
            warnings = transcription.warnings
            written = write_vtt(response, output.emotions, warnings) if response else write_empty_vtt(warnings)
            return written.decode()
        case "verbose_json":
            return _verbose(transcription, output.granularities).model_dump_json(exclude_none=True)
        case "diarized_json":
            return _diarized(transcription).model_dump_json(exclude_none=True)
        case "json":
            return TranscriptionOut(**_common(transcription)).model_dump_json(exclude_none=True)


def write_done(transcription: Transcription) -> str:
    """The last event of a stream."""
    return DoneOut(**_common(transcription)).model_dump_json(exclude_none=True)


def write_delta(utterance: UtteranceOut, number: int, *, continues: bool) -> str:
    """The event of an utterance.

    Args:
        utterance: The utterance.
        number: Its number, from 0.
        continues: Whether there was text before, from which a space separates this one.
    """
    return DeltaOut(
        delta=f" {utterance.text}" if continues else utterance.text,
        segment_id=_segment_id(number),
        start=utterance.start_s,
        end=utterance.end_s,
        speaker=utterance.speaker,
        **_estimate(utterance),
    ).model_dump_json(exclude_none=True)


def write_segment(utterance: UtteranceOut, number: int) -> str:
    """The event of an utterance with its speaker."""
    return _diarized_segment(utterance, number).model_dump_json(exclude_none=True)


def _common(transcription: Transcription) -> dict[str, Any]:
    response = transcription.response
    return {
        "text": transcription.text,
        "usage": UsageOut(seconds=math.ceil(transcription.duration_s)),
        "warnings": list(transcription.warnings),
        **(_estimate(response) if response else {}),
    }


def _estimate(estimate: PredictOut | UtteranceOut) -> dict[str, Any]:
    fields = ("emotion", "probabilities", "confidence", "uncertain", "uncertain_reasons")
    return {name: getattr(estimate, name) for name in fields}


def _verbose(transcription: Transcription, granularities: Collection[Granularity]) -> BaseModel:
    segments = words = None
    if "segment" in granularities or not granularities:
        segments = [_segment(utterance, number) for number, utterance in enumerate(transcription.utterances)]
    if "word" in granularities:
        words = [word for utterance in transcription.utterances for word in _words(utterance)]
    return VerboseTranscriptionOut(
        **_common(transcription),
        language=find_language_name(transcription.language),
        duration=transcription.duration_s,
        segments=segments,
        words=words,
    )


def _segment(utterance: UtteranceOut, number: int) -> SegmentOut:
    return SegmentOut(
        id=number,
        start=utterance.start_s,
        end=utterance.end_s,
        text=f" {utterance.text}" if utterance.text else "",
        avg_logprob=_mean_log_score(utterance),
        compression_ratio=_compression_ratio(utterance.text),
        text_probabilities=utterance.text_probabilities,
        audio_probabilities=utterance.audio_probabilities,
        speaker=utterance.speaker,
        **_estimate(utterance),
    )


def _mean_log_score(utterance: UtteranceOut) -> float:
    logs = [math.log(max(word.score, _LOWEST_SCORE)) for word in utterance.words if word.score is not None]
    return round(sum(logs) / len(logs), 4) if logs else 0.0


def _compression_ratio(text: str) -> float:
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 4)


def _words(utterance: UtteranceOut) -> list[TranscriptionWordOut]:
    return [
        TranscriptionWordOut(
            word=word.word,
            start=word.start_s,
            end=word.end_s,
            score=word.score,
            doubtful=word.doubtful,
            contribution=word.contribution if isinstance(word.contribution, Attribution) else None,
            speaker=word.speaker,
            **_estimate(utterance),
        )
        for word in utterance.words
        if word.word
    ]


def _diarized(transcription: Transcription) -> DiarizedTranscriptionOut:
    segments = [_diarized_segment(utterance, number) for number, utterance in enumerate(transcription.utterances)]
    return DiarizedTranscriptionOut(**_common(transcription), duration=transcription.duration_s, segments=segments)


def _diarized_segment(utterance: UtteranceOut, number: int) -> DiarizedSegmentOut:
    return DiarizedSegmentOut(
        id=_segment_id(number),
        start=utterance.start_s,
        end=utterance.end_s,
        text=utterance.text,
        speaker=utterance.speaker or "",
        **_estimate(utterance),
    )


def _segment_id(number: int) -> str:
    return f"seg_{number}"
