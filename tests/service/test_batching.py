from service.inference.admission import LoadEstimator


def test_load_estimate_excludes_idle_time() -> None:
    now = 0.0
    estimator = LoadEstimator(lambda: now, first_guess_s=2.0)
    assert estimator.retry_after_s(10) == 20
    for _ in range(200):
        now += 1_000.0
        estimator.begin(0)
        now += 0.5
        estimator.finish()
    assert estimator.retry_after_s(10) == 6
    assert estimator.retry_after_s(1) == 1
