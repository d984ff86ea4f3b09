"""Table of a bulk run: one row per recording, with nested utterances and words.

A recording that could not be analysed has a row with a `problem`: a code of docs/troubleshooting.md or one of those
below; all columns except `file` and `message` are null.
"""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from service.results.schemas import PredictOut, UtteranceOut

UNREADABLE: Final = "unreadable"
"""The file or its storage cannot be read."""
WORKER_LOST: Final = "worker-lost"
"""The worker process died twice."""
INTERNAL: Final = "internal-error"
_WORD: Final = (
    ("word", pa.string()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("timing", pa.string()),
    ("score", pa.float64()),
    ("known", pa.bool_()),
    ("guessed_pronunciation", pa.bool_()),
    ("text_attention", pa.float64()),
    ("audio_attention", pa.float64()),
    ("text_contribution", pa.float64()),
    ("audio_contribution", pa.float64()),
)
_SPAN: Final = (("start_s", pa.float64()), ("end_s", pa.float64()), ("text", pa.string()), ("emotion", pa.string()))
_RECORDING: Final = (
    ("file", pa.string()),
    ("problem", pa.string()),
    ("message", pa.string()),
    ("emotion", pa.string()),
    ("text", pa.string()),
    ("duration_s", pa.float64()),
    ("sample_rate_hz", pa.int32()),
    ("channels", pa.int32()),
    ("warnings", pa.list_(pa.string())),
    ("aligner", pa.string()),
    ("aligner_model", pa.string()),
    ("language", pa.string()),
    ("model", pa.string()),
    ("model_version", pa.string()),
)


def table_schema(labels: Sequence[str]) -> pa.Schema:
    """Schema of the table.

    Args:
        labels: Classes of the bundle; each is a column `p_LABEL` of recordings and of utterances, and the latter have
            `text_p_LABEL` and `audio_p_LABEL` as well.
    """
    whole = _probability_fields("p", labels)
    unimodal = [*_probability_fields("text_p", labels), *_probability_fields("audio_p", labels)]
    utterance = pa.struct([*_SPAN, *whole, *unimodal, ("words", pa.list_(pa.struct(_WORD)))])
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
        "text": " ".join(utterance.text for utterance in response.utterances if utterance.text),
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
    """Row of a recording that could not be analysed."""
    return {"file": name, "problem": code, "message": message}


def _utterance(utterance: UtteranceOut) -> dict[str, Any]:
    words = []
    for word in utterance.words:
        text, audio = word.contribution_to(utterance.emotion)
        fields = word.model_dump(exclude={"contribution"})
        words.append(fields | {"text_contribution": text, "audio_contribution": audio})
    return {
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
        "text": utterance.text,
        "emotion": utterance.emotion,
        **_probabilities("p", utterance.probabilities),
        **_probabilities("text_p", utterance.text_probabilities),
        **_probabilities("audio_p", utterance.audio_probabilities),
        "words": words,
    }


def _probability_fields(prefix: str, labels: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    return [(f"{prefix}_{label}", pa.float64()) for label in labels]


def _probabilities(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{label}": value for label, value in values.items()}
