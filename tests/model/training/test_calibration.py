import numpy as np
import pytest
from numpy.typing import NDArray

from model.calibration import Calibration, SoundReference
from model.data.prepared import FrameSummary
from model.training.calibration import HeldOut, fit_calibration, fit_reference, join_held_out
from model.training.metrics import calibration_error

RNG = np.random.default_rng(0)


def drawn(temperatures: NDArray[np.float64], distances: NDArray[np.float64], frames: NDArray[np.int64]) -> HeldOut:
    """Labels drawn from the probabilities at known temperatures."""
    scores = 3.0 * RNG.standard_normal((len(temperatures), 4))
    logits = scores / temperatures[:, None]
    labels = (logits + RNG.gumbel(size=logits.shape)).argmax(axis=1)
    return HeldOut(scores, labels, distances, frames)


def unseen_speakers(count: int = 4_000) -> HeldOut:
    """Distances .4 + 60 / frames on average; temperature 1.2 at any distance up to the expected one."""
    frames = RNG.integers(30, 300, count)
    distances = (0.4 + 60 / frames) * RNG.uniform(0.5, 1.5, count)
    relative = np.maximum(distances / (0.4 + 60 / frames), 1.0)
    return drawn(1.2 * relative**0.7, distances, frames)


def unseen_corpus(count: int = 4_000) -> HeldOut:
    frames = RNG.integers(30, 300, count)
    relative = RNG.uniform(2.0, 6.0, count)
    return drawn(1.2 * relative**0.7, (0.4 + 60 / frames) * relative, frames)


def test_known_calibration_is_found() -> None:
    calibration = fit_calibration(unseen_speakers(), [unseen_corpus(), unseen_corpus()])
    assert calibration.temperature == pytest.approx(1.2, rel=0.1)
    assert calibration.growth == pytest.approx(0.7, abs=0.1)
    assert calibration.distance == pytest.approx(0.4, rel=0.1)
    assert calibration.distance_frames == pytest.approx(60, rel=0.1)


def test_distance_calibrates_another_corpus_as_well() -> None:
    speakers, corpus, other = unseen_speakers(), unseen_corpus(), unseen_corpus()
    constant, growing = fit_calibration(speakers), fit_calibration(speakers, [corpus])
    assert constant.growth == 0
    errors = [calibration_error(other.calibrated(each), other.labels) for each in (constant, growing)]
    assert errors[0] > 0.1
    assert errors[1] < 0.05


def test_temperature_by_hand() -> None:
    """Expected distances 2 and 3: relative distances 2 and 1 / 3, of which the second does not lower it."""
    calibration = Calibration(temperature=1.5, growth=2.0, distance=1.0, distance_frames=10.0)
    relative = calibration.relative_distances(np.array([4.0, 1.0]), np.array([10, 5]))
    assert relative == pytest.approx([2.0, 1 / 3])
    assert calibration.temperatures(relative) == pytest.approx([6.0, 1.5])


def fit(rows: NDArray[np.float32]) -> SoundReference:
    """Sound of utterances of one frame each."""
    summary = FrameSummary(rows, np.zeros_like(rows), np.ones(len(rows), np.int64))
    return fit_reference(summary, np.arange(len(rows)))


def test_deviation_is_that_within_segments() -> None:
    """Variances 1 over 2 frames and 4 over 6; the third utterance is not used."""
    means, variances = np.zeros((3, 1), np.float32), np.array([[1.0], [4.0], [100.0]], np.float32)
    summary = FrameSummary(means, variances, np.array([2, 6, 50]))
    assert fit_reference(summary, np.array([0, 1])).deviation == pytest.approx([(26 / 8) ** 0.5])


def test_distances_of_training_data_are_about_one() -> None:
    mixing = RNG.standard_normal((8, 8)) * np.geomspace(0.01, 100, 8)
    rows = (RNG.standard_normal((2_000, 8)) @ mixing + 5.0).astype(np.float32)
    reference = fit(rows)
    assert reference.distances(rows).mean() == pytest.approx(1.0, rel=0.1)
    far = rows[:1] + 10 * rows.std(axis=0)
    assert reference.distances(far)[0] > 10


def test_equal_utterances_have_a_distance() -> None:
    rows = np.ones((2, 3), np.float32)
    assert fit(rows).distances(rows) == pytest.approx([0.0, 0.0])


def test_join_keeps_the_order() -> None:
    parts = [unseen_corpus(3), unseen_corpus(2)]
    assert join_held_out(parts).distances.tolist() == [*parts[0].distances, *parts[1].distances]
