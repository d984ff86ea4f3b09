from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.features.extraction import UtteranceFeatures
from model.bundle import Bundle, read_bundle
from model.calibration import Calibration
from model.occlusion import HiddenSound, add_effects, occlude, occlude_in_chunks
from model.runtime import EmotionClassifier
from model.scores import WordEffects
from tests.builders import tiny_sound, write_tiny_bundle

# Batched and single LSTM kernels differ by about 3e-8.
TOLERANCE = 1e-6


def utterance(words: int, seed: int = 0) -> UtteranceFeatures:
    generator = np.random.default_rng(seed)
    counts = generator.integers(2, 20, words)
    frames = (20 * generator.standard_normal((int(counts.sum()), 40))).astype(np.float32)
    known = ("the", "children", "garden")
    return UtteranceFeatures(tuple(known[i % 3] for i in range(words)), frames, counts)


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Bundle) -> EmotionClassifier:
    return EmotionClassifier(tiny_bundle, "cpu")


def without_text(features: UtteranceFeatures, index: int) -> UtteranceFeatures:
    words = list(features.words)
    words[index] = ""
    return replace(features, words=tuple(words))


def without_sound(features: UtteranceFeatures, index: int, mean: tuple[float, ...]) -> UtteranceFeatures:
    frames = features.frames.copy()
    first = int(features.frame_counts[:index].sum())
    for frame in range(first, first + int(features.frame_counts[index])):
        frames[frame] = mean
    return replace(features, frames=frames)


def hidden(mean: float = 0.0, deviation: float = 0.0) -> HiddenSound:
    return HiddenSound(np.full(40, mean, np.float32), np.full(40, deviation, np.float32))


def test_effects_equal_those_of_features_modified_by_hand(classifier: EmotionClassifier) -> None:
    utterances = [utterance(5, 1), utterance(1, 2), utterance(8, 3)]
    normalisation = classifier.bundle.config.normalisation
    removed = HiddenSound.of(classifier.bundle)
    variants = [
        scores
        for chunk in occlude_in_chunks(utterances, removed, max_words=20)
        for scores in classifier.classify(chunk)
    ]
    for features, scores in zip(utterances, add_effects(classifier.classify(utterances), variants), strict=True):
        assert scores.effects is not None
        predicted = int(scores.probabilities.argmax())
        for index in range(len(features.words)):
            for effect, variant in (
                (scores.effects.text[index], without_text(features, index)),
                (scores.effects.audio[index], without_sound(features, index, normalisation.mean)),
            ):
                [alone] = classifier.classify([variant])
                expected = scores.probabilities[predicted] - alone.probabilities[predicted]
                assert effect == pytest.approx(expected, abs=TOLERANCE)
        assert np.abs(scores.effects.text).max() > 10 * TOLERANCE
        assert np.abs(scores.effects.audio).max() > 10 * TOLERANCE


def test_effects_do_not_depend_on_the_distance_of_variants(tmp_path: Path) -> None:
    """Variants are nearer to the training data, or further away; effects are those at a constant temperature."""
    features = utterance(4, 5)

    def measure(name: str, calibration: Calibration) -> tuple[WordEffects, float]:
        folder = write_tiny_bundle(tmp_path / name, calibration=calibration, sound=tiny_sound(40))
        classifier = EmotionClassifier(read_bundle(folder))
        variants = [each for chunk in occlude_in_chunks([features], hidden()) for each in classifier.classify(chunk)]
        [scores] = add_effects(classifier.classify([features]), variants)
        assert scores.effects is not None
        assert len({variant.temperature for variant in variants}) == (5 if calibration.growth else 1)
        return scores.effects, scores.temperature

    effects, temperature = measure("growing", Calibration(1.0, 0.9, distance=0.01))
    expected, _ = measure("constant", Calibration(temperature))
    np.testing.assert_allclose(effects.text, expected.text, atol=TOLERANCE)
    np.testing.assert_allclose(effects.audio, expected.audio, atol=TOLERANCE)


def test_variants_change_one_word_or_one_segment() -> None:
    features = utterance(3)
    variants = list(occlude(features, hidden(7.0)))
    assert [variant.words for variant in variants[:3]] == [
        ("", "children", "garden"),
        ("the", "", "garden"),
        ("the", "children", ""),
    ]
    assert all(variant.frames is features.frames for variant in variants[:3])
    segments = np.repeat(np.arange(3), features.frame_counts)
    for index, variant in enumerate(variants[3:]):
        assert variant.words == features.words
        assert (variant.frames[segments == index] == 7.0).all()
        assert (variant.frames[segments != index] == features.frames[segments != index]).all()
    assert (features.frames != 7.0).all()


def test_removed_sound_is_zero_after_normalisation(tiny_bundle: Bundle) -> None:
    """Where a BLSTM reads the frames."""
    normalisation = replace(tiny_bundle.config.normalisation, mean=(0.1,) * 40)
    bundle = replace(tiny_bundle, config=replace(tiny_bundle.config, normalisation=normalisation), sound=tiny_sound(40))
    variant = list(occlude(utterance(1), HiddenSound.of(bundle)))[1]
    assert (normalisation.apply(variant.frames) == 0).all()


def test_statistics_of_removed_sound_are_those_of_an_average_segment(tiny_bundle: Bundle) -> None:
    network = replace(tiny_bundle.config.network, segment_pooling="statistics")
    config = replace(tiny_bundle.config, network=network)
    removed = HiddenSound.of(replace(tiny_bundle, config=config, sound=tiny_sound(40)))
    for count in (2, 3, 17, 40):
        assert removed.frames(count).mean(axis=0) == pytest.approx(0.0, abs=1e-5)
        assert removed.frames(count).std(axis=0) == pytest.approx(4.0, rel=1e-5)
    assert (removed.frames(1) == 0).all()
    assert (HiddenSound.of(replace(tiny_bundle, config=config)).frames(2) == 0).all()


def test_chunks_are_bounded() -> None:
    """An utterance of n words has 2 · n variants of n words."""
    utterances = [utterance(5), utterance(30), utterance(5)]
    chunks = list(occlude_in_chunks(utterances, hidden(), max_words=20))
    assert sum(len(chunk) for chunk in chunks) == 80
    assert {len(chunk) for chunk in chunks if len(chunk[0].words) == 5} <= {1, 2, 3, 4}
    assert all(len(chunk) == 1 for chunk in chunks if len(chunk[0].words) == 30)
    assert list(occlude_in_chunks([], hidden())) == []
