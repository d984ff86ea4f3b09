"""Windows of many recordings, heard together.

Whoever waits for a text and finds the recogniser free takes everything that has gathered, up to a batch, and hears it
for all. So there is no thread of its own, a lone caller waits for nobody, and one caller at a time owns the recogniser.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import monotonic

from alignment.aligners.weights.config import NAME
from alignment.aligners.whisperx.recogniser import Window
from alignment.errors import AlignerFailedError
from alignment.timing import Seconds

TranscribeMany = Callable[[Sequence[Window]], list[str]]


class WindowQueue:
    """Threads bring windows and take their texts."""

    def __init__(self, transcribe_many: TranscribeMany, batch_size: int, limit_s: Seconds) -> None:
        """Queues nothing yet.

        Args:
            transcribe_many: texts of windows; called by one thread at a time.
            batch_size: windows of one call.
            limit_s: the windows of one recording take no longer.
        """
        self._transcribe_many, self._batch_size, self._limit_s = transcribe_many, batch_size, limit_s
        self._waiting: deque[tuple[Window, Future[str]]] = deque()
        self._recogniser = threading.Lock()

    def transcribe(self, windows: Sequence[Window]) -> list[str]:
        """Texts of one recording's windows, in order.

        A long recording brings no more than a batch at a time, so that others have their turn.

        Raises:
            AlignerFailedError: the recogniser refused, or took too long.
        """
        deadline = monotonic() + self._limit_s
        texts: list[str] = []
        for first in range(0, len(windows), self._batch_size):
            futures: list[Future[str]] = [Future() for _ in windows[first : first + self._batch_size]]
            self._waiting.extend(zip(windows[first:], futures, strict=False))
            try:
                texts += [self._wait_for(future, deadline) for future in futures]
            finally:
                for future in futures:
                    future.cancel()
        return texts

    def _wait_for(self, future: "Future[str]", deadline: float) -> str:
        while not future.done():
            if not self._recogniser.acquire(timeout=max(0.0, deadline - monotonic())):
                raise AlignerFailedError(NAME, f"it took longer than {self._limit_s:g} s")
            try:
                if not future.done():
                    self._hear(self._take())
            finally:
                self._recogniser.release()
        return future.result()

    def _take(self) -> list[tuple[Window, "Future[str]"]]:
        """The next batch, without those whose caller is gone."""
        batch: list[tuple[Window, Future[str]]] = []
        while self._waiting and len(batch) < self._batch_size:
            window, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                batch.append((window, future))
        return batch

    def _hear(self, batch: list[tuple[Window, "Future[str]"]]) -> None:
        """Gives every window its text; one window's failure is not its neighbours'."""
        try:
            texts = self._transcribe_many([window for window, _ in batch])
        except AlignerFailedError as exc:
            if len(batch) == 1:
                batch[0][1].set_exception(exc)
            else:
                for one in batch:
                    self._hear([one])
        else:
            for (_, future), text in zip(batch, texts, strict=True):
                future.set_result(text)
        finally:
            # Whatever else may happen here, nobody waits for ever.
            for _, future in batch:
                if not future.done():
                    future.set_exception(AlignerFailedError(NAME, "a batch that it was heard with broke"))
