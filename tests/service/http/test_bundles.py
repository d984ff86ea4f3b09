"""Several bundles at once: choice by request, one recognition for all, /model, jobs, live speech, metrics."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from can_ser_client import AsyncClient, Client
from can_ser_client.schemas import PredictOut
from model.bundle import Bundle
from service.settings import Settings
from tests.builders import encode, noise, write_tiny_bundle
from tests.fakes import FakeAligner
from tests.service.serving import read_events, run_app, run_server
from tests.waiting import wait_until

WAV = encode(noise(3.0))
WORDS = json.dumps([{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 2.0, "end": 2.4}])


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "second", seed=7, alpha=0.4)


@pytest.fixture
def both(settings: Settings, tiny_bundle: Bundle, second: Path) -> Settings:
    return settings.model_copy(update={"bundles": (str(tiny_bundle.folder), str(second))})


@pytest.fixture
def client(both: Settings, aligner: FakeAligner) -> Iterator[TestClient]:
    with run_app(both, aligner) as test_client:
        yield test_client


@pytest.fixture
def alone(settings: Settings, second: Path) -> Iterator[TestClient]:
    """A service with the second bundle only."""
    only = settings.model_copy(
        update={
            "bundle": str(second),
            "jobs": settings.jobs.model_copy(update={"folder": settings.jobs.folder / "alone"}),
        }
    )
    with run_app(only, FakeAligner()) as test_client:
        yield test_client


def predict(client: TestClient, **fields: str) -> Any:
    response = client.post("/predict", files={"file": WAV}, data=fields)
    assert response.status_code == 200, response.text
    return response.json()


def close(first: dict[str, float], other: dict[str, float]) -> bool:
    return first.keys() == other.keys() and np.allclose([*first.values()], [*other.values()], atol=1e-5)


def test_first_bundle_is_the_default(client: TestClient) -> None:
    result = predict(client)
    assert result["model"]["name"] == "tiny"
    assert "others" not in result


@pytest.mark.parametrize("fields", [{}, {"words": WORDS}, {"transcript": "in the garden"}])
def test_named_bundle_scores_as_if_it_were_served_alone(
    client: TestClient, alone: TestClient, fields: dict[str, str]
) -> None:
    named, only = predict(client, bundle="second", **fields), predict(alone, **fields)
    assert named["model"]["name"] == only["model"]["name"] == "second"
    assert close(named["probabilities"], only["probabilities"])
    assert not close(named["probabilities"], predict(client, **fields)["probabilities"])


@pytest.mark.parametrize("fields", [{}, {"words": WORDS}, {"words": WORDS, "explain": "occlusion"}])
def test_several_bundles_share_one_recognition(
    client: TestClient, aligner: FakeAligner, fields: dict[str, str]
) -> None:
    alone = {name: predict(client, bundle=name, **fields) for name in ("tiny", "second")}
    before = aligner.calls
    result = predict(client, bundle="second, tiny", **fields)
    assert aligner.calls - before == ("words" not in fields)
    [other] = result["others"]
    assert (result["model"]["name"], other["model"]["name"]) == ("second", "tiny")
    for each, name in ((result, "second"), (other, "tiny")):
        assert close(each["probabilities"], alone[name]["probabilities"])
        assert each["emotion"] == alone[name]["emotion"]
        words = [[word["word"] for word in u["words"]] for u in each["utterances"]]
        assert words == [[word["word"] for word in u["words"]] for u in alone[name]["utterances"]]
    assert set(other) <= {
        *("model", "emotion", "probabilities", "confidence", "uncertain", "uncertain_reasons"),
        *("utterances", "warnings"),
    }


def test_long_recording_is_scored_by_several_bundles(both: Settings, aligner: FakeAligner) -> None:
    data = encode(np.tile(np.concatenate([noise(2.0), np.zeros(8_000, np.float32)]), 40))
    with run_app(both.model_copy(update={"max_audio_s": 200, "max_upload_bytes": 9_000_000}), aligner) as client:
        response = client.post(
            "/predict", files={"file": data}, data={"bundle": "tiny,second"}, headers={"accept": "text/event-stream"}
        )
    events = read_events(response.text)
    utterances = [payload for name, payload in events if name == "utterance"]
    name, result = events[-1]
    assert (name, result["model"]["name"]) == ("result", "tiny")
    assert result["utterances"] == utterances
    [other] = result["others"]
    assert [each["start_s"] for each in other["utterances"]] == [each["start_s"] for each in utterances]
    assert len(utterances) > 1


def test_each_speaker_is_scored_by_several_bundles(client: TestClient) -> None:
    stereo = encode(np.stack([noise(3.0), noise(3.0, seed=1)], axis=1))
    fields = {"bundle": "tiny,second", "speakers": "channels"}
    result = client.post("/predict", files={"file": stereo}, data=fields).json()
    for each in (result, *result["others"]):
        assert [speaker["speaker"] for speaker in each["speakers"]] == ["channel 1", "channel 2"]


def test_bundle_of_a_recording_as_body(client: TestClient) -> None:
    response = client.post("/predict?bundle=second", content=WAV, headers={"content-type": "audio/wav"})
    assert response.json()["model"]["name"] == "second"


@pytest.mark.parametrize("address", ["/predict", "/jobs"])
@pytest.mark.parametrize("bundle", ["third", "tiny,third", "x" * 900])
def test_unknown_bundle_is_refused_with_the_names(client: TestClient, address: str, bundle: str) -> None:
    response = client.post(address, files={"file": WAV}, data={"bundle": bundle})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "unknown-bundle")
    assert "choose tiny or second" in problem["detail"]
    assert len(problem["detail"]) < 250


def test_repeated_names_count_once(client: TestClient) -> None:
    assert "others" not in predict(client, bundle="tiny,tiny, ")


@pytest.mark.parametrize("words", [None, WORDS])
def test_job_with_several_bundles(client: TestClient, words: str | None) -> None:
    fields = {"bundle": "tiny,second", **({"words": words} if words else {})}
    address = client.post("/jobs", files={"file": WAV}, data=fields).headers["location"]
    wait_until(lambda: client.get(address).json()["status"] == "done")
    job, result = client.get(address).json()["result"], predict(client, **fields)
    assert job["model"]["name"] == "tiny"
    assert close(job["probabilities"], result["probabilities"])
    [in_job], [at_once] = job["others"], result["others"]
    assert in_job["model"] == at_once["model"]
    assert close(in_job["probabilities"], at_once["probabilities"])
    assert len(in_job["utterances"]) == len(at_once["utterances"])


def test_live_connection_with_a_bundle(client: TestClient) -> None:
    with client.websocket_connect("/stream?bundle=second") as socket:
        socket.send_json({"type": "end"})
        assert socket.receive_json()["type"] == "done"


@pytest.mark.parametrize(("bundle", "code"), [("third", "unknown-bundle"), ("tiny,second", "bad-frame")])
def test_live_connection_with_a_wrong_bundle_is_refused(client: TestClient, bundle: str, code: str) -> None:
    with client.websocket_connect(f"/stream?bundle={bundle}") as socket:
        message = socket.receive_json()
    assert (message["type"], message["problem"]["code"]) == ("error", code)


def test_model_lists_all_bundles(client: TestClient) -> None:
    served = client.get("/model").json()
    assert served["name"] == "tiny"
    assert [each["name"] for each in served["bundles"]] == ["tiny", "second"]
    for each in served["bundles"]:
        assert each["labels"]
        assert (each["front_end"], each["licence"]) == ("mfcc", "Apache-2.0")


def test_metrics_count_recordings_by_bundle(client: TestClient) -> None:
    predict(client, bundle="tiny,second")
    predict(client, bundle="second")
    text = client.get("/metrics").text
    assert 'can_recordings_total{bundle="tiny"} 1.0' in text
    assert 'can_recordings_total{bundle="second"} 2.0' in text
    assert 'bundles="tiny,second"' in text


def test_worker_processes_leave_other_bundles_to_threads(both: Settings, aligner: FakeAligner) -> None:
    names = ("second", "tiny", "tiny,second") * 3
    with run_server(both.model_copy(update={"scorers": 1}), aligner) as server, ThreadPoolExecutor(3) as senders:

        def send(bundle: str) -> str:
            fields = {"words": WORDS, "bundle": bundle}
            return str(server.client.post("/predict", files={"file": WAV}, data=fields).json()["model"]["name"])

        assert list(senders.map(send, names)) == [bundle.split(",")[0] for bundle in names]


def test_client_names_bundles(both: Settings, aligner: FakeAligner) -> None:
    with run_server(both, aligner) as server, Client(server.url) as client:
        assert [each.name for each in client.served_model().bundles] == ["tiny", "second"]
        result = client.predict(WAV, bundle=["second", "tiny"])
        assert (result.model.name, [each.model.name for each in result.others]) == ("second", ["tiny"])
        assert client.predict(WAV, bundle="second").others == []
        job = client.jobs.submit(WAV, bundle="second")
        assert client.jobs.wait(job.id, poll_s=0.05).model.name == "second"


def test_async_client_names_bundles(both: Settings, aligner: FakeAligner) -> None:
    async def send(url: str) -> PredictOut:
        async with AsyncClient(url) as client:
            return await client.predict(WAV, bundle=["tiny", "second"])

    with run_server(both, aligner) as server:
        result = asyncio.run(send(server.url))
    assert [each.model.name for each in result.others] == ["second"]


def test_model_of_the_openai_path_names_a_bundle(client: TestClient) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert [each["bundle"] for each in listed[:2]] == ["tiny", "second"]
    for name, bundle in (("second", "second"), ("whisper-1", "tiny")):
        fields = {"model": name, "response_format": "verbose_json"}
        response = client.post("/v1/audio/transcriptions", files={"file": ("a.wav", WAV)}, data=fields)
        assert response.status_code == 200, response.text
        [segment] = response.json()["segments"]
        assert close(segment["probabilities"], predict(client, bundle=bundle)["utterances"][0]["probabilities"])
