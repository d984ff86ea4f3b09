"""Responses as files: /predict, /jobs and /export with `format`, and with media types in `Accept`."""

import csv
import io
import json
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from can_ser_client.schemas import PredictOut
from service.exports.formats import FORMATS
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.exports.answers import make_answer, make_utterance, read_vtt, say
from tests.service.serving import state_of
from tests.waiting import wait_until

WAV = encode(noise(3.0))
FILE = {"file": ("my talk.wav", WAV)}
MARKS = {
    "srt": b"1\n00:00:00,000 --> ",
    "vtt": b"WEBVTT\n",
    "textgrid": b'File type = "ooTextFile"',
    "rttm": b"SPEAKER my_talk 1 0.000 ",
    "words-csv": b"\xef\xbb\xbffile,utterance,",
    "utterances-csv": b"\xef\xbb\xbffile,utterance,",
    "xlsx": b"PK",
}


def answer(client: TestClient, **fields: str) -> dict[str, Any]:
    response = client.post("/predict", files=FILE, data=fields)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_marks_cover_every_format() -> None:
    assert MARKS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_format_by_field_equals_export_of_json(client: TestClient, name: str) -> None:
    direct = client.post("/predict", files=FILE, data={"format": name})
    assert direct.status_code == 200, direct.text
    assert direct.content.startswith(MARKS[name])
    assert direct.headers["content-type"] == FORMATS[name].media_type  # type: ignore[index]
    assert direct.headers["content-disposition"].startswith("attachment; filename*=UTF-8''my%20talk.")
    params = {"format": name, "name": "my talk.wav"}
    exported = client.post("/export", params=params, json=answer(client))
    assert exported.status_code == 200, exported.text
    assert exported.headers["content-type"] == direct.headers["content-type"]
    if name != "xlsx":  # which holds the time of its creation
        assert exported.content == direct.content


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/vtt", "text/vtt; charset=utf-8"),
        ("application/x-subrip;q=0.4, text/vtt;q=0.5", "text/vtt; charset=utf-8"),
        ("text/vtt;q=0, text/csv", "text/csv; charset=utf-8; header=present"),
        ("text/vtt;q=x, */*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("application/json, text/vtt", "application/json"),
        ("image/png", "application/json"),
        ("", "application/json"),
    ],
)
def test_format_by_accept_header(client: TestClient, accept: str, media_type: str) -> None:
    response = client.post("/predict", files=FILE, headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)


def test_field_counts_more_than_header(client: TestClient) -> None:
    response = client.post("/predict", files=FILE, data={"format": "csv"}, headers={"accept": "text/vtt"})
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["word"] for row in rows] == ["the", "children"]
    assert client.post("/predict", files=FILE, data={"format": "json"}, headers={"accept": "text/vtt"}).json()


@pytest.mark.parametrize(
    ("fields", "status", "problem", "hint"),
    [
        ({"format": "str"}, 400, "unknown-name", "there is no format `str`; did you mean `srt`?"),
        ({"format": "pdf"}, 400, "unknown-name", "choose from json, srt, vtt, textgrid"),
        ({"format": "srt", "subtitle_emotions": "x"}, 400, "unknown-name", "choose from omit, prefix, class"),
        ({"format": "srt", "subtitle_emotions": "class"}, 422, "conflicting-fields", "`format=srt`"),
        ({"format": "rttm", "subtitle_emotions": "prefix"}, 422, "conflicting-fields", "`format=rttm`"),
        ({"subtitle_emotions": "prefix"}, 422, "conflicting-fields", "`format=json`"),
    ],
)
def test_invalid_formats_are_explained(
    client: TestClient, aligner: FakeAligner, fields: dict[str, str], status: int, problem: str, hint: str
) -> None:
    for response in (
        client.post("/predict", files=FILE, data=fields),
        client.get("/jobs/some", params=fields),
        client.post("/export", params=fields, content=b"{}"),
    ):
        assert code(response) == (status, problem)
        assert hint in response.json()["detail"]
    assert aligner.calls == 0


def test_events_and_files_exclude_each_other(client: TestClient) -> None:
    headers = {"accept": "text/event-stream, text/vtt"}
    assert client.post("/predict", files=FILE, headers=headers).headers["content-type"].startswith("text/event-stream")
    refused = client.post("/predict", files=FILE, data={"format": "srt"}, headers=headers)
    assert code(refused) == (422, "conflicting-fields")


def test_emotions_in_subtitles(client: TestClient) -> None:
    result = answer(client)
    label = result["emotion"] + ("?" if result["uncertain"] else "")
    shown = client.post("/predict", files=FILE, data={"format": "srt", "subtitle_emotions": "prefix"})
    assert f"[{label}] the children" in shown.text
    classes = client.post("/export?format=vtt&subtitle_emotions=class", json=result)
    assert f"<c.{result['emotion']}" in classes.text
    [cue] = read_vtt(classes.text)
    assert cue.text == "the children"


def test_answer_without_words_is_exported(client: TestClient) -> None:
    result = answer(client, explain="false")
    assert "the children" in client.post("/export?format=srt", json=result).text
    book = openpyxl.load_workbook(io.BytesIO(client.post("/export?format=xlsx", json=result).content))
    assert (book["utterances"].max_row, book["words"].max_row) == (2, 1)


def test_result_of_job(client: TestClient, aligner: FakeAligner) -> None:
    aligner.gate.clear()
    location = client.post("/jobs", files={"file": WAV}).headers["location"]
    early = client.get(location, params={"format": "srt"})
    assert code(early) == (409, "job-not-done")
    aligner.gate.set()
    wait_until(lambda: client.get(location).json()["status"] == "done")
    for response in (
        client.get(location, params={"format": "vtt"}),
        client.get(location, headers={"accept": "text/vtt"}),
    ):
        assert [cue.text for cue in read_vtt(response.text)] == ["the children"]
    job_id = location.removeprefix("/jobs/")
    assert f"UTF-8''{job_id}.vtt" in response.headers["content-disposition"]
    assert client.get(location).json()["result"]["utterances"]
    assert code(client.get("/jobs/unknown?format=srt")) == (404, "unknown-job")
    assert code(client.get(f"{location}?fmt=srt")) == (400, "unknown-name")


def damaged(result: dict[str, Any], path: str, value: Any) -> bytes:
    """A response with another value at a path."""
    changed = json.loads(json.dumps(result))
    place: Any = changed
    *parts, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in parts:
        place = place[part]
    place[last] = value
    return json.dumps(changed).encode()


@pytest.mark.parametrize("name", ["vtt", "textgrid", "words-csv", "xlsx"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("audio.duration_s", float("nan")),
        ("audio.duration_s", 1e300),
        ("audio.duration_s", 0.01),
        ("utterances.0.start_s", -1.0),
        ("utterances.0.end_s", float("inf")),
        ("utterances.0.words.1.end_s", 0.0),
        ("utterances.0.words", {"word": "the"}),
        ("utterances.0.emotion", "joy"),
        ("utterances.0.text", "\ud800"),
        ("utterances.0.probabilities", {"angry": 1.0}),
        ("utterances.0.text_probabilities", {"joy": 1.0}),
        ("utterances.0.words.0.contribution", {"text": {}, "audio": {}}),
        ("probabilities", {str(number): 0.0 for number in range(101)}),
    ],
)
def test_contradicting_answer_is_refused(client: TestClient, name: str, path: str, value: Any) -> None:
    response = client.post("/export", params={"format": name}, content=damaged(answer(client), path, value))
    assert code(response) == (422, "invalid-answer")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5_000, b'{"a":' * 5_000, b"9" * 5_000, b"[[]," * 500_000]
)
def test_body_that_is_no_answer_is_refused(client: TestClient, body: bytes) -> None:
    assert code(client.post("/export?format=srt", content=body)) == (422, "invalid-answer")


def test_mistakes_of_long_lists_are_not_collected() -> None:
    """Each mistake takes a kilobyte: of a list, the first one is reported."""
    document = make_answer(make_utterance(say("one"))).model_dump()
    for name in ("utterances", "others", "speakers", "warnings"):
        with pytest.raises(ValidationError) as refused:
            PredictOut.model_validate(document | {name: [0] * 1_000})
        assert refused.value.error_count() == 1


def test_numbers_that_are_not_finite_are_left_out(client: TestClient) -> None:
    body = damaged(answer(client), "utterances.0.words.0.contribution.text", float("nan"))
    sheet = openpyxl.load_workbook(io.BytesIO(client.post("/export?format=xlsx", content=body).content))["words"]
    header, first, _ = sheet.iter_rows(values_only=True)
    assert first[header.index("text_contribution")] is None


def test_table_of_many_emotions_and_words_is_refused(client: TestClient) -> None:
    emotions = {f"emotion {number}": 0.01 for number in range(100)}
    word = make_answer(make_utterance(say("a"))).model_dump(mode="json")["utterances"][0]["words"][0]
    utterance = make_utterance(say("a"), emotion="emotion 0", probabilities=emotions)
    utterance |= {"text_probabilities": emotions, "audio_probabilities": emotions, "words": [word] * 16_000}
    body = make_answer(make_utterance(say("a"))).model_dump(mode="json")
    body |= {"emotion": "emotion 0", "probabilities": emotions, "utterances": [utterance]}
    refused = client.post("/export?format=xlsx", json=body)
    assert (code(refused), "16,000 words and 100 emotions" in refused.text) == ((422, "invalid-answer"), True)


def test_export_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    too_large = client.post("/export?format=srt", content=b" " * 32_000_001)
    assert code(too_large) == (413, "upload-too-large")
    assert "CAN_MAX_UPLOAD_BYTES" not in too_large.json()["detail"]
    result = answer(client)
    exports = state_of(client).exports
    monkeypatch.setattr(exports, "_limit", 0)
    busy = client.post("/export?format=srt", json=result)
    assert code(busy) == (503, "busy")
    assert int(busy.headers["retry-after"]) >= 1


def test_export_needs_no_place_of_an_analysis(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    result = answer(client)
    monkeypatch.setattr(state_of(client).scheduler.admission, "_limit", 0)
    assert code(client.post("/predict", files=FILE)) == (503, "busy")
    assert client.post("/export?format=srt", json=result).status_code == 200


def test_missing_format_is_named(client: TestClient) -> None:
    refused = client.post("/export", json=answer(client))
    assert code(refused) == (400, "unknown-name")
    assert "choose from srt, vtt" in refused.json()["detail"]


def test_name_of_file_is_encoded(client: TestClient) -> None:
    name = 'Grüße "1"\r\n; x.wav'
    response = client.post("/export", params={"format": "rttm", "name": name}, json=answer(client))
    assert response.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22%0D%0A%3B%20x.rttm"
    )
    assert response.text.startswith("SPEAKER Grüße_1_x 1 ")
