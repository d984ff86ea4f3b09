"""Comparison of results up to the rounding of batched kernels."""

from typing import Any

import pytest

TOLERANCE = 1e-5
"""Batched and single LSTM kernels round differently, as do processors and numbers of threads."""
SCORE_TOLERANCE = 0.01
"""A difference in the last bit can change an integer of the quantised decoder, and so the score of a word."""


def assert_same_result(actual: Any, expected: Any, path: str = "") -> None:
    """Assert equal words, times and labels; probabilities, attention and contributions within the tolerance.

    The scores of words have a tolerance of their own.
    """
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), path
        for key in expected.keys() - {"timings_ms"}:
            assert_same_result(actual[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for index, entry in enumerate(expected):
            assert_same_result(actual[index], entry, f"{path}[{index}]")
    elif isinstance(expected, float) and not path.endswith("_s"):
        tolerance = SCORE_TOLERANCE if path.endswith(".score") else TOLERANCE
        assert actual == pytest.approx(expected, abs=tolerance), path
    else:
        assert actual == expected, path
