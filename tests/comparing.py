"""Comparison of results up to the rounding of batched kernels."""

from typing import Any

import pytest

TOLERANCE = 1e-5
"""Batched and single LSTM kernels round differently."""


def assert_same_result(actual: Any, expected: Any, path: str = "") -> None:
    """Assert equal words, times and labels; probabilities, attention and contributions within the tolerance."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), path
        for key in expected.keys() - {"timings_ms"}:
            assert_same_result(actual[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for index, entry in enumerate(expected):
            assert_same_result(actual[index], entry, f"{path}[{index}]")
    elif isinstance(expected, float) and not path.endswith("_s"):
        assert actual == pytest.approx(expected, abs=TOLERANCE), path
    else:
        assert actual == expected, path
