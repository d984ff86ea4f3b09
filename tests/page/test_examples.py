"""The examples of the page and the results of the shipped weights for them."""

import json
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import service
from can_ser_client.schemas import PredictOut
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings

FOLDER: Final = Path(service.__file__).parent / "static" / "examples"
EXAMPLES: Final = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
PLAIN: Final = {"loss.flac": "sad", "congratulations.flac": "happy"}


@cache
def result(file: str) -> PredictOut:
    """Result of an example with its text, as the page sends it."""
    [example] = [each for each in EXAMPLES if each["file"] == file]
    engine = EmotionEngine(Settings())
    try:
        data = (FOLDER / file).read_bytes()
        return to_response(engine.analyse(data, AnalysisRequest(transcript=example["transcript"])), engine)
    finally:
        engine.close()


def test_plainly_right_examples_come_first() -> None:
    assert [each["file"] for each in EXAMPLES][: len(PLAIN)] == list(PLAIN)
    assert all(("hard:" in each["note"]) == (each["file"] not in PLAIN) for each in EXAMPLES)
    assert {path.name for path in FOLDER.glob("*.flac")} == {each["file"] for each in EXAMPLES}


@pytest.mark.parametrize("file", PLAIN)
def test_plain_example_has_a_certain_result(file: str) -> None:
    response = result(file)
    assert (response.emotion, response.uncertain) == (PLAIN[file], False)
    assert response.doubtful_words == []


@pytest.mark.parametrize("file", [each["file"] for each in EXAMPLES if "hard:" in each["note"]])
def test_hard_example_is_uncertain(file: str) -> None:
    assert result(file).uncertain
