"""Responses that are written as a file: those of jobs, and those that a client sends back.

The text of a client is parsed by the standard library and bounded first: pydantic needs a kilobyte for each empty list
of a text, and for each mistake. Words and utterances are validated one by one, because pydantic would hold the
interpreter for seconds.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from can_ser_client.schemas import PredictOut, UtteranceOut, WordOut
from service.errors import InvalidAnswerError

_Model = TypeVar("_Model", bound=BaseModel)
MAX_ANSWER_BYTES: Final = 32_000_000
"""Four hours of dense speech with contributions to every emotion have 25 MB."""
_MAX_CONTAINERS: Final = 400_000
_MAX_VALUES: Final = 2_000_000
_MAX_KEYS: Final = 100
_MAX_PROBABILITIES: Final = 1_500_000
"""Words times emotions, which every row of a table repeats; four hours of dense speech have half a million."""
_ROUNDING_S: Final = 0.01
_LONGEST_S: Final = 356_400
"""99 hours, the longest time that SubRip can write."""


def read_answer(body: bytes) -> PredictOut:
    """A response from its JSON.

    Raises:
        InvalidAnswerError: It is not a response of POST /predict, or its times or emotions contradict each other.
    """
    response = _validate_response(_parse(body))
    _check_size(response)
    _check_times(response)
    _check_emotions(response)
    _check_texts(response)
    return response


def read_stored(data: bytes) -> PredictOut:
    """The response of a job from its JSON.

    Raises:
        InvalidAnswerError: It is not a response.
    """
    # With a hook, which returns each object as it is, the parser leaves the interpreter to other threads.
    return _validate_response(json.loads(data, object_hook=lambda value: value))


def _validate_response(document: Any) -> PredictOut:
    return _validate(PredictOut, _with_validated(document, "utterances", _validate_utterance))


def _validate_utterance(document: Any, *place: str | int) -> UtteranceOut:
    return _validate(UtteranceOut, _with_validated(document, "words", partial(_validate, WordOut), *place), *place)


def _with_validated(document: Any, name: str, validate: Callable[..., Any], *place: str | int) -> Any:
    """The document with validated elements of one of its lists."""
    values = document.get(name) if isinstance(document, dict) else None
    if not isinstance(values, list):
        return document
    return document | {name: [validate(value, *place, name, index) for index, value in enumerate(values)]}


def _validate(model: type[_Model], document: Any, *place: str | int) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        text = ".".join(map(str, (*place, *first["loc"]))) or "body"
        raise InvalidAnswerError(f"{text[:100]}: {first['msg']}") from exc


def _parse(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > _MAX_CONTAINERS or body.count(b",") > _MAX_VALUES:
        raise InvalidAnswerError("it has more values than the longest response")
    try:
        return json.loads(body, object_hook=_bound_object)
    except (ValueError, RecursionError) as exc:
        raise InvalidAnswerError(f"it is not JSON ({exc})") from exc


def _bound_object(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > _MAX_KEYS:
        raise InvalidAnswerError(f"an object has {len(value):,} names, more than any of a response")
    return value


def _check_size(response: PredictOut) -> None:
    words = sum(max(1, len(utterance.words)) for utterance in response.utterances)
    if words * len(response.probabilities) > _MAX_PROBABILITIES:
        raise InvalidAnswerError(
            f"it has {words:,} words and {len(response.probabilities)} emotions, more than a table"
        )


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


def _check_texts(response: PredictOut) -> None:
    """Refuse single surrogates, which JSON can express and no file can hold."""
    for place, text in _texts(response):
        try:
            (text or "").encode()
        except UnicodeEncodeError as exc:
            raise InvalidAnswerError(f"{place} holds invalid characters ({exc.reason})") from exc


def _texts(response: PredictOut) -> Iterator[tuple[str, str | None]]:
    for label in response.probabilities:
        yield "probabilities", label
    for number, warning in enumerate(response.warnings):
        yield f"warnings.{number}", warning
    for place, each in _spans(response):
        yield place, each.speaker
        if isinstance(each, UtteranceOut):
            yield place, " ".join([each.text, *each.uncertain_reasons])
        else:
            yield place, each.word
