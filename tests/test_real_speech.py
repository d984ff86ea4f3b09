"""The whole path on recordings of people, with the embedded aligner and the shipped weights."""

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.transcripts.normalisation import spoken_words
from model.corpora.ravdess import read_ravdess
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch
from service.results.schemas import FullAttribution, PredictOut, WordOut
from service.results.serialisation import to_response
from service.settings import Settings

JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


@pytest.fixture(scope="module")
def engine(pocketsphinx: PocketSphinxAligner) -> EmotionEngine:
    return EmotionEngine(Settings(aligner="pocketsphinx"), aligner=pocketsphinx)


def answer(engine: EmotionEngine, path: Path, request: AnalysisRequest | None = None) -> PredictOut:
    return to_response(engine.analyse(path.read_bytes(), request), engine, "full")


def share_of(word: WordOut, emotion: str) -> float:
    assert isinstance(word.contribution, FullAttribution)
    return word.contribution.text[emotion] + word.contribution.audio[emotion]


def assert_consistent(given: PredictOut) -> None:
    """Words in order and inside; what should sum to 1 does; contributions add up to the log-score."""
    words = [word for utterance in given.utterances for word in utterance.words]
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= given.audio.duration_s
    for utterance in given.utterances:
        assert sum(utterance.probabilities.values()) == pytest.approx(1.0)
        assert sum(word.text_attention for word in utterance.words) == pytest.approx(1.0)
        assert sum(word.audio_attention for word in utterance.words) == pytest.approx(1.0)
        logs = {emotion: np.log(value) for emotion, value in utterance.probabilities.items()}
        assert isinstance(utterance.bias, dict)
        for emotion, value in logs.items():
            shares = [share_of(word, emotion) for word in utterance.words]
            assert utterance.bias[emotion] + sum(shares) == pytest.approx(
                value - np.mean(list(logs.values())), abs=1e-5
            )


def test_a_speech_of_eleven_seconds(engine: EmotionEngine, real_speech: Path) -> None:
    given = answer(engine, real_speech / "jfk.flac")
    assert_consistent(given)
    said = [word for utterance in given.utterances for word in spoken_words(utterance.text)]
    matcher = SequenceMatcher(a=JFK.split(), b=said, autojunk=False)
    assert sum(block.size for block in matcher.get_matching_blocks()) >= 12


def test_clips_of_twenty_actors(engine: EmotionEngine, ravdess: Path) -> None:
    """Training clips: that they are answered rightly shows that the served path is the trained one."""
    takes = read_ravdess(ravdess)[::40]
    right = []
    for take in takes:
        given = answer(engine, take.path, AnalysisRequest(transcript=take.sentence))
        assert_consistent(given)
        assert [
            word for utterance in given.utterances for word in spoken_words(utterance.text)
        ] == take.sentence.split()
        names = {"ang": "angry", "hap": "happy", "sad": "sad", "sur": "surprised", "neu": "neutral"}
        right.append(given.emotion == names[take.label])
    assert np.mean(right) > 0.6


def test_utterances_together_and_one_by_one(engine: EmotionEngine, real_speech: Path) -> None:
    request, stopwatch = AnalysisRequest(), Stopwatch()
    waveform = engine.decode((real_speech / "jfk.flac").read_bytes(), request, stopwatch)
    prepared = engine.start(waveform, request, stopwatch).prepare()
    assert prepared is not None
    together = [scores.probabilities for scores in engine.classify(prepared.features)]
    alone = [engine.classify([each])[0].probabilities for each in prepared.features]
    np.testing.assert_allclose(together, alone, atol=1e-5)
