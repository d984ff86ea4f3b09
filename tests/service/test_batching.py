from service.inference.admission import LoadEstimator


def test_the_pace_counts_work_and_not_idle_time() -> None:
    now = 0.0
    pace = LoadEstimator(lambda: now, first_guess_s=2.0)
    assert pace.retry_after_s(10) == 20
    for _ in range(200):
        now += 1_000.0
        pace.begin(0)
        now += 0.5
        pace.finish()
    assert pace.retry_after_s(10) == 6
    assert pace.retry_after_s(1) == 1
