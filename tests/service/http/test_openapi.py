"""Conformance to the OpenAPI document, by schemathesis, with valid and invalid requests."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, run_server

pytestmark = pytest.mark.slow

WAV = encode(noise(1.0))
WORDS = json.dumps([{"word": "the", "start": 0.1, "end": 0.4}, {"word": "garden", "start": 0.4, "end": 0.9}])
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.unsupported_method,
]
"""Acceptance of schema-conformant data is not checked: a schema cannot describe which bytes are audio."""
OPERATIONS = {
    "POST /predict": {200, 400, 415, 422},
    "POST /export": {200, 400, 422},
    "POST /v1/audio/transcriptions": {200, 400, 404},
    "POST /v1/audio/translations": {400},
    "GET /v1/models": {200},
    "GET /v1/models/{name}": {200, 404},
    "GET /jobs": {200},
    "POST /jobs": {202, 400, 415, 422},
    "GET /jobs/{job_id}": {200, 404},
    "DELETE /jobs/{job_id}": {204, 404},
    "GET /health/live": {200},
    "GET /health/ready": {200},
    "GET /metrics": {200},
    "GET /model": {200},
}
"""Operations, and the statuses that the generated requests must produce at least once."""
SLOW_TO_GENERATE = "POST /export"
"""Its body is a whole response."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Any) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("openapi")
    bounded = Settings.model_validate(
        {
            "bundle": str(tiny_bundle.folder),
            "max_audio_s": 10,
            "jobs": {"folder": folder / "jobs", "max_waiting": 10_000},
            "log_level": "error",
        }
    )
    with run_server(bounded, FakeAligner()) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: RunningServer) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_every_operation_is_tested(document: Any) -> None:
    assert {result.ok().label for result in document.get_all_operations()} == set(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_operation_conforms_to_document(server: RunningServer, document: Any, label: str) -> None:
    method, path = label.split()
    operation = document[path][method]
    statuses: Counter[int] = Counter()

    def create_job() -> str:
        response = server.client.post("/jobs", files={"file": WAV}, data={"words": WORDS})
        return str(response.json()["id"])

    @cache
    def make_answer() -> Any:
        return server.client.post("/predict", files={"file": WAV}, data={"words": WORDS}).json()

    cases = st.one_of(
        *(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)
        if operation.body or len(operation.path_parameters)
        else (operation.as_strategy(),)
    )

    @budget(
        max_examples=15 if method != "POST" else 60 if label == SLOW_TO_GENERATE else 150,
        phases=[Phase.generate],
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=cases, sound=st.sampled_from([None, WAV, WAV]), words=st.sampled_from([None, WORDS]), known=st.booleans()
    )
    def check(case: Any, sound: bytes | None, words: str | None, known: bool) -> None:
        if path == "/export":
            if known:
                case.body = make_answer()
        elif isinstance(case.body, dict) and sound is not None:
            case.body["file"] = [sound] if path == "/jobs" else sound
            if words is not None:
                model = {"model": "tiny" if known else "unknown"}
                case.body = {"file": case.body["file"]} | (model if path.startswith("/v1/") else {"words": words})
        if known and "name" in case.path_parameters:
            case.path_parameters["name"] = "whisper-1"
        if known and "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = create_job()
        response = case.call()
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    check()
    assert OPERATIONS[label] <= set(statuses), statuses
