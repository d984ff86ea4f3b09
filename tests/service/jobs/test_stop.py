"""Stop of the job runner while it is woken."""

import asyncio

import pytest

from service.inference.engine import EmotionEngine
from service.inference.scheduler import Scheduler
from service.jobs.runner import JobRunner
from service.observability.metrics import Metrics
from service.observability.tracing import NoTraces
from service.settings import Settings
from tests.fakes import FakeAligner


@pytest.mark.parametrize("turns", range(5))
def test_stop_in_the_moment_a_job_arrives_is_not_lost(turns: int, settings: Settings, aligner: FakeAligner) -> None:
    """Whichever turn of the event loop it is; `asyncio.wait_for` of Python 3.11 swallows a cancellation in some."""
    engine = EmotionEngine(settings, aligner=aligner)

    async def stop_while_woken() -> None:
        scheduler = Scheduler(engine, settings)
        runner = JobRunner(engine, scheduler, settings.jobs, Metrics(), NoTraces())
        try:
            await runner.start()
            # The worker has looked for jobs and sleeps until the event is set.
            while runner._added.is_set() or not runner._added._waiters:
                await asyncio.sleep(0)
            runner._added.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await runner.close()
        finally:
            scheduler.close()

    asyncio.run(stop_while_woken())
