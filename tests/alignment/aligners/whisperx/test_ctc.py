from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.aligners.whisperx.ctc import Emission, align_symbols


def emission(*rows: tuple[float, ...], symbols: tuple[int, ...]) -> Emission:
    """Emission of given probabilities."""
    return Emission(np.log(np.array(rows, np.float32)), np.array(symbols, np.int64))


def random_emission(seed: int, frames: int, tokens: int, columns: int = 5) -> Emission:
    generator = np.random.default_rng(seed)
    logits = 2 * generator.standard_normal((frames, columns))
    logs = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
    return Emission(logs, generator.integers(1, columns, tokens))


def best_starts(each: Emission) -> NDArray[np.int64]:
    """Best starts of all combinations: one frame per symbol, blanks around them, the likeliest end."""
    logs, tokens = each.log_probabilities.astype(np.float64), len(each.symbols)
    choices = {}
    for starts in product(range(len(logs)), repeat=tokens):
        if all(before < after for before, after in zip(starts, starts[1:], strict=False)):
            score = sum(logs[frame, symbol] for frame, symbol in zip(starts, each.symbols, strict=True))
            blanks = [frame for frame in range(starts[-1]) if frame not in starts]
            choices[starts] = score + logs[blanks, 0].sum()
    return np.array(max(choices, key=lambda starts: choices[starts]))


def test_alignment_equals_a_hand_computed_one() -> None:
    [found] = align_symbols(
        [emission((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.9, 0.05, 0.05), (0.1, 0.1, 0.8), symbols=(1, 2))], blank=0
    )
    assert found is not None
    assert found.starts.tolist() == [1, 3]
    assert found.ends.tolist() == [3, 4]
    np.testing.assert_allclose(found.scores, [(0.8 + 0.9) / 2, 0.8], rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_alignment_equals_exhaustive_search(seed: int) -> None:
    each = random_emission(seed, frames=9, tokens=3)
    [found] = align_symbols([each], blank=0)
    assert found is not None
    assert found.starts.tolist() == best_starts(each).tolist()


def test_batch_equals_single_alignments() -> None:
    shapes = [(30, 7), (12, 12), (60, 21), (5, 1)]
    emissions = [random_emission(seed, *shape) for seed, shape in enumerate(shapes)]
    for together, each in zip(align_symbols(emissions, 0), emissions, strict=True):
        [alone] = align_symbols([each], 0)
        assert together is not None
        assert alone is not None
        for name in ("starts", "ends", "scores"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


def test_too_few_frames_or_no_symbols_give_none() -> None:
    found = align_symbols([random_emission(0, 3, 4), random_emission(1, 4, 4), random_emission(2, 4, 0)], 0)
    assert found[0] is None
    assert found[1] is not None
    assert found[1].starts.tolist() == [0, 1, 2, 3]
    assert found[2] is None
