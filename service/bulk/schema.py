"""Table of a bulk run: one row per recording, with nested utterances and words.

A recording that could not be analysed has a row with a `problem`: a code of docs/troubleshooting.md or one of those
below; all columns except `file` and `message` are null.
"""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from can_ser_client.schemas import PredictOut, UtteranceOut

UNREADABLE: Final = "unreadable"
"""The file or its storage cannot be read."""
WORKER_LOST: Final = "worker-lost"
"""The worker process died twice."""
INTERNAL: Final = "internal-error"


def _fields(kind: pa.DataType, *names: str) -> tuple[tuple[str, pa.DataType], ...]:
    return tuple((name, kind) for name in names)


_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int32(), pa.bool_()
_WORD: Final = (
    *_fields(_TEXT, "word"),
    *_fields(_NUMBER, "start_s", "end_s"),
    *_fields(_TEXT, "timing"),
    *_fields(_NUMBER, "score"),
    *_fields(_FLAG, "doubtful", "known", "guessed_pronunciation"),
    *_fields(_NUMBER, "text_attention", "audio_attention", "text_contribution", "audio_contribution"),
)
_CONFIDENCE: Final = (*_fields(_NUMBER, "confidence"), *_fields(_FLAG, "uncertain"))
_SPAN: Final = (*_fields(_NUMBER, "start_s", "end_s"), *_fields(_TEXT, "text", "emotion"), *_CONFIDENCE)
_RECORDING: Final = (
    *_fields(_TEXT, "file", "problem", "message", "emotion"),
    *_CONFIDENCE,
    *_fields(_TEXT, "text"),
    *_fields(_NUMBER, "duration_s"),
    *_fields(_COUNT, "words", "doubtful_words", "sample_rate_hz", "channels"),
    *_fields(pa.list_(_TEXT), "warnings"),
    *_fields(_TEXT, "aligner", "aligner_model", "language", "model", "model_version"),
)


def table_schema(labels: Sequence[str]) -> pa.Schema:
    """Schema of the table.

    Args:
        labels: Classes of the bundle; each is a column `p_LABEL` of recordings and of utterances, and the latter have
            `text_p_LABEL` and `audio_p_LABEL` as well.
    """
    whole, text, audio = (
        _fields(_NUMBER, *(f"{prefix}_{label}" for label in labels)) for prefix in ("p", "text_p", "audio_p")
    )
    utterance = pa.struct([*_SPAN, *whole, *text, *audio, ("words", pa.list_(pa.struct(_WORD)))])
    return pa.schema([*_RECORDING, *whole, ("utterances", pa.list_(utterance))])


def response_row(name: str, response: PredictOut) -> dict[str, Any]:
    """Row of an analysed recording.

    Args:
        name: Path or address.
        response: With words (`explain` is "true").
    """
    return {
        "file": name,
        "emotion": response.emotion,
        "confidence": response.confidence,
        "uncertain": response.uncertain,
        "text": " ".join(utterance.text for utterance in response.utterances if utterance.text),
        "words": len(response.words),
        "doubtful_words": len(response.doubtful_words),
        **response.audio.model_dump(),
        "warnings": response.warnings,
        "aligner": response.aligner.name,
        "aligner_model": response.aligner.model,
        "language": response.aligner.language,
        "model": response.model.name,
        "model_version": response.model.version,
        **_probabilities("p", response.probabilities),
        "utterances": [_utterance(each) for each in response.utterances],
    }


def problem_row(name: str, code: str, message: str) -> dict[str, Any]:
    """Row of a recording that could not be analysed; a message that names a path need not be Unicode."""
    return {"file": name, "problem": code, "message": message.encode(errors="backslashreplace").decode()}


def _utterance(utterance: UtteranceOut) -> dict[str, Any]:
    words = []
    for word in utterance.words:
        text, audio = word.contribution_to(utterance.emotion)
        fields = word.model_dump(exclude={"contribution", "effect"})
        words.append(fields | {"text_contribution": text, "audio_contribution": audio})
    return {
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "text": utterance.text,
        "emotion": utterance.emotion,
        "confidence": utterance.confidence,
        "uncertain": utterance.uncertain,
        **_probabilities("p", utterance.probabilities),
        **_probabilities("text_p", utterance.text_probabilities),
        **_probabilities("audio_p", utterance.audio_probabilities),
        "words": words,
    }


def _probabilities(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{label}": value for label, value in values.items()}
