import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.features.segmentation import segment_by_words, segment_equally, share_silence


def test_example_of_table_1_of_the_paper() -> None:
    # <s> 0-51, i 52-75, like 76-88, <sil> 89-140, apple 141-143, </s> 144-177; ends inclusive.
    words = np.array([[52, 76], [76, 89], [141, 144]])
    # 52 frames of <sil> go half and half; <s> and </s> have one neighbour each.
    assert share_silence(words, 178).tolist() == [[0, 76], [76, 115], [115, 178]]


@pytest.mark.parametrize(("gap", "border"), [(0, 10), (1, 11), (2, 11), (5, 13)])
def test_odd_frame_goes_to_the_word_on_the_left(gap: int, border: int) -> None:
    shared = share_silence(np.array([[0, 10], [10 + gap, 30]]), 30)
    assert shared.tolist() == [[0, border], [border, 30]]


def test_single_word_gets_all_silence() -> None:
    assert share_silence(np.array([[5, 8]]), 20).tolist() == [[0, 20]]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40), st.integers(0, 50))
def test_spans_tile_the_utterance(steps: list[int], tail: int) -> None:
    edges = np.cumsum(steps)
    edges = edges[: len(edges) // 2 * 2]
    total = int(edges[-1]) + tail
    spans = share_silence(edges.reshape(-1, 2), total)
    assert spans[0, 0] == 0
    assert spans[-1, 1] == total
    np.testing.assert_array_equal(spans[1:, 0], spans[:-1, 1])
    assert (spans[:, 1] >= spans[:, 0]).all()


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
