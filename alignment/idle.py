"""Models that are loaded when they are needed, and released when they have not been used for some time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from alignment.memory import collect_memory, return_gpu_memory
from alignment.timing import Seconds

_T = TypeVar("_T")
log = logging.getLogger(__name__)


class IdleModels(Generic[_T]):
    """Models that several threads use; they are never released during a use."""

    def __init__(
        self,
        name: str,
        load: Callable[[], _T],
        release: Callable[[_T], None] = lambda _: None,
        unload_after_s: Seconds = 0.0,
        *,
        clock: Callable[[], Seconds] = time.monotonic,
    ) -> None:
        """Load nothing yet.

        Args:
            name: Name of the models, for the log.
            load: Loads the models; concurrent uses wait for it.
            release: Ends what belongs to the models, before the last reference to them is dropped.
            unload_after_s: Time without a use after which they are released; 0 for never.
            clock: Seconds since an arbitrary time.
        """
        self._name, self._load, self._release = name, load, release
        self._unload_after_s, self._clock = unload_after_s, clock
        self._lock = threading.Lock()
        self._models: _T | None = None
        self._users = 0
        self._used_at = 0.0
        self._timer: threading.Timer | None = None

    @property
    def loaded(self) -> bool:
        """Whether the models are in memory; never waits."""
        return self._models is not None

    @contextmanager
    def use(self) -> Iterator[_T]:
        """The models, loaded if they are not; they stay loaded inside the block.

        Raises:
            Errors of `load`.
        """
        with self._lock:
            models = self._require()
            self._users += 1
        try:
            yield models
        finally:
            # The caller of a released model must not keep it in memory by this frame.
            del models
            with self._lock:
                self._users -= 1
                self._used_at = self._clock()
                self._watch(self._unload_after_s)

    def unload_idle(self) -> bool:
        """Release the models if they have not been used for long enough; True if they were released."""
        with self._lock:
            self._timer = None
            if self._models is None or self._users:
                return False
            left_s = self._used_at + self._unload_after_s - self._clock()
            if left_s > 0:
                self._watch(left_s)
                return False
            self._drop()
        log.info("%s: models unloaded after %g s without use", self._name, self._unload_after_s)
        return True

    def close(self) -> None:
        """Release the models; the next use loads them again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._models is not None:
                self._drop()

    def _require(self) -> _T:
        if self._models is None:
            started_s = time.perf_counter()
            self._models = self._load()
            log.info("%s: models loaded in %.1f s", self._name, time.perf_counter() - started_s)
        return self._models

    def _watch(self, after_s: Seconds) -> None:
        """Call `unload_idle` later; one timer is enough, because it is renewed where there was a use meanwhile."""
        if not self._unload_after_s or self._timer is not None or self._users or self._models is None:
            return
        self._timer = threading.Timer(after_s, self.unload_idle)
        self._timer.daemon = True
        self._timer.start()

    def _drop(self) -> None:
        models, self._models = self._models, None
        if models is not None:
            self._release(models)
        del models
        # Networks refer to themselves, and the C library keeps what is freed.
        collect_memory()
        return_gpu_memory()
