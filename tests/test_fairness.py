"""Limits of `benchmarks.fairness`; the measurement itself takes minutes."""

import pytest

from benchmarks.fairness import MAX_LIVE_RATIO, MAX_REQUEST_RATIO, Comparison, require_limits

ALONE = [1.0] * 20


def compare(request_s: float, live_s: float) -> list[Comparison]:
    return [
        Comparison("request", MAX_REQUEST_RATIO, ALONE, [request_s] * 20),
        Comparison("live result", MAX_LIVE_RATIO, ALONE, [live_s] * 21),
    ]


def test_ratios_within_their_limits_are_accepted() -> None:
    comparisons = compare(1.5, 1.3)
    require_limits(comparisons)
    assert comparisons[1].describe().startswith("live result (20 alone, 21 shared): median 1.00 → 1.30 s (1.30 times)")


@pytest.mark.parametrize(
    ("request_s", "live_s", "named"),
    [
        (1.51, 1.0, "request 1.51 times (limit 1.5)"),
        (1.0, 1.4, "live result 1.40 times (limit 1.3)"),
        (3.0, 2.0, "request 3.00 times (limit 1.5), live result 2.00 times (limit 1.3)"),
    ],
)
def test_status_is_1_over_a_limit(request_s: float, live_s: float, named: str) -> None:
    with pytest.raises(SystemExit) as ended:
        require_limits(compare(request_s, live_s))
    # Python prints a message and ends with status 1.
    assert ended.value.code == f"95th percentile over its limit: {named}"
