"""The client against a running service."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import httpx
import pytest

from alignment.errors import AlignerFailedError
from can_ser_client import (
    AsyncClient,
    Client,
    JobFailedError,
    JobOut,
    LiveDone,
    PredictOut,
    Progress,
    RefusedError,
    RetryPolicy,
    UnreachableError,
    UtteranceOut,
    UtteranceResult,
    UtteranceStarted,
)
from can_ser_client.fields import ExportFormat, Fields, JobFields, make_form
from service import Client as ProductClient
from service.http.forms import CALLBACK, JOB_FIELDS, PREDICT_FIELDS
from service.http.middleware.authentication import make_key
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.http.test_stream import spoken
from tests.service.jobs.receiver import allow, run_receiver
from tests.service.serving import run_server
from tests.waiting import wait_until

ONCE = RetryPolicy(attempts=1)
RECORDING = encode(noise(3.0))
WORDS = [("the", 0.5, 0.9), ("zumba", 0.9, 1.4)]


@pytest.fixture
def url(settings: Settings, aligner: FakeAligner) -> Iterator[str]:
    with run_server(settings, aligner) as server:
        yield server.url


def frames(pcm: bytes) -> Iterator[bytes]:
    for start in range(0, len(pcm), 6_400):
        yield pcm[start : start + 6_400]


async def asynchronous(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    for item in items:
        yield item
        await asyncio.sleep(0)


def broken_source() -> Iterator[bytes]:
    yield bytes(6_400)
    raise OSError("the microphone was unplugged")


def test_product_exports_the_same_client() -> None:
    assert ProductClient is Client


def test_fields_are_those_of_the_service() -> None:
    examples = {"words": WORDS, "segments": [(0.0, 1.0)]}
    for fields, accepted in ((Fields, PREDICT_FIELDS), (JobFields, (*JOB_FIELDS, CALLBACK))):
        assert make_form({name: examples.get(name, "a") for name in accepted}, fields).keys() == set(accepted)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as refused:
        make_form({"x": "a"}, Fields)  # type: ignore[arg-type]
    assert set(str(refused.value).partition("choose ")[2].split(", ")) == set(PREDICT_FIELDS)


def test_predict_events_and_served_model(url: str) -> None:
    with Client(url, retries=ONCE) as client:
        response = client.predict(RECORDING, words=WORDS, explain="full")
        *events, last = client.events(RECORDING)
        limits = client.served_model().limits
    assert [word.word for word in response.utterances[0].words] == ["the", "zumba"]
    assert {type(event) for event in events} == {Progress, UtteranceOut}
    assert isinstance(last, PredictOut)
    assert limits.max_audio_s == 10


def test_refusals_of_the_service(url: str) -> None:
    with Client(url, retries=ONCE) as client:
        with pytest.raises(RefusedError) as conflicting:
            client.predict(RECORDING, transcript="the", words=WORDS)
        with pytest.raises(RefusedError) as undecodable:
            next(client.events(b"no sound"))
        with pytest.raises(RefusedError) as unknown:
            client.jobs.get("unknown")
    codes = [refused.value.code for refused in (conflicting, undecodable, unknown)]
    assert codes == ["conflicting-fields", "not-audio", "unknown-job"]
    assert all(refused.value.request_id for refused in (conflicting, undecodable, unknown))


def test_callback_of_a_job(settings: Settings, aligner: FakeAligner) -> None:
    with run_receiver() as receiver:
        jobs = allow(settings.jobs, f"http://127.0.0.1:{receiver.port}")
        with (
            run_server(settings.model_copy(update={"jobs": jobs}), aligner) as server,
            Client(server.url, retries=ONCE) as client,
        ):
            job = client.jobs.submit(RECORDING, callback=receiver.url)
            wait_until(lambda: client.jobs.get(job.id).callback.status == "delivered")  # type: ignore[union-attr]
            with pytest.raises(RefusedError) as refused:
                client.jobs.submit(RECORDING, callback="https://hooks.example.org/")
    assert job.callback is not None
    assert refused.value.code == "callback-refused"
    assert len(receiver.requests) == 1


def test_jobs(url: str, aligner: FakeAligner) -> None:
    statuses: list[JobOut] = []
    with Client(url, retries=ONCE) as client:
        job = client.jobs.submit(RECORDING)
        assert client.jobs.wait(job.id, poll_s=0.05, timeout_s=60, on_progress=statuses.append).utterances
        client.jobs.delete(job.id)
        with pytest.raises(RefusedError):
            client.jobs.get(job.id)
        aligner.error = AlignerFailedError("fake", "configured by a test")
        failed = client.jobs.submit(RECORDING)
        with pytest.raises(JobFailedError) as failure:
            client.jobs.wait(failed.id, poll_s=0.05, timeout_s=60)
    assert (statuses[-1].status, failure.value.code) == ("done", "aligner-failed")


def test_several_jobs_and_their_list(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(RECORDING)
    with Client(url, retries=ONCE) as client:
        jobs = client.jobs.submit_all([tmp_path / "a.wav", RECORDING], explain="false")
        assert [job.file for job in jobs] == ["a.wav", "recording"]
        for job in jobs:
            client.jobs.wait(job.id, poll_s=0.05, timeout_s=60)
        [last] = client.jobs.submit_all([RECORDING])
        assert last.address == f"/jobs/{last.id}"
        client.jobs.wait(last.id, poll_s=0.05, timeout_s=60)
        assert [job.id for job in client.jobs.list()] == [last.id, jobs[1].id, jobs[0].id]
        assert [job.file for job in client.jobs.list(status="done")][-1] == "a.wav"
        for job in client.jobs.list():
            client.jobs.delete(job.id)
        assert list(client.jobs.list()) == []


def test_pages_of_jobs_are_requested_as_needed() -> None:
    entry: dict[str, object] = {"status": "done", "created_at": "2026-01-01T00:00:00Z", "expires_at": None}
    entry |= {"progress": {"done_s": 1.0, "total_s": 1.0}}
    queries: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        queries.append(request.url.params.get("cursor", ""))
        number = len(queries)
        job = entry | {"id": str(number), "address": f"/jobs/{number}"}
        return httpx.Response(200, json={"jobs": [job], "next_cursor": f"{number}_a" if number < 3 else None})

    with Client(transport=httpx.MockTransport(respond)) as client:
        jobs = client.jobs.list(status="done")
        assert next(jobs).id == "1"
        assert queries == [""]
        assert [job.id for job in jobs] == ["2", "3"]
    assert queries == ["", "1_a", "2_a"]


def test_wait_for_job_ends_at_its_timeout(url: str, aligner: FakeAligner) -> None:
    aligner.gate.clear()
    with Client(url, retries=ONCE) as client:
        job = client.jobs.submit(RECORDING)
        with pytest.raises(TimeoutError, match=f"job {job.id} is"):
            client.jobs.wait(job.id, poll_s=0.01, timeout_s=0.05)
        aligner.gate.set()
        assert client.jobs.wait(job.id, poll_s=0.05, timeout_s=60).utterances


def test_exports(url: str) -> None:
    with Client(url, retries=ONCE) as client:
        response = client.predict(RECORDING, explain="full")
        job = client.jobs.submit(RECORDING)
        client.jobs.wait(job.id, poll_s=0.05, timeout_s=60)
        for name in get_args(ExportFormat):
            assert client.export(response, name)
            assert client.jobs.export(job.id, name)
        prefixed = client.export(response, "srt", subtitle_emotions="prefix").decode()
        assert f"[{response.emotion}" in prefixed
        assert client.jobs.export(job.id, "srt", subtitle_emotions="prefix").decode() == prefixed
        assert client.export(response, "rttm", name="a.wav").startswith(b"SPEAKER a 1 ")
        with pytest.raises(RefusedError) as refused:
            client.export(response.model_copy(update={"probabilities": {}}), "srt")
    assert refused.value.code == "invalid-answer"


def test_live_speech(url: str) -> None:
    with Client(url) as client:
        first, *_, last = client.live(frames(spoken()))
        *_, telephone = client.live(frames(b"\xff" * 16_000), rate_hz=8_000, encoding="mulaw")
        with pytest.raises(RefusedError) as refused:
            list(client.live(frames(spoken()), rate_hz=1))
        with pytest.raises(OSError, match="unplugged"):
            list(client.live(broken_source()))
        for event in client.live(chain.from_iterable(frames(spoken()) for _ in range(100))):
            if isinstance(event, UtteranceResult):
                break  # The caller may leave before the end.
    assert isinstance(first, UtteranceStarted)
    assert isinstance(last, LiveDone)
    assert last.emotion
    assert isinstance(telephone, LiveDone)
    assert telephone.duration_s == pytest.approx(2.0, abs=0.05)
    assert refused.value.code == "bad-frame"


def test_asynchronous_client(url: str) -> None:
    async def use() -> None:
        async with AsyncClient(url, retries=ONCE) as client:
            assert (await client.predict(RECORDING)).utterances
            assert (await client.served_model()).labels
            assert isinstance([event async for event in client.events(RECORDING)][-1], PredictOut)
            job = await client.jobs.submit(RECORDING)
            result = await client.jobs.wait(job.id, poll_s=0.05, timeout_s=60)
            assert (await client.export(result, "vtt", subtitle_emotions="class")).startswith(b"WEBVTT")
            assert (await client.jobs.export(job.id, "vtt")).startswith(b"WEBVTT")
            await client.jobs.delete(job.id)
            assert isinstance([event async for event in client.live(asynchronous(frames(spoken())))][-1], LiveDone)
            with pytest.raises(OSError, match="unplugged"):
                [event async for event in client.live(asynchronous(broken_source()))]
            with pytest.raises(RefusedError):
                [event async for event in client.live(asynchronous(frames(spoken())), rate_hz=1)]

    asyncio.run(use())


def test_key_is_needed_for_each_kind_of_request(settings: Settings, aligner: FakeAligner) -> None:
    key, digest = make_key()
    with run_server(settings.model_copy(update={"api_keys": [digest]}), aligner) as server:
        with Client(server.url, retries=ONCE) as client:
            for call in (client.served_model, lambda: client.jobs.submit(RECORDING), lambda: client.predict(RECORDING)):
                with pytest.raises(RefusedError, match="API key"):
                    call()
            with pytest.raises(RefusedError):
                list(client.live(frames(spoken())))
        with Client(server.url, api_key=key, retries=ONCE) as client:
            assert isinstance(list(client.live(frames(spoken())))[-1], LiveDone)
            assert client.predict(RECORDING).utterances


def test_stopped_service_is_unreachable(settings: Settings, aligner: FakeAligner) -> None:
    with run_server(settings, aligner) as server:
        address = server.url
    with Client(address, retries=ONCE) as client:
        with pytest.raises(UnreachableError, match=address):
            client.predict(RECORDING)
        with pytest.raises(UnreachableError):
            list(client.live([bytes(6_400)]))
