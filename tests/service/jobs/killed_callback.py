"""A process to be killed during a callback: python -m tests.service.jobs.killed_callback BUNDLE FOLDER RECORDING URL.

Prints the id of a job, then runs for ever.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.jobs.callback_table import NewCallback
from service.jobs.runner import JobRunner
from service.jobs.uploads import JobUpload
from service.observability.metrics import Metrics
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.jobs.receiver import allow


async def main(bundle: str, folder: str, recording: str, url: str) -> None:
    """Submit a job and wait for ever."""
    settings = Settings(bundle=bundle)
    engine = EmotionEngine(settings, aligner=FakeAligner())
    host = f"http://{urlsplit(url).netloc}"
    jobs = JobRunner(engine, Scheduler(engine, settings), allow(JobSettings(folder=Path(folder)), host), Metrics())
    await jobs.start()
    with Path(recording).open("rb") as file:
        [job] = await jobs.submit([JobUpload(file)], AnalysisRequest(), callback=NewCallback(url))
    print(job.id, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
