import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.features.silence import share_silence


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
