"""Models that are released when idle; the clock is that of the test."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from alignment.idle import IdleModels
from tests.fakes import Clock
from tests.waiting import wait_until


class Models:
    """Models that refer to themselves, as networks do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Callable[..., IdleModels[Models]]]:
    """Creates models whose timers are cancelled at the end."""
    created: list[IdleModels[Models]] = []

    def create(unload_after_s: float = 600.0, load: Callable[[], Models] = Models) -> IdleModels[Models]:
        created.append(IdleModels("test", load, unload_after_s=unload_after_s, clock=clock))
        return created[-1]

    yield create
    for each in created:
        each.close()


def reference(models: IdleModels[Models]) -> "weakref.ref[Models]":
    with models.use() as used:
        return weakref.ref(used)


def test_idle_models_are_released_and_loaded_again(make: Callable[..., IdleModels[Models]], clock: Clock) -> None:
    models = make()
    assert not models.loaded
    before = reference(models)
    clock.now_s = 599.0
    assert not models.unload_idle()
    assert models.loaded
    clock.now_s = 600.0
    assert models.unload_idle()
    assert not models.loaded
    assert before() is None
    assert reference(models)() is not None


def test_use_postpones_the_release(make: Callable[..., IdleModels[Models]], clock: Clock) -> None:
    models = make()
    reference(models)
    clock.now_s = 500.0
    reference(models)
    clock.now_s = 700.0
    assert not models.unload_idle()


def test_models_in_use_stay(make: Callable[..., IdleModels[Models]], clock: Clock) -> None:
    models = make()
    with models.use():
        with models.use():
            clock.now_s = 10_000.0
        assert not models.unload_idle()
        assert models.loaded
    clock.now_s = 20_000.0
    assert models.unload_idle()


def test_models_stay_without_limit(make: Callable[..., IdleModels[Models]]) -> None:
    models = make(unload_after_s=0.0)
    reference(models)
    assert models._timer is None


def test_release_without_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """The timer of the models, with the real clock."""
    caplog.set_level(logging.INFO, "alignment.idle")
    models = IdleModels("test", Models, unload_after_s=0.01)
    reference(models)
    wait_until(lambda: not models.loaded)
    wait_until(lambda: any("test: models unloaded after 0.01 s" in message for message in caplog.messages))
    assert any(message.startswith("test: models loaded in") for message in caplog.messages)


def test_concurrent_uses_load_once(make: Callable[..., IdleModels[Models]]) -> None:
    loads: list[int] = []
    gate = threading.Event()

    def load() -> Models:
        loads.append(1)
        gate.wait(20)
        return Models()

    models = make(load=load)
    threads = [threading.Thread(target=reference, args=(models,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: bool(loads))
    gate.set()
    for thread in threads:
        thread.join(20)
    assert loads == [1]


def test_failed_load_is_tried_again(make: Callable[..., IdleModels[Models]]) -> None:
    failures = [OSError("removed")]

    def load() -> Models:
        if failures:
            raise failures.pop()
        return Models()

    models = make(load=load)
    with pytest.raises(OSError, match="removed"):
        reference(models)
    assert not models.loaded
    assert reference(models)() is not None


def test_no_use_fails_while_models_are_released(make: Callable[..., IdleModels[Models]], clock: Clock) -> None:
    models = make(unload_after_s=600.0)
    released = threading.Event()
    used: list[bool] = []

    def use() -> None:
        gives_up_at = time.monotonic() + 60
        while len(used) < 300 or not (released.is_set() or time.monotonic() > gives_up_at):
            with models.use() as current:
                used.append(current.itself is current)

    thread = threading.Thread(target=use)
    thread.start()
    while thread.is_alive():
        clock.now_s += 1_000.0
        if models.unload_idle():
            released.set()
    assert released.is_set()
    assert all(used)
