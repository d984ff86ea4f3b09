"""Warnings of responses whose body has no place for them."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.exports.formats import FORMATS
from service.http.warning_header import MAX_BYTES, NAME, warning_headers
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.exports.answers import make_answer, make_utterance, say
from tests.service.serving import run_app
from tests.waiting import wait_until

CUT = {"file": ("cut.wav", encode(noise(3.0))[:-20_000])}
SILENCE = {"file": ("silence.wav", encode(noise(1.0) * 0))}


def read(response: Any) -> list[str]:
    """Warnings of the header."""
    assert response.status_code == 200, response.text
    warnings: list[str] = json.loads(response.headers[NAME])
    return warnings


@pytest.mark.parametrize("name", FORMATS)
def test_every_export_has_the_warnings_of_the_json(client: TestClient, name: str) -> None:
    result = client.post("/predict", files=CUT).json()
    assert any("truncated" in warning for warning in result["warnings"])
    assert read(client.post("/predict", files=CUT, data={"format": name})) == result["warnings"]
    assert read(client.post("/export", params={"format": name}, json=result)) == result["warnings"]
    address = client.post("/jobs", files=CUT).headers["location"]
    wait_until(lambda: client.get(address).json()["status"] == "done")
    assert read(client.get(address, params={"format": name})) == client.get(address).json()["result"]["warnings"]


@pytest.mark.parametrize("name", ["text", "srt", "vtt", "json", "verbose_json"])
def test_every_transcription_has_warnings(client: TestClient, name: str) -> None:
    fields = {"response_format": name, "prompt": "Zumba"}
    response = client.post("/v1/audio/transcriptions", files=CUT, data=fields)
    warnings = read(response)
    assert warnings[0].startswith("`prompt` has no effect")
    assert any("truncated" in warning for warning in warnings)
    if name == "vtt":
        assert response.text.count("NOTE warning: ") == len(warnings)
    if name.endswith("json"):
        assert response.json()["warnings"] == warnings
    [warning] = read(client.post("/v1/audio/transcriptions", files=SILENCE, data={"response_format": name}))
    assert "digital silence" in warning


def test_response_without_warnings_has_no_header(client: TestClient) -> None:
    response = client.post("/predict", files={"file": encode(noise(3.0))}, data={"format": "srt"})
    assert (response.status_code, NAME in response.headers) == (200, False)


@pytest.mark.parametrize(
    "warnings",
    [
        ["ünicode, 日本語, 😀, \ud800", 'quotes " and \\ and \r\n\x00\x7f'],
        ["x" * 100_000],
        ["😀" * 1_000] * 3,
        [f"warning {number}" for number in range(10_000)],
    ],
)
def test_header_is_bounded_ascii(warnings: list[str]) -> None:
    value = warning_headers(warnings)[NAME]
    assert len(value) <= MAX_BYTES
    assert value.isascii()
    assert value.isprintable()
    shown = json.loads(value)
    if len(warnings) == 2:
        assert shown == warnings
    elif len(warnings) > 2:
        assert shown[-1] == f"{len(warnings) - len(shown) + 1} further warnings; the response as JSON has all"


def test_warnings_that_a_client_sends_back_are_safe(client: TestClient) -> None:
    answer = make_answer(make_utterance(say("hello"))).model_dump(mode="json")
    body = json.dumps(answer | {"warnings": ["a\r\nSet-Cookie: x=y", "\x7f" * 9_000]})
    response = client.post("/export?format=vtt", content=body)
    assert read(response)[0] == "a\r\nSet-Cookie: x=y"
    assert "set-cookie" not in response.headers
    broken = client.post("/export?format=vtt", content=json.dumps(answer | {"warnings": ["\ud800"]}))
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid-answer")


def test_pages_of_other_origins_may_read_the_header(settings: Settings, aligner: FakeAligner) -> None:
    origin = "http://localhost:9000"
    with run_app(settings.model_copy(update={"origins": [origin]}), aligner) as client:
        response = client.post("/predict", files=CUT, data={"format": "srt"}, headers={"origin": origin})
    assert NAME.lower() in response.headers["access-control-expose-headers"].lower().split(", ")
