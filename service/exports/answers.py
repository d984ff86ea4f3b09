"""Responses that a client sends back, to have them written as a file."""

from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from can_ser_client.schemas import PredictOut, UtteranceOut, WordOut
from service.errors import InvalidAnswerError

_ROUNDING_S: Final = 0.01
_LONGEST_S: Final = 356_400
"""99 hours, the longest time that SubRip can write."""


def read_answer(body: bytes) -> PredictOut:
    """A response from its JSON.

    Raises:
        InvalidAnswerError: It is not a response of POST /predict, or its times or emotions contradict each other.
    """
    try:
        response = PredictOut.model_validate_json(body)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidAnswerError(f"{place[:100]}: {first['msg']}") from exc
    _check_times(response)
    _check_emotions(response)
    return response


def _check_times(response: PredictOut) -> None:
    duration_s = response.audio.duration_s
    if not 0 <= duration_s <= _LONGEST_S:
        raise InvalidAnswerError(f"audio.duration_s is {duration_s}, not from 0 to {_LONGEST_S:,} s")
    for place, each in _spans(response):
        if not 0 <= each.start_s <= each.end_s <= duration_s + _ROUNDING_S:
            raise InvalidAnswerError(
                f"{place} lasts from {each.start_s} to {each.end_s} s, the audio from 0 to {duration_s} s"
            )


def _spans(response: PredictOut) -> Iterator[tuple[str, UtteranceOut | WordOut]]:
    for number, utterance in enumerate(response.utterances):
        yield f"utterances.{number}", utterance
        for index, word in enumerate(utterance.words):
            yield f"utterances.{number}.words.{index}", word


def _check_emotions(response: PredictOut) -> None:
    emotions = response.probabilities.keys()
    for number, utterance in enumerate(response.utterances):
        place = f"utterances.{number}"
        for field in ("probabilities", "text_probabilities", "audio_probabilities"):
            given = getattr(utterance, field).keys()
            if given != emotions and (given or field == "probabilities"):
                raise InvalidAnswerError(f"{place}.{field} has other emotions than `probabilities`")
        if utterance.emotion not in emotions:
            raise InvalidAnswerError(f"{place}.emotion is not one of `probabilities`")
        _check_contributions(place, utterance)


def _check_contributions(place: str, utterance: UtteranceOut) -> None:
    for index, word in enumerate(utterance.words):
        try:
            word.contribution_to(utterance.emotion)
        except KeyError as exc:
            raise InvalidAnswerError(f"{place}.words.{index}.contribution lacks {utterance.emotion!r}") from exc
