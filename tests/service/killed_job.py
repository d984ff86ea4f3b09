"""A process that is killed in the middle of a job: python -m tests.service.killed_job BUNDLE FOLDER RECORDING.

It prints the job's name once the first window is answered and the second one is being recognised, and waits there.
"""

import asyncio
import sys
from pathlib import Path

from alignment.audio import Waveform
from alignment.words import Transcript
from service.engine import EmotionEngine
from service.jobs import JobRequest, Jobs
from service.metrics import Metrics
from service.settings import JobSettings, Settings
from service.stages import Stages
from tests.fakes import FakeAligner


class HeldAligner(FakeAligner):
    """Answers the first window, then never again."""

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Holds on at the second window, and says so."""
        if self.calls:
            print("held", flush=True)  # noqa: T201
            self.gate.clear()
            self.gate.wait()
        return super().recognise(waveform, language)


async def main(bundle: str, folder: str, recording: str) -> None:
    """Never ends by itself."""
    settings = Settings(bundle=bundle)
    engine = EmotionEngine(settings, aligner=HeldAligner())
    jobs = Jobs(engine, Stages(engine, settings), JobSettings(folder=Path(folder)), Metrics())
    with Path(recording).open("rb") as file:
        job = await jobs.submit(file, JobRequest())
    print(job.id, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
