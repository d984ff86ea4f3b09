"""Order in which live speech, requests and jobs reach the aligner."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

from alignment.priority import Priority
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.http.test_stream import END, read_all, send, spoken
from tests.service.serving import run_app, state_of
from tests.waiting import wait_until

WAV = encode(noise(2.0))


def predict(client: TestClient) -> int:
    return client.post("/predict", files={"file": WAV}).status_code


def wait_for_queue(client: TestClient, length: int) -> None:
    wait_until(lambda: state_of(client).scheduler.waiting["recognise"] == length)


@contextmanager
def live_utterance(client: TestClient) -> Iterator[None]:
    """An utterance that waits for the aligner at the start of the block, and has a result at its end."""
    with client.websocket_connect("/stream") as session:
        send(session, spoken()[:48_000])
        session.send_text(END)
        yield
        messages, code = read_all(session)
    assert ([message["type"] for message in messages][1], code) == ("utterance.result", 1000)


def test_live_speech_is_served_first_and_jobs_last(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine the job would otherwise have waited for long enough to count as a request.
    monkeypatch.setattr("alignment.priority.PATIENCE_S", 600.0)
    with run_app(settings, aligner) as client, ThreadPoolExecutor(2) as pool:
        aligner.gate.clear()
        first = pool.submit(predict, client)
        wait_until(lambda: aligner.calls == 1)
        job = client.post("/jobs", files={"file": WAV})
        wait_for_queue(client, 1)
        request = pool.submit(predict, client)
        wait_for_queue(client, 2)
        with live_utterance(client):
            wait_for_queue(client, 3)
            assert aligner.calls == 1
            aligner.gate.set()
        assert (first.result(), request.result()) == (200, 200)
        wait_until(lambda: client.get(job.headers["location"]).json()["status"] == "done")
    assert aligner.priorities == [Priority.REQUEST, Priority.LIVE, Priority.REQUEST, Priority.BACKGROUND]
