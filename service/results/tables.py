"""An answer as a table: one row per word, for spreadsheets and pandas."""

import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TextIO

from service.errors import MissingPackageError
from service.results.schemas import Attribution, PredictOut, WordOut

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS: Final = (
    "file",
    "utterance",
    "utterance_start_s",
    "utterance_end_s",
    "speaker",
    "emotion",
    "word",
    "start_s",
    "end_s",
    "timing",
    "score",
    "known",
    "text_attention",
    "audio_attention",
    "text_contribution",
    "audio_contribution",
)
"""Then one column `p_LABEL` per emotion: the utterance's probabilities. The page's CSV has the same."""


def word_rows(name: str, answer: PredictOut) -> Iterator[dict[str, Any]]:
    """A dictionary per word, by column.

    Args:
        name: of the recording.
        answer: with words (`explain` is not "false"); contributions are those to the utterance's own emotion.
    """
    for number, utterance in enumerate(answer.utterances, start=1):
        shares = {f"p_{label}": utterance.probabilities[label] for label in answer.probabilities}
        for word in utterance.words:
            text, audio = contribution_of(word, utterance.emotion)
            facts = (
                *(name, number, utterance.start_s, utterance.end_s, utterance.speaker, utterance.emotion),
                *(word.word, word.start_s, word.end_s, word.timing, word.score, word.known),
                *(word.text_attention, word.audio_attention, text, audio),
            )
            yield dict(zip(COLUMNS, facts, strict=True)) | shares


def contribution_of(word: WordOut, emotion: str) -> tuple[float, float]:
    """What a word's text and sound gave to an emotion; without full contributions, to the predicted one."""
    share = word.contribution
    if isinstance(share, Attribution):
        return share.text, share.audio
    return share.text[emotion], share.audio[emotion]


def write_csv(stream: TextIO, name: str, answer: PredictOut, *, heading: bool) -> None:
    """Writes an answer's rows, after a heading where one is wanted."""
    fields = [*COLUMNS, *(f"p_{label}" for label in answer.probabilities)]
    writer = csv.DictWriter(stream, fields)
    if heading:
        writer.writeheader()
    for row in word_rows(name, answer):
        writer.writerow(row | {"known": str(row["known"]).lower()})


def to_dataframe(name: str, answer: PredictOut) -> "DataFrame":
    """The rows as a pandas table.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as exc:
        raise MissingPackageError("pandas", "plots") from exc
    return DataFrame(list(word_rows(name, answer)))
