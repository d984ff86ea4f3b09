"""Features of a recording: level, and encoder states of recognition or of the encoder."""

from dataclasses import replace

import numpy as np
import pytest

from alignment.aligners.moonshine.encoder import ENCODER_SHA256, find_encoder
from alignment.aligners.moonshine.recogniser import MoonshineRecogniser
from alignment.audio import Waveform, decode_audio
from alignment.errors import EncoderUnavailableError
from alignment.features.encoded import SpeechEncoder
from alignment.features.extraction import FeatureSpec
from alignment.pipeline import bind_encoder, bring_to_level, choose_encoder, compute_features, find_words
from alignment.transcripts.words import AlignerInfo, EncodedSpeech, Transcript, Utterance
from tests.builders import speech, timed

INFO = AlignerInfo("given", "none", "")
BOTH = FeatureSpec(front_end="both", level_db=-26.0, encoder_sha256=ENCODER_SHA256)
UTTERANCE = Utterance(0.5, 2.0, timed(("a", 0.7, 1.1), ("b", 1.2, 1.8)))


@pytest.fixture(scope="module")
def waveform() -> Waveform:
    return decode_audio(speech("numbers"))


class CountingEncoder:
    """Encoder that counts its calls."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.calls = 0
        self._encoder = encoder

    def encode(self, samples: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self._encoder.encode(samples)


def test_level_and_offset_do_not_change_the_features(waveform: Waveform) -> None:
    encoder = find_encoder()
    transcript = Transcript((UTTERANCE,), INFO)
    quiet = replace(waveform, samples=waveform.samples * np.float32(0.1) + np.float32(0.05))
    [loud], [soft] = (
        compute_features(bring_to_level(each, BOTH), transcript, BOTH, encoder) for each in (waveform, quiet)
    )
    np.testing.assert_allclose(loud.frames, soft.frames, atol=0.02)


def test_sound_is_not_levelled_unless_the_specification_says_so(waveform: Waveform) -> None:
    assert bring_to_level(waveform, FeatureSpec()) is waveform


def test_states_of_recognition_are_used_again(waveform: Waveform) -> None:
    levelled, encoder = bring_to_level(waveform, BOTH), CountingEncoder(find_encoder())
    states = encoder.encode(levelled.samples)
    compute_features(levelled, Transcript((UTTERANCE,), INFO, encoded=(EncodedSpeech(0.0, states),)), BOTH, encoder)
    assert encoder.calls == 1


def test_stretch_that_ends_within_the_utterance_is_not_used(waveform: Waveform) -> None:
    encoder = CountingEncoder(find_encoder())
    states = encoder.encode(waveform.cut(0.0, 1.5))
    compute_features(waveform, Transcript((UTTERANCE,), INFO, encoded=(EncodedSpeech(0.0, states),)), BOTH, encoder)
    assert encoder.calls == 2


def test_recognition_leaves_states_that_cover_its_utterances(waveform: Waveform) -> None:
    from alignment.aligners.moonshine.aligner import MoonshineAligner

    aligner = MoonshineAligner(1)
    try:
        transcript = find_words(bring_to_level(waveform, BOTH), aligner)
    finally:
        aligner.close()
    encoder = CountingEncoder(find_encoder())
    compute_features(waveform, transcript, BOTH, encoder)
    assert encoder.calls == 0


def test_only_the_front_end_with_states_needs_an_encoder() -> None:
    assert choose_encoder(FeatureSpec()) is None
    assert bind_encoder(FeatureSpec()) == FeatureSpec()
    assert bind_encoder(FeatureSpec(front_end="encoder")).encoder_sha256 == ENCODER_SHA256


def test_another_encoder_is_refused() -> None:
    with pytest.raises(EncoderUnavailableError, match="starter-mfcc") as refused:
        choose_encoder(replace(BOTH, encoder_sha256="0" * 64))
    assert refused.value.sha256 == "0" * 64


def test_missing_encoder_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignment.aligners.moonshine.model_files.find_spec", lambda name: None)
    with pytest.raises(EncoderUnavailableError, match="not installed"):
        choose_encoder(BOTH)


def test_recogniser_and_features_share_one_encoder() -> None:
    from alignment.aligners.moonshine.encoder import _load
    from alignment.aligners.moonshine.model_files import find_model_files

    files = find_model_files()
    MoonshineRecogniser(files)
    hits = _load.cache_info().hits
    find_encoder().encode(np.zeros(16_000, np.float32))
    assert _load.cache_info().hits == hits + 1
