"""Answers that must be the same, up to what batching may change."""

from typing import Any

import pytest

TOLERANCE = 1e-5
"""Batched and single LSTM kernels round differently."""


def assert_same_answer(got: Any, expected: Any, place: str = "") -> None:
    """Words, times and labels identical; probabilities, attention and contributions within the tolerance."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), place
        for key in expected.keys() - {"timings_ms"}:
            assert_same_answer(got[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), place
        for index, entry in enumerate(expected):
            assert_same_answer(got[index], entry, f"{place}[{index}]")
    elif isinstance(expected, float) and not place.endswith("_s"):
        assert got == pytest.approx(expected, abs=TOLERANCE), place
    else:
        assert got == expected, place
