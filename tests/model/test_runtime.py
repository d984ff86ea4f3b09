import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.features.extraction import UtteranceFeatures
from model.bundle import SEGMENTS, Bundle
from model.errors import BundleDamagedError, ProviderError
from model.runtime import EmotionClassifier, bucket_by_length
from model.scores import UtteranceScores

# Batched and single LSTM kernels differ by some 3e-8; architecture allows 1e-5.
TOLERANCE = 1e-5


def utterance(words: int, seed: int, longest: int = 80) -> UtteranceFeatures:
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, longest, words)
    frames = (20 * generator.standard_normal((int(counts.sum()), 40))).astype(np.float32)
    known = ("the", "children", "unheard", "", "garden")
    return UtteranceFeatures(tuple(known[i % 5] for i in range(words)), frames, counts)


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Bundle) -> EmotionClassifier:
    return EmotionClassifier(tiny_bundle, "cpu")


def test_the_network_says_where_it_runs(classifier: EmotionClassifier) -> None:
    assert classifier.provider == "CPUExecutionProvider"


def test_probabilities_and_attention_sum_to_one(classifier: EmotionClassifier) -> None:
    for scores in classifier.classify([utterance(n, n) for n in (1, 2, 14)]):
        for values in (scores.probabilities, scores.text_probabilities, scores.audio_probabilities):
            assert values.sum() == pytest.approx(1.0)
        for values in (scores.text_attention, scores.audio_attention):
            assert values.sum() == pytest.approx(1.0, abs=1e-6)


def test_contributions_and_bias_explain_the_probabilities(classifier: EmotionClassifier) -> None:
    [scores] = classifier.classify([utterance(9, 3)])
    total = scores.text_contributions.sum(axis=0) + scores.audio_contributions.sum(axis=0) + scores.bias
    logs = np.log(scores.probabilities)
    np.testing.assert_allclose(total, logs - logs.mean(), atol=TOLERANCE)


def test_a_batch_equals_one_by_one(classifier: EmotionClassifier) -> None:
    utterances = [utterance(n, n, longest) for n, longest in ((5, 20), (1, 300), (30, 60), (14, 40), (2, 2))]
    together = classifier.classify(utterances)
    for alone, beside in zip((classifier.classify([u])[0] for u in utterances), together, strict=True):
        for field in dataclasses.fields(UtteranceScores):
            np.testing.assert_allclose(getattr(alone, field.name), getattr(beside, field.name), atol=TOLERANCE)


def test_one_word_of_one_frame(classifier: EmotionClassifier) -> None:
    [scores] = classifier.classify([utterance(1, 0, longest=2)])
    assert scores.text_attention.tolist() == [1.0]


def test_no_utterance(classifier: EmotionClassifier) -> None:
    assert classifier.classify([]) == []


def test_warm_up(classifier: EmotionClassifier) -> None:
    classifier.warm_up()


def test_a_provider_that_is_not_there(tiny_bundle: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ProviderError, match="CUDAExecutionProvider"):
        EmotionClassifier(tiny_bundle, "cuda")


def test_a_graph_that_is_none(tiny_bundle: Bundle, tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name in (SEGMENTS, "can.onnx"):
        (tmp_path / name).write_bytes(b"no graph")
    with pytest.raises(BundleDamagedError, match="cannot load"):
        EmotionClassifier(dataclasses.replace(tiny_bundle, folder=tmp_path), "cpu")


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=200))
def test_buckets_hold_every_item_once(lengths: list[int]) -> None:
    groups = list(bucket_by_length(np.array(lengths)))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(len(group) for group in groups)


def test_one_long_word_does_not_stretch_the_short_ones() -> None:
    groups = list(bucket_by_length(np.array([30, 300, 31, 29, 35, 33])))
    assert groups[0].tolist() == [1]
    assert len(groups) == 2
