import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.features.extraction import UtteranceFeatures
from model.bundle import SEGMENTS, Bundle, read_bundle
from model.calibration import Calibration
from model.errors import BundleDamagedError, ProviderError
from model.runtime import EmotionClassifier, bucket_by_length
from model.scores import UtteranceScores
from tests.builders import tiny_front_end, tiny_sound, write_tiny_bundle

# Batched and single LSTM kernels differ by about 3e-8.
TOLERANCE = 1e-5


def utterance(words: int, seed: int, longest: int = 80, frame_size: int = 40) -> UtteranceFeatures:
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, longest, words)
    frames = (20 * generator.standard_normal((int(counts.sum()), frame_size))).astype(np.float32)
    known = ("the", "children", "unlisted", "", "garden")
    return UtteranceFeatures(tuple(known[i % 5] for i in range(words)), frames, counts)


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Bundle) -> EmotionClassifier:
    return EmotionClassifier(tiny_bundle, "cpu")


@pytest.fixture(scope="module", params=["mfcc", "encoder", "both"])
def any_classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmotionClassifier:
    """Classifier of each front end, with a temperature that grows with the distance."""
    _, features = tiny_front_end(request.param)
    folder = write_tiny_bundle(
        tmp_path_factory.mktemp("bundles") / "tiny",
        front_end=request.param,
        calibration=Calibration(1.5, 0.5, distance_frames=10.0),
        sound=tiny_sound(features.frame_size),
    )
    return EmotionClassifier(read_bundle(folder), "cpu")


def test_provider_is_reported(classifier: EmotionClassifier) -> None:
    assert classifier.provider == "CPUExecutionProvider"


def test_probabilities_and_attention_sum_to_one(classifier: EmotionClassifier) -> None:
    for scores in classifier.classify([utterance(n, n) for n in (1, 2, 14)]):
        for values in (scores.probabilities, scores.text_probabilities, scores.audio_probabilities):
            assert values.sum() == pytest.approx(1.0)
        for values in (scores.text_attention, scores.audio_attention):
            assert values.sum() == pytest.approx(1.0, abs=1e-6)


def test_contributions_and_bias_sum_to_log_probabilities(any_classifier: EmotionClassifier) -> None:
    frame_size = any_classifier.bundle.config.network.frame_size
    [scores] = any_classifier.classify([utterance(9, 3, frame_size=frame_size)])
    total = scores.text_contributions.sum(axis=0) + scores.audio_contributions.sum(axis=0) + scores.bias
    logs = np.log(scores.probabilities)
    np.testing.assert_allclose(total, logs - logs.mean(), atol=TOLERANCE)


def test_batch_equals_single_utterances(any_classifier: EmotionClassifier) -> None:
    size = any_classifier.bundle.config.network.frame_size
    sizes = ((5, 20), (1, 300), (30, 60), (14, 40), (2, 2))
    utterances = [utterance(n, n, longest, size) for n, longest in sizes]
    together = any_classifier.classify(utterances)
    for alone, batched in zip((any_classifier.classify([u])[0] for u in utterances), together, strict=True):
        for field in dataclasses.fields(UtteranceScores):
            if field.name == "effects":
                continue
            np.testing.assert_allclose(getattr(alone, field.name), getattr(batched, field.name), atol=TOLERANCE)


def test_distant_sound_has_a_higher_temperature(tmp_path: Path) -> None:
    calibration = Calibration(1.5, 0.5, distance=0.5, distance_frames=10.0)
    bundle = read_bundle(write_tiny_bundle(tmp_path / "tiny", calibration=calibration, sound=tiny_sound(40)))
    near = UtteranceFeatures(("the", "garden"), np.zeros((20, 40), np.float32), np.array([8, 12]))
    far = dataclasses.replace(near, frames=near.frames + 10)
    scores, farther = EmotionClassifier(bundle).classify([near, far])
    assert (scores.distance, scores.temperature) == (0.0, 1.5)
    assert farther.distance == pytest.approx((10 / 5) ** 2 / (0.5 + 10 / 20))
    assert farther.temperature == pytest.approx(1.5 * 4.0**0.5)


def test_distance_without_sound_is_not_known(classifier: EmotionClassifier) -> None:
    [scores] = classifier.classify([utterance(3, 0)])
    assert (scores.distance, scores.temperature) == (None, 1.5)


def test_one_word_of_one_frame(classifier: EmotionClassifier) -> None:
    [scores] = classifier.classify([utterance(1, 0, longest=2)])
    assert scores.text_attention.tolist() == [1.0]


def test_no_utterance(classifier: EmotionClassifier) -> None:
    assert classifier.classify([]) == []


def test_warm_up_refuses_scores_that_are_not_finite(
    classifier: EmotionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NanSession:
        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.nan * output for output in session.run(names, inputs)]

    classifier.warm_up()
    session = classifier._can
    monkeypatch.setattr(classifier, "_can", NanSession())
    with pytest.raises(BundleDamagedError, match="not finite"):
        classifier.warm_up()


def test_unavailable_provider_is_refused(tiny_bundle: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ProviderError, match="CUDAExecutionProvider"):
        EmotionClassifier(tiny_bundle, "cuda")


def test_invalid_graph_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    for name in (SEGMENTS, "can.onnx"):
        (tmp_path / name).write_bytes(b"not a graph")
    with pytest.raises(BundleDamagedError, match="cannot load"):
        EmotionClassifier(dataclasses.replace(tiny_bundle, folder=tmp_path), "cpu")


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=200))
def test_buckets_contain_every_item_once(lengths: list[int]) -> None:
    groups = list(bucket_by_length(np.array(lengths)))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert all(len(group) for group in groups)


def test_one_long_word_is_a_separate_bucket() -> None:
    groups = list(bucket_by_length(np.array([30, 300, 31, 29, 35, 33])))
    assert groups[0].tolist() == [1]
    assert len(groups) == 2
