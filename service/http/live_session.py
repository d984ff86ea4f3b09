"""One live connection: sound in, utterances out, each as soon as it is over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np
import soxr

from alignment.audio import SAMPLE_RATE_BOUNDS_HZ, AudioSource
from alignment.speech.endpointing import (
    Endpointer,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from alignment.speech.windows import Window
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from service.errors import BadFrameError, DeadlineError
from service.inference.engine import EmotionEngine
from service.inference.result import AnalysisRequest, ResultBuilder, ScoredUtterance
from service.inference.scheduler import Scheduler
from service.results.schemas import Explain
from service.results.serialisation import present_overall, present_utterance

Message = dict[str, Any]
_MOST_PENDING: Final = 4


class LiveSession:
    """Keeps the order of utterances; when answers lag, it stops taking sound, so that the sender has to wait."""

    def __init__(
        self,
        engine: EmotionEngine,
        stages: Scheduler,
        send: Callable[[Message], Awaitable[None]],
        *,
        rate_hz: int,
        explain: Explain,
        deadline_s: Seconds,
    ) -> None:
        """Takes nothing yet.

        Args:
            engine: the models.
            stages: its queues.
            send: sends a message to the client.
            rate_hz: of the sound that will come.
            explain: as in POST /predict.
            deadline_s: of one utterance.

        Raises:
            BadFrameError: the rate is out of bounds.
        """
        low, high = SAMPLE_RATE_BOUNDS_HZ
        if not low <= rate_hz <= high:
            raise BadFrameError(f"the rate is {rate_hz} Hz, accepted are {low} to {high} Hz")
        self._engine, self._stages, self._send, self._explain = engine, stages, send, explain
        self._deadline_s = deadline_s
        self._listener = Endpointer(engine.detector)
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        self._early: asyncio.Task[list[ScoredUtterance]] | None = None
        self._pending: list[asyncio.Task[None]] = []
        self._scored: list[ScoredUtterance] = []
        self._number = -1

    @property
    def duration_s(self) -> Seconds:
        """How much sound came."""
        return self._listener.duration_s

    async def feed(self, frame: bytes) -> None:
        """Takes 16-bit little-endian mono samples.

        Raises:
            BadFrameError: no sample is there, or half a one.
            AlignmentError, DeadlineError: an utterance could not be answered.
        """
        if not frame:
            raise BadFrameError("a frame is empty")
        if len(frame) % 2:
            raise BadFrameError(f"a frame has {len(frame)} bytes; samples are 16 bits, so that the number is even")
        await self._react(await asyncio.to_thread(self._listen, frame, last=False))
        self._collect()
        while len(self._pending) > _MOST_PENDING:
            await asyncio.wait({self._pending[0]})
            self._collect()

    async def finish(self) -> None:
        """Answers what is left and says that it is done."""
        await self._react(await asyncio.to_thread(self._listen, b"", last=True))
        await asyncio.gather(*self._pending)
        overall = await asyncio.to_thread(present_overall, self._scored, self._engine)
        await self._send({"type": "done", "duration_s": round(self.duration_s, 3), **overall})

    async def close(self) -> None:
        """Gives up what is under way."""
        tasks = [*self._pending, *([self._early] if self._early else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self, frame: bytes, *, last: bool) -> list[SpeechEvent]:
        samples = np.frombuffer(frame, "<i2").astype(np.float32) / np.float32(32_768)
        heard = np.clip(self._resampler.resample_chunk(samples, last=last), -1.0, 1.0)
        return self._listener.feed(heard) + (self._listener.finish() if last else [])

    async def _react(self, events: list[SpeechEvent]) -> None:
        for event in events:
            match event:
                case SpeechStarted(start_s):
                    self._number += 1
                    await self._send({"type": "utterance.start", "id": self._number, "start_s": round(start_s, 3)})
                case SpeechPaused(window):
                    self._early = asyncio.create_task(self._answer(window))
                case SpeechResumed():
                    self._drop_early()
                case SpeechEnded(window):
                    answer = self._early or asyncio.create_task(self._answer(window))
                    self._early = None
                    before = self._pending[-1] if self._pending else None
                    self._pending.append(asyncio.create_task(self._tell(self._number, answer, before)))

    def _drop_early(self) -> None:
        if self._early:
            self._early.cancel()
            self._early = None

    async def _answer(self, window: Window) -> list[ScoredUtterance]:
        visit = self._stages.visit()
        findings = ResultBuilder(AudioSource(window.end_s, SAMPLE_RATE_HZ, 1), ())
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._stages.add_window(visit, window, AnalysisRequest(), findings)
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s, visit.watch.timings_ms["queue"] / 1_000) from exc

    async def _tell(
        self, number: int, answer: "asyncio.Task[list[ScoredUtterance]]", before: "asyncio.Task[None] | None"
    ) -> None:
        """Sends an utterance's results after those of the one before it."""
        try:
            scored = await answer
        finally:
            answer.cancel()
        if before is not None:
            await before
        self._scored += scored
        for each in scored:
            told = await asyncio.to_thread(present_utterance, each, self._engine.bundle, self._explain)
            await self._send(
                {"type": "utterance.result", "id": number, **told.model_dump(mode="json", exclude_unset=True)}
            )
        if not scored:
            await self._send({"type": "utterance.dropped", "id": number, "reason": "no speech in it after all"})

    def _collect(self) -> None:
        """Forgets what has been told; raises what went wrong in it."""
        for task in [task for task in self._pending if task.done()]:
            self._pending.remove(task)
            task.result()
