import asyncio
import io
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from alignment.errors import AlignerFailedError
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.inference.scheduler import Scheduler
from service.inference.worker_pool import Upload
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import read_events

EVENTS = {"accept": "text/event-stream"}


def test_events_progress_utterance_result(client: TestClient) -> None:
    data = encode(noise(3.0))
    response = client.post("/predict", files={"file": data}, headers=EVENTS)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = read_events(response.text)
    assert [name for name, _ in events] == ["progress", "utterance", "progress", "result"]
    assert events[0][1] == {"stage": "recognise", "done_s": 0.0, "total_s": 3.0}
    assert events[2][1]["done_s"] == 3.0
    result = events[-1][1]
    assert result["utterances"] == [events[1][1]]
    plain = client.post("/predict", files={"file": data}).json()
    del plain["timings_ms"], result["timings_ms"]
    assert result == plain


def test_long_recording_is_reported_per_window(settings: Settings, aligner: FakeAligner) -> None:
    """Times count from the start of the recording, and the result equals that of `EmotionEngine.analyse`."""
    engine = EmotionEngine(settings.model_copy(update={"max_audio_s": 100}), aligner=aligner)
    data = encode(np.tile(noise(1.0), 70), subtype="PCM_16")
    events: list[Any] = []

    async def analyse() -> Any:
        scheduler = Scheduler(engine, settings)
        async with scheduler.admit() as context:
            analysis = await scheduler.analyse(context, Upload(io.BytesIO(data)), AnalysisRequest(), events.append)
        scheduler.close()
        return analysis

    analysis = asyncio.run(analyse())
    first, second = [scored.utterance for scored in analysis.utterances]
    assert 30 <= second.start_s == second.words[0].start_s <= 60
    assert second.words[1].end_s - second.start_s == pytest.approx(first.words[1].end_s - first.start_s)
    assert [type(event).__name__ for event in events] == ["Progress", *["ScoredUtterance", "Progress"] * 2]
    direct = engine.analyse(data)
    assert [scored.utterance for scored in direct.utterances] == [first, second]
    np.testing.assert_allclose(direct.probabilities, analysis.probabilities, atol=1e-5)


def test_early_refusal_has_its_own_status(client: TestClient) -> None:
    response = client.post("/predict", files={"file": b"not audio"}, headers=EVENTS)
    assert (response.status_code, response.headers["content-type"]) == (415, "application/problem+json")


def test_late_error_is_an_event(client: TestClient, aligner: FakeAligner) -> None:
    for error, status in ((AlignerFailedError("fake", "it fell over"), 503), (KeyError("a secret"), 500)):
        aligner.error = error
        events = read_events(client.post("/predict", files={"file": encode(noise(1.0))}, headers=EVENTS).text)
        assert [name for name, _ in events] == ["progress", "error"]
        assert events[-1][1]["status"] == status
        assert "secret" not in json.dumps(events)
