"""Two Ray nodes answer as one process does, and lose nothing when one of them dies."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.builders import ROOT, encode, noise, speech
from tests.comparing import assert_same_result
from tests.service.cluster.cluster_fixture import TwoNodes
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: make install-cluster")
WORDS = json.dumps([{"word": "she", "start": 0.25, "end": 0.5}, {"word": "paid", "start": 0.5, "end": 0.9}])
MANIFEST = ROOT / "docker" / "kuberay" / "rayservice.yaml"


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same application with its models beside it."""
    settings = Settings(aligner="pocketsphinx", max_waiting=64)
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, 60)
        yield client


@pytest.mark.parametrize(
    "fields",
    [{}, {"transcript": "she paid forty two dollars for the old book"}, {"words": WORDS, "explain": "full"}],
    ids=["recognised", "aligned", "given"],
)
def test_the_same_answers(two_nodes: TwoNodes, one_process: TestClient, fields: dict[str, str]) -> None:
    data = speech("numbers")
    got = two_nodes.predict(data, **fields)
    assert got.status_code == 200, got.text
    assert_same_result(got.json(), one_process.post("/predict", files={"file": data}, data=fields).json())


@pytest.mark.parametrize(
    ("data", "fields", "status"),
    [
        (b"", {}, 400),
        (b"not audio", {}, 415),
        (encode(np.zeros(16_000, np.float32)), {}, 422),
        (encode(0.01 * noise(1.0)), {}, 422),
        (encode(noise(1.0)), {"words": "["}, 400),
        (encode(noise(1.0)), {"aligner": "whisperx"}, 422),
        (encode(noise(1.0)), {"language": "de"}, 422),
        (encode(noise(1.0)), {"transcript": "one word " * 100}, 422),
    ],
)
def test_the_same_problems(
    two_nodes: TwoNodes, one_process: TestClient, data: bytes, fields: dict[str, str], status: int
) -> None:
    """Those that a replica on another node finds among them."""
    got = two_nodes.predict(data, **fields)
    expected = one_process.post("/predict", files={"file": data}, data=fields)
    assert (got.status_code, expected.status_code) == (status, status)
    assert got.headers["content-type"] == expected.headers["content-type"] == "application/problem+json"
    assert_same_result(got.json() | {"request_id": ""}, expected.json() | {"request_id": ""})


def test_what_is_around_it(two_nodes: TwoNodes, one_process: TestClient) -> None:
    assert two_nodes.client.get("/model").json() == one_process.get("/model").json()
    assert two_nodes.client.get("/health/live").json() == {"status": "live"}
    assert "can_batch_requests_bucket" in two_nodes.client.get("/metrics").text
    assert "<html" in two_nodes.client.get("/").text
    named = two_nodes.client.get("/model", headers={"X-Request-ID": "6f1c9a5e-6d35-4c1e-9f2e-0f6a3c1d2b4a"})
    assert named.headers.get_list("x-request-id") == ["6f1c9a5e-6d35-4c1e-9f2e-0f6a3c1d2b4a"]
    missing = two_nodes.client.get("/jobs/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")


def test_events(two_nodes: TwoNodes) -> None:
    headers = {"Accept": "text/event-stream"}
    response = two_nodes.client.post("/predict", files={"file": speech("numbers")}, headers=headers)
    events = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    assert (events[0], events[-1]) == ("progress", "result")
    assert "utterance" in events


def test_a_node_dies_and_no_request_with_it(two_nodes: TwoNodes, one_process: TestClient) -> None:
    """Sixteen requests of two kinds, entered at the head and asked once; both aligners are busy when one dies."""
    data = speech("numbers")
    kinds: list[dict[str, str]] = [{}, {"words": WORDS}]
    expected = [one_process.post("/predict", files={"file": data}, data=fields).json() for fields in kinds]

    def ask(number: int) -> Any:
        return two_nodes.predict(data, **kinds[number % 2])

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(16)]
        wait_until(lambda: sum(future.done() for future in asked) >= 2, 60)
        two_nodes.kill_worker()
        answers = [future.result() for future in asked]
    assert [answer.status_code for answer in answers] == [200] * 16
    for number, answer in enumerate(answers):
        assert_same_result(answer.json(), expected[number % 2])
    wait_until(lambda: "replica lost" in two_nodes.log.read_text())


def test_the_manifest_is_one_that_serve_takes() -> None:
    import yaml
    from ray.serve.schema import ServeDeploySchema

    manifest = yaml.safe_load(MANIFEST.read_text())
    [application] = ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"])).applications
    assert application.import_path == "service.cluster:app"
    assert {deployment.name for deployment in application.deployments} == {"Ingress", "Aligner", "Classifier"}
