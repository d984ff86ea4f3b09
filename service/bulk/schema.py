"""The table of an archive: one row per recording, its utterances and their words inside it.

A recording that could not be answered has a row too: its `problem` is a code of docs/troubleshooting.md or one of those
below, and everything but `file` and `message` is null.
"""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from service.results.schemas import PredictOut, UtteranceOut
from service.results.tables import contribution_of

UNREADABLE: Final = "unreadable"
"""The file, or the storage that it lies on, cannot be read."""
WORKER_LOST: Final = "worker-lost"
"""The process that worked on it died, twice."""
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
    """The table's columns.

    Args:
        labels: the bundle's emotions; each is a column `p_LABEL`, of recordings and of utterances, and among the
            latter also `text_p_LABEL` and `audio_p_LABEL`.
    """
    whole = _probability_fields("p", labels)
    single = [*_probability_fields("text_p", labels), *_probability_fields("audio_p", labels)]
    utterance = pa.struct([*_SPAN, *whole, *single, ("words", pa.list_(pa.struct(_WORD)))])
    return pa.schema([*_RECORDING, *whole, ("utterances", pa.list_(utterance))])


def answer_row(name: str, answer: PredictOut) -> dict[str, Any]:
    """The row of a recording that was answered.

    Args:
        name: path or address.
        answer: with words (`explain` is "true").
    """
    return {
        "file": name,
        "emotion": answer.emotion,
        "text": " ".join(utterance.text for utterance in answer.utterances if utterance.text),
        **answer.audio.model_dump(),
        "warnings": answer.warnings,
        "aligner": answer.aligner.name,
        "aligner_model": answer.aligner.model,
        "language": answer.aligner.language,
        "model": answer.model.name,
        "model_version": answer.model.version,
        **_probabilities("p", answer.probabilities),
        "utterances": [_utterance(each) for each in answer.utterances],
    }


def problem_row(name: str, code: str, message: str) -> dict[str, Any]:
    """The row of a recording that could not be answered."""
    return {"file": name, "problem": code, "message": message}


def _utterance(utterance: UtteranceOut) -> dict[str, Any]:
    words = []
    for word in utterance.words:
        text, audio = contribution_of(word, utterance.emotion)
        facts = word.model_dump(exclude={"contribution"})
        words.append(facts | {"text_contribution": text, "audio_contribution": audio})
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
