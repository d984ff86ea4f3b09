"""A process that is killed during jobs: python -m tests.service.jobs.killed_job BUNDLE FOLDER RECORDING STAGE.

It prints the names of two jobs, and `held` once some of their windows are answered and STAGE (`recognise`, or
`classify` with a batch in hand) will not go on: there it waits.
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
from service.observability.metrics import Metrics
from service.settings import JobSettings, Settings
from tests.fakes import FakeAligner

GOOD_CALLS = 2


def hold() -> None:
    """Says so, and never ends."""
    print("held", flush=True)  # noqa: T201
    threading.Event().wait()


class HeldAligner(FakeAligner):
    """Answers the first windows, then never again."""

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Holds on at the third window."""
        if self.calls >= GOOD_CALLS:
            hold()
        return super().recognise(waveform, language)


class HeldEngine(EmotionEngine):
    """Scores the first batches, then never again."""

    calls = 0

    def classify(self, features: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Holds on at the third batch."""
        self.calls += 1
        if self.calls > GOOD_CALLS:
            hold()
        return super().classify(features)


async def main(bundle: str, folder: str, recording: str, stage: str) -> None:
    """Never ends by itself."""
    settings = Settings(bundle=bundle)
    engine = (
        EmotionEngine(settings, aligner=HeldAligner())
        if stage == "recognise"
        else HeldEngine(settings, aligner=FakeAligner())
    )
    jobs = JobRunner(engine, Scheduler(engine, settings), JobSettings(folder=Path(folder), workers=2), Metrics())
    for _ in range(2):
        with Path(recording).open("rb") as file:
            job = await jobs.submit(file, AnalysisRequest())
        print(job.id, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
