"""Names in requests that would have no effect: fields, parameters and addresses that do not exist, and repetitions."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.builders import encode, noise

WAV = encode(noise(3.0))
FILE = ("file", ("speech.wav", WAV))


def detail(response: Any, status: int, code: str) -> str:
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    return str(problem["detail"])


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/predict", {"transcipt": "a"}, "there is no form field `transcipt`; did you mean `transcript`?"),
        ("/predict", {"colour": "red"}, "there is no form field `colour`; choose from file, transcript, words"),
        ("/jobs", {"transcript": "a"}, "`transcript`; this request accepts file, words, language, aligner, bundle"),
        ("/predict", {"x" * 900: "a"}, f"`{'x' * 100}…`"),
    ],
)
def test_unknown_field_is_refused(client: TestClient, path: str, fields: dict[str, str], expected: str) -> None:
    assert expected in detail(client.post(path, files=[FILE], data=fields), 400, "unknown-name")


def test_recording_in_another_field_is_refused(client: TestClient) -> None:
    assert "`files`; did you mean `file`?" in detail(client.post("/predict", files={"files": WAV}), 400, "unknown-name")


def test_repetition_is_refused(client: TestClient) -> None:
    text = detail(client.post("/predict", files=[FILE, FILE]), 400, "malformed-form")
    assert text == "`file` was sent 2 times; send one recording per request"
    repeated = client.post("/predict", files=[FILE], data={"explain": ["full", "false"]})
    assert detail(repeated, 400, "malformed-form") == "`explain` was sent 2 times; send it once"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/predict?explain=full", "`explain`; send it as a field of the form: curl -F 'explain=…'"),
        ("POST", "/predict?format=srt", "`format`; send it as a field of the form: curl -F 'format=…'"),
        ("POST", "/predict?subtitle_emotions=prefix", "curl -F 'subtitle_emotions=…'"),
        ("POST", "/predict?file=a.wav", "`file`; send it as a field of the form: curl -F 'file=@…'"),
        ("POST", "/predict?formt=srt", "did you mean `format`? send it as a field of the form: curl -F 'format=…'"),
        ("POST", "/jobs?callback=http://a", "`callback`; send it as a field of the form: curl -F 'callback=…'"),
        ("POST", "/jobs?lang=en", "did you mean `language`? send it as a field"),
        ("POST", "/jobs?colour=red", "there is no query parameter `colour`; omit it"),
        ("GET", "/jobs?language=en", "there is no query parameter `language`; choose from limit, cursor, status"),
        ("GET", "/model?verbose=1", "there is no query parameter `verbose`; omit it"),
        ("DELETE", "/jobs/some?force", "there is no query parameter `force`; omit it"),
    ],
)
def test_unknown_parameter_is_refused(client: TestClient, method: str, path: str, expected: str) -> None:
    response = client.request(method, path, files=[FILE] if method == "POST" else None)
    assert expected in detail(response, 400, "unknown-name")


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("POST", "/predct", 404, "there is nothing at /predct; did you mean /predict? /docs lists all addresses"),
        ("GET", "/audio/to/text", 404, "nothing at /audio/to/text; /docs lists all addresses"),
        ("GET", "/static/missing.js", 404, "there is nothing at /static/missing.js"),
        ("GET", "/predict", 405, "/predict does not accept GET; use POST, as in curl -F file=@speech.wav …"),
        ("PUT", "/model", 405, "/model does not accept PUT; use GET"),
    ],
)
def test_unknown_address_or_method_has_a_way_out(
    client: TestClient, method: str, path: str, status: int, expected: str
) -> None:
    code = {404: "not-found", 405: "method-not-allowed"}[status]
    assert expected in detail(client.request(method, path), status, code)


def test_every_field_of_a_form_is_recognised_as_a_parameter(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    checked = 0
    for path in ("/predict", "/jobs", "/v1/audio/transcriptions"):
        form = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        for name in form["properties"]:
            response = client.post(path, params={name: "x"}, files=[FILE])
            assert response.status_code == 400
            assert f"curl -F '{name}=" in response.text, (path, name)
            checked += 1
    assert checked > 20
