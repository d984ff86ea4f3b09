"""Analysis of one job, window by window; it resumes after the last stored window."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from pydantic import TypeAdapter

from alignment.aligners.given import GIVEN
from alignment.audio import AudioFile, AudioSource, inspect_audio
from alignment.errors import NoSpeechError
from alignment.priority import Priority
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.words import AlignerInfo
from can_ser_client.schemas import PredictOut, UtteranceOut
from service.errors import JobInterruptedError
from service.inference.admission import RequestContext
from service.inference.engine import EmotionEngine
from service.inference.executor import Pool
from service.inference.long_audio import cut_recording
from service.inference.request import AnalysisRequest
from service.inference.result import ResultBuilder, ScoredUtterance, WindowResult, average_by_duration
from service.inference.scheduler import Scheduler
from service.jobs.access import StoreAccess
from service.jobs.job import Job
from service.jobs.store import JobStore
from service.observability.metrics import Metrics
from service.results.serialisation import assemble_response, to_other, to_utterance
from service.results.uncertainty import Evidence, combine_evidence, find_evidence

MAX_ATTEMPTS: Final = 3
"""Processes that may die during one window of a job."""
_Entry = tuple[Evidence, UtteranceOut] | tuple[Evidence, UtteranceOut, str]
_STORED: Final[TypeAdapter[_Entry]] = TypeAdapter(_Entry)
"""Evidence of an utterance, with its exact duration, its serialised form, and the name of a further bundle."""


class JobAnalysis:
    """From a job to its response."""

    def __init__(
        self, engine: EmotionEngine, scheduler: Scheduler, access: StoreAccess, metrics: Metrics, max_audio_s: Seconds
    ) -> None:
        """Analyse nothing yet."""
        self._engine, self._scheduler, self._access = engine, scheduler, access
        self._metrics, self._max_audio_s = metrics, max_audio_s

    async def run(self, job: Job) -> str | None:
        """The response as JSON; None when the job was deleted meanwhile.

        Raises:
            JobInterruptedError: The process has ended too often during this window.
            AlignmentError, ServiceError: The recording or the words cannot be used, or the folder of jobs cannot.
        """
        if job.attempts > MAX_ATTEMPTS:
            raise JobInterruptedError(MAX_ATTEMPTS, job.done_s)
        request = AnalysisRequest(**json.loads(job.request))
        path = await self._access.call(lambda store: store.recording(job.id))
        audio = await asyncio.to_thread(inspect_audio, path, self._max_audio_s)
        await self._access.call(lambda store: store.set_total(job.id, audio.source.duration_s))
        warnings = json.loads(job.warnings) if job.next_sample else audio.warnings
        context = self._scheduler.open_context(Priority.BACKGROUND)
        windows = cut_recording(audio, request, self._engine.detector, job.next_sample)
        loop = self._engine.loop(windows, audio.source, warnings, request, context.stopwatch)
        pool: Pool = "recognise" if request.words is None else "large"
        async for window in self._scheduler.run_windows(context, loop, pool):
            store_window = await asyncio.to_thread(self._serialise, job.id, window, loop.result, request)
            if not await self._access.call(store_window):
                return None
        utterances = await self._access.call(lambda store: store.utterances(job.id))
        return await asyncio.to_thread(self._respond, utterances, audio, request, loop.result.warnings, context)

    def _serialise(
        self, job_id: str, scored: WindowResult, result: ResultBuilder, request: AnalysisRequest
    ) -> "partial[bool]":
        """The call that stores a window; it returns False when the job was deleted."""
        engine, *others = self._engine.choose(request)
        entries: list[_Entry] = [*_describe(engine, scored.utterances, request)]
        for other, utterances in zip(others, scored.others, strict=True):
            entries += [(*entry, other.name) for entry in _describe(other, utterances, request)]
        stored = [_STORED.dump_json(entry, exclude_unset=True).decode() for entry in entries]
        window = scored.window
        next_sample = round(window.start_s * SAMPLE_RATE_HZ) + len(window.samples)
        return partial(
            JobStore.add_window,
            job_id=job_id,
            utterances=stored,
            next_sample=next_sample,
            done_s=window.end_s,
            warnings=json.dumps(result.warnings),
        )

    def _respond(
        self,
        stored: Sequence[str],
        audio: AudioFile,
        request: AnalysisRequest,
        warnings: Sequence[str],
        context: RequestContext,
    ) -> str:
        if not stored:
            raise NoSpeechError(audio.source.duration_s)
        entries: dict[str, list[_Entry]] = {}
        for entry in map(_STORED.validate_json, stored):
            entries.setdefault(entry[2] if len(entry) > 2 else "", []).append(entry)
        timings_ms = context.timings_ms()
        self._metrics.count_recording(audio.source.duration_s, timings_ms)
        engine, *others = self._engine.choose(request)
        self._metrics.count_bundles([each.name for each in (engine, *others)])
        aligner = GIVEN if request.words is not None else engine.aligner
        assemble = partial(_assemble, source=audio.source, aligner=aligner, timings_ms=timings_ms)
        response = assemble(engine, entries[""], warnings=warnings)
        if others:
            further = [to_other(assemble(each, entries[each.name], warnings=())) for each in others]
            response = response.model_copy(update={"others": further})
        return response.model_dump_json(exclude_unset=True)


def _describe(
    engine: EmotionEngine, scored: Sequence[ScoredUtterance], request: AnalysisRequest
) -> Iterator[tuple[Evidence, UtteranceOut]]:
    for each in scored:
        yield find_evidence(each, engine.bundle.vocabulary), to_utterance(each, engine, request.explain)


def _assemble(
    engine: EmotionEngine,
    entries: Sequence[_Entry],
    *,
    source: AudioSource,
    aligner: AlignerInfo,
    warnings: Sequence[str],
    timings_ms: Mapping[str, float],
) -> PredictOut:
    """Response of one bundle, made of its stored utterances."""
    evidence, utterances = [entry[0] for entry in entries], [entry[1] for entry in entries]
    probabilities = average_by_duration(
        [list(utterance.probabilities.values()) for utterance in utterances], [each.spoken_s for each in evidence]
    )
    return assemble_response(
        probabilities, combine_evidence(evidence), utterances, source, aligner, warnings, timings_ms, engine
    )
