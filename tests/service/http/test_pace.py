import asyncio

import pytest

from service.http.pace import FrameBudget, Pace


def test_budget_recovers_with_time_up_to_its_limit() -> None:
    budget = FrameBudget(3, 2.0, 10.0)
    assert budget.spend(3, 10.0)
    assert not budget.spend(1, 10.0)
    assert budget.missing_s == 0.5
    assert not budget.spend(1, 10.5)
    assert budget.spend(0, 11.0)
    assert budget.spend(3, 1_000.0)
    assert budget.missing_s == 0.0
    assert not budget.spend(1, 1_000.0)


def test_messages_beyond_the_budget_wait_until_it_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves only while a message waits: five at once, then ten per second."""
    now_s, arrived = 100.0, []

    async def sleep(delay_s: float) -> None:
        nonlocal now_s
        now_s += delay_s

    async def send() -> None:
        monkeypatch.setattr("service.http.pace.monotonic", lambda: now_s)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        pace = Pace(5, 10.0)
        for _ in range(8):
            await pace.wait()
            arrived.append(round(now_s - 100.0, 6))

    with asyncio.Runner() as runner, monkeypatch.context():
        runner.run(send())
        monkeypatch.undo()
    assert arrived == [0.0] * 5 + [0.1, 0.2, 0.3]
