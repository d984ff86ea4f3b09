"""A process to be killed during jobs: python -m tests.service.jobs.killed_job BUNDLE FOLDER RECORDING STAGE.

Prints the ids of two jobs, and `blocked` when some of their windows are done and STAGE (`recognise` or `classify`)
blocks for ever.
"""

import asyncio
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from alignment.audio import Waveform
from alignment.features.extraction import UtteranceFeatures
from alignment.transcripts.words import Transcript
from model.scores import UtteranceScores
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.jobs.runner import JobRunner
from service.jobs.uploads import JobUpload
from service.observability.metrics import Metrics
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.fakes import FakeAligner

COMPLETED_CALLS = 2


def block() -> None:
    """Print `blocked` and never return."""
    print("blocked", flush=True)  # noqa: T201
    threading.Event().wait()


class BlockingAligner(FakeAligner):
    """Recognises the first windows, then blocks."""

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Block at the third window."""
        if self.calls >= COMPLETED_CALLS:
            block()
        return super().recognise(waveform, language)


class BlockingEngine(EmotionEngine):
    """Scores the first batches, then blocks."""

    calls = 0

    def classify(self, features: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Block at the third batch."""
        self.calls += 1
        if self.calls > COMPLETED_CALLS:
            block()
        return super().classify(features)


async def main(bundle: str, folder: str, recording: str, stage: str) -> None:
    """Submit two jobs and wait for ever."""
    settings = Settings(bundle=bundle)
    engine = (
        EmotionEngine(settings, aligner=BlockingAligner())
        if stage == "recognise"
        else BlockingEngine(settings, aligner=FakeAligner())
    )
    jobs = JobRunner(engine, Scheduler(engine, settings), JobSettings(folder=Path(folder), workers=2), Metrics())
    await jobs.start()
    for _ in range(2):
        with Path(recording).open("rb") as file:
            [job] = await jobs.submit([JobUpload(file)], AnalysisRequest())
        print(job.id, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
