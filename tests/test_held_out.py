"""Metrics of the benchmarks on held-out speakers."""

import numpy as np
import pytest

from benchmarks.held_out import measure
from benchmarks.references import compute_statistics
from benchmarks.robustness import CONDITIONS, add_offset, add_white_noise
from model.data.features import FeatureSet
from tests.builders import tone

LABELS = ("ang", "hap", "fea")


def test_metrics_by_hand() -> None:
    """Two angry clips, one right; a happy one refused; a fearful one right."""
    rows = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6], [np.nan] * 3, [0.2, 0.3, 0.5]])
    figures = measure(["ang", "ang", "hap", "fea"], rows, LABELS, LABELS)
    assert figures["recall"] == {"ang": 0.5, "hap": 0.0, "fea": 1.0}
    assert [figures["wa"], figures["ua"], figures["refused"]] == pytest.approx([0.5, 0.5, 1])
    assert figures["confusion"] == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_other_emotions_are_neither_counted_nor_predicted() -> None:
    rows = np.array([[0.3, 0.1, 0.6], [0.1, 0.3, 0.6], [0.0, 0.1, 0.9]])
    figures = measure(["ang", "hap", "fea"], rows, LABELS, ("ang", "hap"))
    assert (figures["clips"], figures["ua"], figures["confusion"]) == (2, 1.0, [[1, 0], [0, 1]])


def test_conditions_keep_length_and_level_of_noise() -> None:
    clip = tone(1.0)
    for change in CONDITIONS.values():
        assert change(clip, np.random.default_rng(0)).shape == clip.shape
    noise = add_white_noise(clip, 10.0, np.random.default_rng(0)) - clip
    assert 10 * np.log10(np.mean(clip**2) / np.mean(noise**2)) == pytest.approx(10.0, abs=0.2)


def test_offset_of_loud_clip_is_not_clipped() -> None:
    shifted = add_offset(1.9 * tone(1.0), 0.1)
    assert shifted.max() <= 1.0
    assert shifted.mean() == pytest.approx(0.1, abs=1e-3)


def test_statistics_of_both_front_ends_by_hand() -> None:
    """Two utterances of frames with one MFCC and one state; the first one has two segments."""
    frames = np.array([[1, 10], [3, 20], [5, 60], [7, 8]], np.float32)
    features = FeatureSet(frames, np.array([2, 1, 1]), np.array([2, 1]), (("a", "b"), ("c",)))
    statistics = compute_statistics(features, np.array([True, False]), 1)
    assert statistics.states.tolist() == [[30.0], [0.0]]
    assert statistics.mfcc[0] == pytest.approx([3.0, (8 / 3) ** 0.5, 1.4, 3.0, 4.6])
    assert statistics.mean_and_deviation.shape == (2, 2)
