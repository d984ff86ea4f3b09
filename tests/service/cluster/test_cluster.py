"""Two Ray nodes: results equal to those of one process, resumed bulk runs, and no lost request when a node dies.

All tests that use the two nodes are in this file, because `make test` distributes files to processes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from service.app import create_app
from service.inference.engine import EmotionEngine
from service.settings import Settings
from service.sources import find_archive
from tests.builders import ROOT, SPEECH, encode, noise, speech
from tests.comparing import assert_same_result
from tests.service.cluster.cluster_fixture import TwoNodes, environment, run_two_nodes
from tests.service.serving import read_events
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: make install-cluster"),
]
WORDS = json.dumps([{"word": "she", "start": 0.25, "end": 0.5}, {"word": "paid", "start": 0.5, "end": 0.9}])
MANIFEST = ROOT / "docker" / "kuberay" / "rayservice.yaml"


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    """The service on two Ray nodes, with the embedded aligner and the shipped weights; starts in about 20 s."""
    with run_two_nodes(tmp_path_factory.mktemp("two-nodes")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same application with its models in the same process."""
    settings = Settings(aligner="moonshine", max_waiting=64)
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, 60)
        yield client


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"transcript": "she paid forty two dollars for the old book"},
        {"words": WORDS, "explain": "full"},
        {"words": WORDS, "explain": "occlusion"},
    ],
    ids=["recognised", "aligned", "given", "occluded"],
)
def test_results_equal_one_process(two_nodes: TwoNodes, one_process: TestClient, fields: dict[str, str]) -> None:
    data = speech("numbers")
    response = two_nodes.predict(data, **fields)
    assert response.status_code == 200, response.text
    assert_same_result(response.json(), one_process.post("/predict", files={"file": data}, data=fields).json())


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
def test_problems_equal_one_process(
    two_nodes: TwoNodes, one_process: TestClient, data: bytes, fields: dict[str, str], status: int
) -> None:
    """Including errors that are raised in a replica on another node."""
    response = two_nodes.predict(data, **fields)
    expected = one_process.post("/predict", files={"file": data}, data=fields)
    assert (response.status_code, expected.status_code) == (status, status)
    assert response.headers["content-type"] == expected.headers["content-type"] == "application/problem+json"
    assert_same_result(response.json() | {"request_id": ""}, expected.json() | {"request_id": ""})


def test_other_routes(two_nodes: TwoNodes, one_process: TestClient) -> None:
    assert two_nodes.client.get("/model").json() == one_process.get("/model").json()
    assert two_nodes.client.get("/health/live").json() == {"status": "live"}
    assert "can_batch_requests_bucket" in two_nodes.client.get("/metrics").text
    assert "<html" in two_nodes.client.get("/").text
    response = two_nodes.client.get("/model", headers={"X-Request-ID": "6f1c9a5e-6d35-4c1e-9f2e-0f6a3c1d2b4a"})
    assert response.headers.get_list("x-request-id") == ["6f1c9a5e-6d35-4c1e-9f2e-0f6a3c1d2b4a"]
    for missing in (two_nodes.client.get("/jobs/none"), two_nodes.client.post("/jobs", files={"file": b"x"})):
        assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
        assert "this service keeps no jobs, because it runs in a cluster" in missing.json()["detail"]
    assert "did you mean /predict?" in two_nodes.client.get("/predct").json()["detail"]


def test_server_sent_events(two_nodes: TwoNodes) -> None:
    headers = {"Accept": "text/event-stream"}
    response = two_nodes.client.post("/predict", files={"file": speech("numbers")}, headers=headers)
    events = [name for name, _ in read_events(response.text)]
    assert (events[0], events[-1]) == ("progress", "result")
    assert "utterance" in events


RUN_BULK = """
import sys
from pathlib import Path
from service.cli.bulk import BulkOptions, run_bulk
source, out, address = sys.argv[1:]
sys.exit(run_bulk(BulkOptions([source], Path(out), address, workers=1, aligner="moonshine", flush_s=0)))
"""


def make_archive(folder: Path) -> None:
    """Write short clips, including RAVDESS clips where available, and a bad file."""
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    for number in range(7):
        (folder / f"{number}.wav").write_bytes(encode(samples[: (20 + number) * rate_hz // 10]))
    (folder / "3.bad.wav").write_bytes(b"not audio")
    acted = sorted(Path(os.environ.get("RAVDESS_DIR") or folder / "none").glob("Actor_0[12]/*-01.*"))[:4]
    for clip in acted:
        shutil.copy(clip, folder / f"acted-{clip.name}")


def interrupt_run(command: list[str], parts: Path, by: signal.Signals) -> tuple[int, str, int]:
    """Send a signal to a run after its first part; return its exit status, its errors and the number of parts."""
    before = len(list(parts.glob("[0-9]*.parquet")))
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: process.poll() is not None or len(list(parts.glob("[0-9]*.parquet"))) > before, 240)
        process.send_signal(by)
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors, len(list(parts.glob("[0-9]*.parquet")))


def test_killed_run_resumes_to_identical_table(two_nodes: TwoNodes, tmp_path: Path) -> None:
    """Killed, interrupted, then completed; compared with a single engine that processes all recordings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from service.bulk.workers import ArchiveWorker

    archive, out = tmp_path / "archive", tmp_path / "out.parquet"
    archive.mkdir()
    make_archive(archive)
    names, parts = find_archive([str(archive)], print), out.with_name("out.parquet.parts")
    command = [sys.executable, "-c", RUN_BULK, str(archive), str(out), two_nodes.address]
    killed = interrupt_run(command, parts, signal.SIGKILL)
    interrupted = interrupt_run(command, parts, signal.SIGINT)
    assert (killed[0], interrupted[0]) == (-signal.SIGKILL, 130), interrupted[1]
    assert "run again to resume" in interrupted[1]
    assert 0 < killed[2] < interrupted[2] < len(names)
    command = [sys.executable, "-m", "service.cli.app", "bulk", str(archive), "--out", str(out)]
    finished = subprocess.run(
        [*command, "--aligner", "moonshine"],
        env=environment() | {"RAY_ADDRESS": two_nodes.address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stderr
    assert "recordings are in the table already" in finished.stderr
    assert "1 could not be analysed: 1 not-audio" in finished.stderr
    settings = Settings(aligner="moonshine")
    engine = EmotionEngine(settings)
    reference = ArchiveWorker(settings, engine)
    table = pq.read_table(out)
    expected = pa.Table.from_pylist([reference.row(name) for name in names], table.schema)
    engine.close()
    # Workers and this process may use different numbers of BLAS threads, which changes the rounding of sums.
    assert_same_result(table.to_pylist(), expected.to_pylist())
    assert not parts.exists()


def test_node_failure_loses_no_request(two_nodes: TwoNodes, one_process: TestClient) -> None:
    """Sixteen requests of two kinds to the head node, without retries; both aligners are busy when one dies."""
    data = speech("numbers")
    kinds: list[dict[str, str]] = [{}, {"words": WORDS}]
    expected = [one_process.post("/predict", files={"file": data}, data=fields).json() for fields in kinds]

    def predict(number: int) -> Any:
        return two_nodes.predict(data, **kinds[number % 2])

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(predict, number) for number in range(16)]
        wait_until(lambda: sum(future.done() for future in futures) >= 2, 60)
        two_nodes.kill_worker()
        responses = [future.result() for future in futures]
    assert [response.status_code for response in responses] == [200] * 16
    for number, response in enumerate(responses):
        assert_same_result(response.json(), expected[number % 2])
    wait_until(lambda: "replica lost" in two_nodes.log.read_text())


def test_manifest_fits_schema_of_serve() -> None:
    import yaml
    from ray.serve.schema import ServeDeploySchema

    manifest = yaml.safe_load(MANIFEST.read_text())
    [application] = ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"])).applications
    assert application.import_path == "service.cluster:app"
    assert {deployment.name for deployment in application.deployments} == {"Ingress", "Aligner", "Classifier"}
