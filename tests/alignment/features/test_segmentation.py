import numpy as np
import pytest

from alignment.features.segmentation import segment_by_words, segment_equally


def test_overlap_of_ten_per_cent_is_five_on_either_side() -> None:
    # 100 frames are 16,000 samples, 5 % of them 800; 50 frames 8,000 and 400.
    bounds = segment_by_words(np.array([[0, 100], [100, 150], [150, 250]]), 40_000)
    assert bounds.tolist() == [[0, 16_800], [15_600, 24_400], [23_200, 40_000]]


def test_overlap_is_a_parameter() -> None:
    bounds = segment_by_words(np.array([[0, 100], [100, 200]]), 32_000, overlap=0.2)
    assert bounds.tolist() == [[0, 17_600], [14_400, 32_000]]


def test_last_frame_may_be_incomplete() -> None:
    assert segment_by_words(np.array([[0, 3]]), 401).tolist() == [[0, 401]]


def test_half_a_sample_is_rounded_up() -> None:
    # 10 frames are 1,600 samples, 5 % are 80; at overlap 0.00125 a side is 1 sample exactly, at 0.000625 half of one.
    assert segment_by_words(np.array([[0, 10], [10, 20]]), 3_200, overlap=0.000625).tolist() == [
        [0, 1_601],
        [1_599, 3_200],
    ]


def test_equal_segments() -> None:
    assert segment_equally(4, 16_000, overlap=0.0).tolist() == [
        [0, 4_000],
        [4_000, 8_000],
        [8_000, 12_000],
        [12_000, 16_000],
    ]
    assert segment_equally(4, 16_000).tolist() == [[0, 4_200], [3_800, 8_200], [7_800, 12_200], [11_800, 16_000]]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_equal_segments_cover_indivisible_lengths(count: int) -> None:
    bounds = segment_equally(count, 10_001, overlap=0.0)
    assert bounds[0, 0] == 0
    assert bounds[-1, 1] == 10_001
    np.testing.assert_array_equal(bounds[1:, 0], bounds[:-1, 1])
    assert np.ptp(bounds[:, 1] - bounds[:, 0]) <= 1
