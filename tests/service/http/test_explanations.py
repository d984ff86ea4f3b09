import json
import unicodedata
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.uncertainty import UNKNOWN_TEXT
from service.settings import Settings
from tests.builders import encode, noise
from tests.comparing import assert_same_result
from tests.fakes import FakeAligner
from tests.service.serving import read_events, run_app

WAV = encode(noise(3.0))
WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 0.9, "end": 1.4}]


def post(client: TestClient, **fields: str) -> Any:
    return client.post("/predict", files={"file": WAV}, data=fields)


FOREIGN = {
    "arabic": "اشترت الكتاب القديم",
    "japanese": "彼女は 古い本を 買った",
    "polish": "kupiła starą książkę",
    "polish-decomposed": unicodedata.normalize("NFD", "kupiła starą książkę"),
    "russian": "купила старую книгу",
}
"""Three words each."""


@pytest.mark.parametrize("explain", ["true", "false"])
@pytest.mark.parametrize("script", FOREIGN)
def test_text_in_another_script_has_warning(client: TestClient, script: str, explain: str) -> None:
    unknown, known = (
        post(client, transcript=text, explain=explain).json() for text in (FOREIGN[script], f"the {FOREIGN[script]}")
    )
    assert UNKNOWN_TEXT in unknown["warnings"]
    assert UNKNOWN_TEXT not in known["warnings"]


@pytest.mark.parametrize("script", FOREIGN)
def test_only_the_number_of_unknown_words_contributes(client: TestClient, script: str) -> None:
    def score(words: list[str]) -> Any:
        timed = [{"word": word, "start": 0.5 * i, "end": 0.5 * i + 0.4} for i, word in enumerate(words)]
        return post(client, words=json.dumps(timed)).json()

    foreign, other, fewer = score(FOREIGN[script].split()), score(["zxq", "qzx", "xqz"]), score(["zxq", "qzx"])
    assert UNKNOWN_TEXT in foreign["warnings"]
    for key in ("probabilities", "text_probabilities"):
        [first], [second] = foreign["utterances"], other["utterances"]
        assert first[key] == pytest.approx(second[key], abs=1e-6)
    contributions = [word["contribution"]["text"] for word in foreign["utterances"][0]["words"]]
    assert any(abs(each) > 1e-6 for each in contributions)
    assert fewer["utterances"][0]["text_probabilities"] != pytest.approx(
        foreign["utterances"][0]["text_probabilities"], abs=1e-6
    )


def test_uncertain_emotions_have_reasons(settings: Settings) -> None:
    """A threshold of 1 makes every emotion uncertain, one of 0 none."""
    words = json.dumps([{"word": "the", "start": 0.5, "end": 0.9}, {"word": "зонт", "start": 2.0, "end": 2.9}])
    for threshold in (1.0, 0.0):
        with run_app(settings.model_copy(update={"uncertain_below": threshold}), FakeAligner()) as client:
            result = post(client, words=words).json()
        for each in (result, *result["utterances"]):
            assert each["confidence"] == each["probabilities"][each["emotion"]]
            assert each["uncertain"] is (threshold == 1.0)
            assert bool(each["uncertain_reasons"]) is each["uncertain"]
    with run_app(settings.model_copy(update={"uncertain_below": 1.0}), FakeAligner()) as client:
        first, second = post(client, words=words).json()["utterances"]
    assert "the speech is short (0.8 s)" in first["uncertain_reasons"]
    assert "the speech is short (1 word)" in second["uncertain_reasons"]
    assert "most words are unknown to the weights" in second["uncertain_reasons"]


def test_occlusion_adds_effects_of_words(client: TestClient, settings: Settings) -> None:
    """The effects are those of the engine, through requests, events and jobs; nothing else changes."""
    words = json.dumps(WORDS)
    engine = EmotionEngine(settings, aligner=FakeAligner())
    kinds: list[dict[str, Any]] = [{"words": words}, {}]
    for fields in kinds:
        [scored] = engine.analyse(WAV, AnalysisRequest(**fields, explain="occlusion")).utterances
        assert scored.scores.effects is not None
        result = post(client, **fields, explain="occlusion").json()
        effects = [word.pop("effect") for word in result["utterances"][0]["words"]]
        assert [effect["text"] for effect in effects] == pytest.approx(list(scored.scores.effects.text), abs=1e-5)
        assert [effect["audio"] for effect in effects] == pytest.approx(list(scored.scores.effects.audio), abs=1e-5)
        assert_same_result(result, post(client, **fields).json())
        response = client.post(
            "/predict",
            files={"file": WAV},
            data={**fields, "explain": "occlusion"},
            headers={"accept": "text/event-stream"},
        )
        events = dict(read_events(response.text))
        for each in (events["utterance"], events["result"]["utterances"][0]):
            sent = [word["effect"]["audio"] for word in each["words"]]
            assert sent == pytest.approx(list(scored.scores.effects.audio), abs=1e-5)
