"""Normalisation, flat tensors, and the serving path compared with the training path."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alignment.features.extraction import UtteranceFeatures
from model.bundle import Normalisation, read_bundle
from model.config import TrainingConfig
from model.data.embeddings import Embeddings
from model.data.features import FeatureSet, join_features
from model.data.prepared import choose_normalisation, fit_normalisation, summarise_frames, to_ragged
from model.network.compression import round_embeddings
from model.runtime import EmotionClassifier
from model.scores import log_softmax
from model.training.loop import predict
from model.vocabulary import Vocabulary
from tests.builders import TINY, tiny_network, write_tiny_bundle


def features(count: int) -> list[UtteranceFeatures]:
    generator = np.random.default_rng(0)
    utterances = []
    for index in range(count):
        counts = generator.integers(1, 30, 1 + index % 4)
        frames = (20 * generator.standard_normal((int(counts.sum()), 40)) - 50).astype(np.float32)
        utterances.append(UtteranceFeatures(("the", "garden", "unlisted", "")[: len(counts)], frames, counts))
    return utterances


def test_frames_are_unchanged_without_normalisation() -> None:
    joined = join_features(features(2))
    identity = choose_normalisation(joined, np.array([0]), TrainingConfig(normalise=False))
    np.testing.assert_array_equal(identity.apply(joined.frames), joined.frames)
    fitted = choose_normalisation(joined, np.array([0]), TrainingConfig())
    assert fitted == fit_normalisation(joined, np.array([0]))


def test_normalisation_is_fitted_on_training_part_only() -> None:
    parts = features(4)
    normalisation = fit_normalisation(join_features(parts), np.array([0, 2]))
    frames = np.concatenate([parts[0].frames, parts[2].frames])
    np.testing.assert_allclose(normalisation.mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(normalisation.std, frames.std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(normalisation.apply(frames).std(axis=0), 1.0, rtol=1e-4)


@pytest.mark.parametrize("segments", ["one per word", "one"])
def test_words_and_frames_stay_with_their_utterance(segments: str) -> None:
    parts = features(5)
    if segments == "one":
        parts = [UtteranceFeatures(p.words, p.frames, np.array([len(p.frames)])) for p in parts]
    vocabulary = Vocabulary(["garden", "the"])
    embeddings = Embeddings(vocabulary, np.zeros((4, 2), np.float32), "none", ())
    data = to_ragged(join_features(parts), embeddings, np.arange(5), Normalisation((0.0,) * 40, (1.0,) * 40))
    for index, part in enumerate(parts):
        batch = data.batch(torch.tensor([index]))
        assert batch.words[0].tolist() == vocabulary.indices(part.words)
        np.testing.assert_array_equal(np.sort(batch.frames.data.numpy(), axis=0), np.sort(part.frames, axis=0))
        assert batch.labels.tolist() == [index]


def test_served_probabilities_equal_those_of_training(tmp_path: Path) -> None:
    """Features, normalisation, vocabulary, network, Eq. (15) and temperature agree in ONNX Runtime and PyTorch."""
    bundle = read_bundle(write_tiny_bundle(tmp_path / "tiny", TINY, alpha=0.3))
    network = tiny_network(TINY)
    round_embeddings(network)
    parts = features(6)
    embeddings = Embeddings(bundle.vocabulary, np.zeros((12, 6), np.float32), "none", ())
    data = to_ragged(join_features(parts), embeddings, np.zeros(6, np.int64), bundle.config.normalisation)
    final = predict(network, data, np.arange(6)).final(0.3)
    expected = np.exp(log_softmax(final / bundle.config.calibration.temperature))
    served = [scores.probabilities for scores in EmotionClassifier(bundle).classify(parts)]
    assert bundle.config.calibration.temperature == 1.5
    np.testing.assert_allclose(served, expected, atol=1e-5)


def test_summary_of_frames_by_hand() -> None:
    """An utterance of two segments with means 1 and 6, and one of a single frame."""
    frames = np.array([[0], [2], [6], [5]], np.float32)
    features = FeatureSet(frames, np.array([2, 1, 1]), np.array([2, 1]), (("a", "b"), ("c",)))
    summary = summarise_frames(features)
    assert summary.means[:, 0] == pytest.approx([8 / 3, 5.0])
    assert summary.variances[:, 0] == pytest.approx([2 / 3, 0.0])
    assert summary.counts.tolist() == [3, 1]
