"""The complete path on natural speech, with the embedded aligner and the shipped weights."""

from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.transcripts.normalisation import spoken_words
from can_ser_client.schemas import FullAttribution, PredictOut, UtteranceOut, WordOut
from model.corpora.ravdess import read_ravdess
from model.scores import EMOTION_NAMES
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch
from service.results.serialisation import to_response
from service.settings import Settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


@pytest.fixture(scope="module")
def engine(moonshine: MoonshineAligner) -> EmotionEngine:
    return EmotionEngine(Settings(aligner="moonshine"), aligner=moonshine)


def predict(engine: EmotionEngine, path: Path, request: AnalysisRequest | None = None) -> PredictOut:
    return to_response(engine.analyse(path.read_bytes(), request), engine, "full")


def contribution_of(word: WordOut, emotion: str) -> float:
    assert isinstance(word.contribution, FullAttribution)
    return word.contribution.text[emotion] + word.contribution.audio[emotion]


def assert_consistent(response: PredictOut) -> None:
    """Check word times, sums of probabilities and attention, and that contributions add up to the log-score."""
    words = [word for utterance in response.utterances for word in utterance.words]
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= response.audio.duration_s
    for utterance in response.utterances:
        assert sum(utterance.probabilities.values()) == pytest.approx(1.0)
        assert sum(word.text_attention for word in utterance.words) == pytest.approx(1.0)
        assert sum(word.audio_attention for word in utterance.words) == pytest.approx(1.0)
        logs = {emotion: np.log(value) for emotion, value in utterance.probabilities.items()}
        assert isinstance(utterance.bias, dict)
        for emotion, value in logs.items():
            contributions = [contribution_of(word, emotion) for word in utterance.words]
            assert utterance.bias[emotion] + sum(contributions) == pytest.approx(
                value - np.mean(list(logs.values())), abs=1e-5
            )


VOICES_UNLIKE_THE_TRAINING_DATA = (
    *sorted((ROOT / "service" / "static" / "examples").glob("*.flac")),
    *sorted((ROOT / "tests" / "fixtures" / "speech").glob("*.flac")),
)
WRITTEN = {"loss": "sad", "congratulations": "happy"}
"""Emotions of the examples whose words state one."""


@pytest.mark.parametrize("path", VOICES_UNLIKE_THE_TRAINING_DATA, ids=lambda path: path.stem)
def test_voice_unlike_the_training_data_has_no_confident_emotion(engine: EmotionEngine, path: Path) -> None:
    """A public speech of 1961 and synthetic voices, read calmly."""
    response = predict(engine, path)
    estimates: list[PredictOut | UtteranceOut] = [response, *response.utterances]
    for estimate in estimates:
        assert estimate.emotion in {"neutral", WRITTEN.get(path.stem)} or estimate.confidence <= 0.6
        assert estimate.confidence >= 0.5 or "the sound is unlike the training data of the weights" in (
            estimate.uncertain_reasons
        )


def test_speech_of_eleven_seconds(engine: EmotionEngine, real_speech: Path) -> None:
    response = predict(engine, real_speech / "jfk.flac")
    assert_consistent(response)
    recognised = [word for utterance in response.utterances for word in spoken_words(utterance.text)]
    assert recognised == JFK.split()


def test_training_clips_are_classified(engine: EmotionEngine, ravdess: Path) -> None:
    """Their accuracy shows that serving computes the features of training."""
    takes = read_ravdess(ravdess)[::40]
    correct = []
    for take in takes:
        response = predict(engine, take.path, AnalysisRequest(transcript=take.sentence))
        assert_consistent(response)
        assert [
            word for utterance in response.utterances for word in spoken_words(utterance.text)
        ] == take.sentence.split()
        correct.append(response.emotion == EMOTION_NAMES[take.label])
    assert np.mean(correct) > 0.6


def test_batched_scores_equal_single_scores(engine: EmotionEngine, real_speech: Path) -> None:
    request, stopwatch = AnalysisRequest(), Stopwatch()
    waveform = engine.decode((real_speech / "jfk.flac").read_bytes(), request, stopwatch)
    prepared = engine.start(waveform, request, stopwatch).prepare()
    assert prepared is not None
    batched = [scores.probabilities for scores in engine.classify(prepared.features)]
    single = [engine.classify([each])[0].probabilities for each in prepared.features]
    np.testing.assert_allclose(batched, single, atol=1e-5)
