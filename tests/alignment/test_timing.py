import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment import timing


@pytest.mark.parametrize(("value", "nearest"), [(0.5, 1), (1.5, 2), (2.49, 2), (-0.5, 0), (28.999999999999996, 29)])
def test_half_is_rounded_up(value: float, nearest: int) -> None:
    assert timing.round_half_up(value) == nearest


@given(st.floats(0, 14_400))
def test_seconds_to_samples_and_back_differ_by_under_a_sample(time_s: float) -> None:
    back_s = timing.samples_to_seconds(timing.seconds_to_samples(time_s))
    assert abs(back_s - time_s) <= 0.5 / timing.SAMPLE_RATE_HZ + 1e-9


@given(st.integers(0, 10**7))
def test_frames_to_seconds_and_back_are_equal(frames: int) -> None:
    assert timing.seconds_to_frames(timing.frames_to_seconds(frames)) == frames


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (160, 1), (161, 2)])
def test_incomplete_frame_counts(samples: int, frames: int) -> None:
    assert timing.samples_to_whole_frames(samples) == frames
