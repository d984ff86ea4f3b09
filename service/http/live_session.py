"""One live connection: audio in, utterances out, each as soon as it has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr

from alignment.audio import AudioSource
from alignment.errors import NonFiniteAudioError
from alignment.pcm import Encoding, PcmDecoder
from alignment.priority import Priority
from alignment.speech import endpointing
from alignment.speech.windows import Window
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from service.errors import BadFrameError, DeadlineError, LiveLimitError
from service.http.live_warnings import LiveWarnings
from service.http.pace import FrameBudget, Pace
from service.inference.engine import EmotionEngine
from service.inference.executor import half_of_cores
from service.inference.request import AnalysisRequest, Explain
from service.inference.result import ResultBuilder, ScoredUtterance
from service.inference.scheduler import Scheduler
from service.inference.window_loop import WindowLoop
from service.results.serialisation import to_overall, to_utterance

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
_MAX_PENDING: Final = 4
# Detection needs 32 ms at a time; a thread for each of many tiny frames would take longer than their audio.
_MIN_DETECTED_S: Final = 0.02
SMALL_MESSAGES: Final = 2_000
SMALL_MESSAGES_PER_S: Final = 1_000
"""Messages under 20 ms that may arrive at once, and per second: browsers give 750 blocks per second at 96 kHz."""
ALL_SMALL_PER_S: Final = 4_000
"""Messages under 20 ms of all sessions per second."""
DETECTIONS: Final = 200
"""Messages of at least 20 ms that are searched for speech at once, and per second; a call has 50."""


@dataclass(frozen=True, slots=True, eq=False)
class _Analysed:
    """A window of speech; without utterances where it holds none."""

    utterances: tuple[ScoredUtterance, ...]
    warnings: Sequence[str]


class SharedLimits:
    """Limits of all sessions together.

    Attributes:
        detections: Bounds the threads that search for speech.
        small_messages: Pace of messages under 20 ms, which leaves the event loop to others.
    """

    def __init__(self) -> None:
        self.detections = asyncio.Semaphore(half_of_cores())
        self.small_messages = Pace(ALL_SMALL_PER_S, ALL_SMALL_PER_S)


class LiveSession:
    """Sends utterances in order; while results lag, it reads no audio, so that the sender has to wait."""

    def __init__(
        self,
        engine: EmotionEngine,
        scheduler: Scheduler,
        send: Send,
        *,
        rate_hz: int,
        encoding: Encoding,
        explain: Explain,
        bundle: str | None = None,
        deadline_s: Seconds,
        shared: SharedLimits,
    ) -> None:
        """Read nothing yet.

        Args:
            engine: The models.
            scheduler: Schedules their use.
            send: Sends a message to the client.
            rate_hz: Sample rate of the audio, within `SAMPLE_RATE_BOUNDS_HZ`.
            encoding: Encoding of the audio.
            explain: As in POST /predict.
            bundle: Name of the bundle; None for the default.
            deadline_s: Longest processing time of one utterance.
            shared: Limits of all sessions together.

        Raises:
            BadFrameError: Several bundles are named.
            UnknownBundleError: The bundle is not served.
        """
        self._request = AnalysisRequest(explain=explain, bundle=bundle)
        if len(self._request.bundles) > 1:
            raise BadFrameError("a live connection has one bundle", "open another one for the next")
        [self._engine] = engine.choose(self._request)
        self._scheduler, self._send, self._explain = scheduler, send, explain
        self._deadline_s, self._shared = deadline_s, shared
        self._endpointer = endpointing.Endpointer(engine.detector)
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        self._small = FrameBudget(SMALL_MESSAGES, SMALL_MESSAGES_PER_S, asyncio.get_running_loop().time())
        self._pace = Pace(DETECTIONS, DETECTIONS)
        self._early: asyncio.Task[_Analysed] | None = None
        self._pending: list[asyncio.Task[None]] = []
        self._scored: list[ScoredUtterance] = []
        self._warnings = LiveWarnings(self._engine)
        self._number = -1
        self._undetected = bytearray()
        self._decoder = PcmDecoder(encoding, rate_hz)
        self._min_detected_bytes = round(self._decoder.sample_bytes * rate_hz * _MIN_DETECTED_S)

    @property
    def duration_s(self) -> Seconds:
        """Duration of the audio so far."""
        return self._endpointer.duration_s

    async def feed(self, frame: bytes) -> None:
        """Process mono samples; a frame may be empty, or end within a sample.

        Raises:
            LiveLimitError: Too many small frames arrived in a short time.
            BadFrameError: A sample is not finite.
            AlignmentError, DeadlineError: An utterance could not be analysed.
        """
        if len(frame) < self._min_detected_bytes:
            self._count_small()
            await self._shared.small_messages.wait()
        self._undetected += frame
        if len(self._undetected) < self._min_detected_bytes:
            return
        await self._pace.wait()
        await self._handle(await self._detect(last=False))
        self._collect()
        while len(self._pending) > _MAX_PENDING:
            await asyncio.wait({self._pending[0]})
            self._collect()

    def _count_small(self) -> None:
        if not self._small.spend(1, asyncio.get_running_loop().time()):
            raise LiveLimitError(
                f"more than {SMALL_MESSAGES_PER_S} messages per second arrived with less than "
                f"{1_000 * _MIN_DETECTED_S:g} ms of audio each; send longer ones"
            )

    async def finish(self) -> None:
        """Analyse the last utterance and send the message `done`."""
        await self._handle(await self._detect(last=True))
        await asyncio.gather(*self._pending)
        overall = await asyncio.to_thread(self._summarise)
        await self._send({"type": "done", "duration_s": round(self.duration_s, 3), **overall})

    def _summarise(self) -> Message:
        return {**to_overall(self._scored, self._engine), "warnings": self._warnings.summarise(self._scored)}

    async def close(self) -> None:
        """Cancel the utterances in progress."""
        tasks = [*self._pending, *([self._early] if self._early else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _detect(self, *, last: bool) -> list[endpointing.SpeechEvent]:
        """Events of the audio that has not been searched; sessions take turns, and leave the interpreter to others."""
        async with self._shared.detections:
            frames = bytes(self._undetected)
            self._undetected.clear()
            return await asyncio.to_thread(self._detect_in, frames, last=last)

    def _detect_in(self, frame: bytes, *, last: bool) -> list[endpointing.SpeechEvent]:
        try:
            samples = self._decoder.decode(frame)
        except NonFiniteAudioError as exc:
            raise BadFrameError(f"the sample at {exc.at_s:.3f} s is not a finite number", "check the encoding") from exc
        resampled = np.clip(self._resampler.resample_chunk(samples, last=last), -1.0, 1.0)
        return self._endpointer.feed(resampled) + (self._endpointer.finish() if last else [])

    async def _handle(self, events: list[endpointing.SpeechEvent]) -> None:
        for event in events:
            match event:
                case endpointing.SpeechStarted(start_s):
                    self._number += 1
                    await self._send({"type": "utterance.start", "id": self._number, "start_s": round(start_s, 3)})
                case endpointing.SpeechPaused(window):
                    self._early = asyncio.create_task(self._analyse(window))
                case endpointing.SpeechResumed():
                    self._cancel_early()
                case endpointing.SpeechEnded(window):
                    analysis = self._early or asyncio.create_task(self._analyse(window))
                    self._early = None
                    previous = self._pending[-1] if self._pending else None
                    self._pending.append(asyncio.create_task(self._send_results(self._number, analysis, previous)))

    def _cancel_early(self) -> None:
        if self._early:
            self._early.cancel()
            self._early = None

    async def _analyse(self, window: Window) -> _Analysed:
        context = self._scheduler.open_context(Priority.LIVE)
        source = AudioSource(window.end_s, SAMPLE_RATE_HZ, 1)
        result = ResultBuilder(source, (), [self._engine.name])
        loop = WindowLoop(self._engine, [(window, self._request)], result, context.stopwatch)
        try:
            async with asyncio.timeout(self._deadline_s):
                [found] = [each async for each in self._scheduler.run_windows(context, loop)]
                return _Analysed(found.utterances, found.warnings)
        except TimeoutError as exc:
            raise DeadlineError(self._deadline_s, context.queued_s) from exc

    async def _send_results(
        self, number: int, analysis: "asyncio.Task[_Analysed]", previous: "asyncio.Task[None] | None"
    ) -> None:
        """Send the results of an utterance after those of the previous one."""
        try:
            analysed = await analysis
        finally:
            analysis.cancel()
        if previous is not None:
            await previous
        if not analysed.utterances:
            await self._send({"type": "utterance.dropped", "id": number, "reason": "it holds no speech"})
            return
        self._scored += analysed.utterances
        warnings = self._warnings.add(analysed.utterances, analysed.warnings)
        for each in analysed.utterances:
            utterance = await asyncio.to_thread(to_utterance, each, self._engine, self._explain)
            fields = utterance.model_dump(mode="json", exclude_unset=True)
            await self._send({"type": "utterance.result", "id": number, **fields, "warnings": warnings})
            warnings = []

    def _collect(self) -> None:
        """Remove utterances that have been sent; raise the error of one that failed."""
        for task in [task for task in self._pending if task.done()]:
            self._pending.remove(task)
            task.result()
