"""Engines with the front ends: exact features, shared states, the named error and the fallback."""

from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.audio import decode_audio
from alignment.errors import EncoderUnavailableError
from alignment.features.encoded import FrontEnd
from service.inference.engine import EmotionEngine
from service.inference.loading import FALLBACK_BUNDLE
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings, load_settings
from tests.builders import encode, speech, timed, write_tiny_bundle

WORDS = timed(("the", 0.4, 0.7), ("children", 0.7, 1.3), ("are", 1.3, 1.6))


@pytest.fixture(scope="module", params=["encoder", "both"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, moonshine: MoonshineAligner
) -> EmotionEngine:
    folder = write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", front_end=request.param)
    return EmotionEngine(Settings(bundle=str(folder)), aligner=moonshine)


def probabilities(engine: EmotionEngine, data: bytes, request: AnalysisRequest) -> np.ndarray:
    return engine.analyse(data, request).probabilities


def test_level_and_offset_do_not_change_the_answer(engine: EmotionEngine) -> None:
    samples, request = decode_audio(speech("numbers")).samples, AnalysisRequest(words=WORDS)
    plain = probabilities(engine, encode(samples, subtype="FLOAT"), request)
    for changed in (0.1 * samples, 0.5 * samples + 0.1):
        other = probabilities(engine, encode(changed, subtype="FLOAT"), request)
        np.testing.assert_allclose(other, plain, atol=2e-3)


def test_recognised_and_given_words_have_nearly_the_same_answer(engine: EmotionEngine) -> None:
    """Recognition encodes the stretch with more context around it than the utterance of given words has."""
    recognised = engine.analyse(speech("numbers"))
    words = tuple(word for each in recognised.utterances for word in each.utterance.words)
    given = probabilities(engine, speech("numbers"), AnalysisRequest(words=words))
    np.testing.assert_allclose(given, recognised.probabilities, atol=0.05)


def test_another_encoder_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny", front_end="both")
    monkeypatch.setattr("alignment.aligners.moonshine.encoder.ENCODER_SHA256", "0" * 64)
    with pytest.raises(EncoderUnavailableError, match="SHA-256"):
        EmotionEngine(Settings(bundle=str(folder)))


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAN_BUNDLE", raising=False)
    monkeypatch.setattr("alignment.aligners.moonshine.model_files.find_spec", lambda name: None)


@pytest.mark.usefixtures("no_encoder")
def test_default_without_its_encoder_is_replaced_and_said() -> None:
    engine = EmotionEngine(load_settings({"aligner": "pocketsphinx"}))
    try:
        assert engine.bundle.config.name == FALLBACK_BUNDLE
        assert "moonshine-voice is not installed" in engine.bundle_reason
        response = to_response(engine.analyse(speech("numbers"), AnalysisRequest(words=WORDS)), engine)
    finally:
        engine.close()
    assert engine.bundle_reason in response.warnings
    assert (response.model.name, response.model.reason) == (FALLBACK_BUNDLE, engine.bundle_reason)


@pytest.mark.usefixtures("no_encoder")
def test_chosen_bundle_without_its_encoder_is_refused() -> None:
    with pytest.raises(EncoderUnavailableError, match="starter-mfcc"):
        EmotionEngine(load_settings({"bundle": "starter", "aligner": "pocketsphinx"}))


@pytest.mark.parametrize("front_end", ["mfcc", "encoder", "both"])
def test_response_says_what_the_network_reads(front_end: FrontEnd, tmp_path: Path, moonshine: MoonshineAligner) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny", front_end=front_end)
    engine = EmotionEngine(Settings(bundle=str(folder)), aligner=moonshine)
    response = to_response(engine.analyse(speech("numbers"), AnalysisRequest(words=WORDS)), engine)
    assert response.model.front_end == front_end
    assert response.model.reason == ""
