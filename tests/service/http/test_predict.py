import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from alignment.errors import AlignerFailedError
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise, tone
from tests.comparing import assert_same_result
from tests.fakes import FakeAligner
from tests.service.serving import run_app, state_of
from tests.waiting import wait_until

WAV = encode(noise(3.0))
WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 0.9, "end": 1.4}]
CROWDED = [{"word": "the", "start": 0.005 * index, "end": 0.005 * (index + 1)} for index in range(400)]


def post(client: TestClient, data: bytes = WAV, **fields: str) -> Any:
    return client.post("/predict", files={"file": ("speech.wav", data)}, data=fields)


def test_complete_response(client: TestClient) -> None:
    response = post(client)
    assert response.status_code == 200
    result = response.json()
    assert set(result) == {
        *("emotion", "probabilities", "confidence", "uncertain", "uncertain_reasons", "utterances"),
        *("audio", "model", "aligner", "warnings", "timings_ms"),
    }
    assert result["emotion"] in result["model"]["labels"]
    assert result["audio"] == {"duration_s": 3.0, "sample_rate_hz": 16_000, "channels": 1}
    assert result["aligner"]["name"] == "fake"
    assert result["aligner"]["reason"] == "configured by a test"
    assert {"decode", "recognise", "features", "classify", "queue", "total"} <= set(result["timings_ms"])
    [utterance] = result["utterances"]
    assert utterance["text"] == "the children"
    [word, _] = utterance["words"]
    assert word["word"] == "the"
    assert word["timing"] == "aligned"
    assert word["known"] is True
    assert sum(utterance["probabilities"].values()) == pytest.approx(1.0)
    assert sum(w["text_attention"] for w in utterance["words"]) == pytest.approx(1.0)
    assert sum(w["audio_attention"] for w in utterance["words"]) == pytest.approx(1.0)


def test_contributions_and_bias_add_up_to_log_score(client: TestClient) -> None:
    [utterance] = post(client).json()["utterances"]
    total = utterance["bias"] + sum(w["contribution"]["text"] + w["contribution"]["audio"] for w in utterance["words"])
    logs = {emotion: np.log(value) for emotion, value in utterance["probabilities"].items()}
    assert total == pytest.approx(logs[utterance["emotion"]] - np.mean(list(logs.values())), abs=1e-5)


def test_explain_full_covers_every_class(client: TestClient) -> None:
    [utterance] = post(client, explain="full").json()["utterances"]
    logs = {emotion: np.log(value) for emotion, value in utterance["probabilities"].items()}
    for emotion, value in logs.items():
        contributions = [w["contribution"] for w in utterance["words"]]
        total = utterance["bias"][emotion] + sum(s["text"][emotion] + s["audio"][emotion] for s in contributions)
        assert total == pytest.approx(value - np.mean(list(logs.values())), abs=1e-5)


def test_explain_false_omits_words_and_single_modalities(client: TestClient) -> None:
    [utterance] = post(client, explain="false").json()["utterances"]
    assert set(utterance) == {
        *("start_s", "end_s", "text", "emotion", "probabilities", "confidence", "uncertain", "uncertain_reasons")
    }


def test_transcript_is_aligned(client: TestClient) -> None:
    result = post(client, transcript="in the garden").json()
    assert result["utterances"][0]["text"] == "in the garden"
    assert "align" in result["timings_ms"]
    assert "recognise" not in result["timings_ms"]


def test_given_words_need_no_aligner(client: TestClient, aligner: FakeAligner) -> None:
    result = post(client, words=json.dumps(WORDS)).json()
    assert aligner.calls == 0
    assert result["aligner"]["name"] == "given"
    [utterance] = result["utterances"]
    assert [(w["word"], w["start_s"], w["end_s"], w["timing"]) for w in utterance["words"]] == [
        ("the", 0.5, 0.9, "given"),
        ("garden", 0.9, 1.4, "given"),
    ]
    assert (utterance["start_s"], utterance["end_s"]) == (0.3, 1.6)


def test_probabilities_are_duration_weighted_mean_of_utterances(client: TestClient) -> None:
    words = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 2.0, "end": 2.9}]
    result = post(client, words=json.dumps(words)).json()
    first, second = result["utterances"]
    durations = [u["end_s"] - u["start_s"] for u in (first, second)]
    for emotion, value in result["probabilities"].items():
        expected = np.average([first["probabilities"][emotion], second["probabilities"][emotion]], weights=durations)
        assert value == pytest.approx(expected, abs=1e-6)


def test_other_containers(client: TestClient) -> None:
    assert post(client, encode_with_ffmpeg(tone(2.0, rate_hz=48_000), "mp4", "aac")).status_code == 200


def test_truncated_file_has_warning(client: TestClient) -> None:
    result = post(client, WAV[: len(WAV) // 2]).json()
    assert any("truncated" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (b"", {}, 400, "empty-file"),
        (b"not audio at all" * 10, {}, 415, "not-audio"),
        (WAV[:44], {}, 422, "no-samples"),
        (encode(tone(0.0)), {}, 422, "no-samples"),
        (encode(tone(0.05)), {}, 422, "audio-too-short"),
        (encode(np.zeros(16_000, np.float32)), {}, 422, "silent-audio"),
        (encode(np.full(16_000, np.nan, np.float32), subtype="FLOAT"), {}, 422, "non-finite-audio"),
        (encode(tone(10.5)), {}, 413, "audio-too-long"),
        (encode(tone(1.0), 1_000), {}, 422, "unsupported-audio"),
        (WAV, {"words": json.dumps(WORDS[::-1])}, 422, "words-out-of-order"),
        (WAV, {"words": '[{"word": "a", "start": 1, "end": 9}]'}, 422, "words-out-of-bounds"),
        (WAV, {"words": '[{"word": "a", "start": 1, "end": 99}]'}, 422, "word-too-long"),
        (WAV, {"words": '[{"word": "a", "start": NaN, "end": 1}]'}, 422, "words-out-of-bounds"),
        (WAV, {"words": '[{"word": "a", "start": 1e999, "end": 1}]'}, 422, "words-out-of-bounds"),
        (WAV, {"words": "[]"}, 422, "empty-transcript"),
        (WAV, {"words": '[{"word": "a"'}, 400, "malformed-form"),
        (WAV, {"words": json.dumps(CROWDED)}, 422, "transcript-too-long"),
        (WAV, {"words": json.dumps([{"word": w, "start": 0, "end": 1} for w in "abc"])}, 422, "words-out-of-order"),
        (WAV, {"words": '{"word": "a"}'}, 422, "invalid-words"),
        (WAV, {"words": '[{"word": "", "start": 0, "end": 1}]'}, 422, "invalid-words"),
        (WAV, {"words": "[[1]]"}, 422, "invalid-words"),
        (WAV, {"words": json.dumps(WORDS), "transcript": "both"}, 422, "conflicting-fields"),
        (WAV, {"aligner": "whisperx"}, 422, "aligner-not-served"),
        (WAV, {"explain": "maybe"}, 400, "malformed-form"),
    ],
)
def test_invalid_input_is_a_problem(
    client: TestClient, data: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    response = post(client, data, **fields)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert problem["status"] == status
    assert problem["type"].endswith(code)
    assert problem["request_id"] == response.headers["x-request-id"]
    assert len(problem["detail"]) > 20


@pytest.mark.parametrize(
    "request_arguments",
    [
        {},
        {"json": {}},
        {"data": {"transcript": "no file"}},
        {"content": b"xx", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"data": {"file": "text instead of a file"}},
    ],
)
def test_request_without_file_is_malformed(client: TestClient, request_arguments: dict[str, Any]) -> None:
    response = client.post("/predict", **request_arguments)
    assert response.status_code == 400
    assert response.json()["code"] == "malformed-form"
    assert "file" in response.json()["detail"]


@pytest.mark.parametrize("stated", [True, False])
def test_upload_over_limit_is_refused_while_received(client: TestClient, stated: bool) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + bytes(3_000_000)
        + b"\r\n--x--\r\n"
    )
    chunks = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = client.post("/predict", content=body if stated else chunks, headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "upload-too-large")
    assert "CAN_MAX_UPLOAD_BYTES" in response.json()["detail"]


def test_failed_aligner_is_service_unavailable(client: TestClient, aligner: FakeAligner) -> None:
    aligner.error = AlignerFailedError("fake", "it fell over")
    response = post(client)
    assert (response.status_code, response.json()["code"]) == (503, "aligner-failed")


def test_unexpected_error_is_500_without_details(client: TestClient, aligner: FakeAligner) -> None:
    aligner.error = KeyError("a secret")
    response = post(client)
    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    assert "secret" not in response.text
    assert response.json()["request_id"]


def test_requests_over_limit_get_retry_after(settings: Settings, aligner: FakeAligner) -> None:
    few = settings.model_copy(update={"max_waiting": 2})
    with run_app(few, aligner) as client, ThreadPoolExecutor(2) as pool:
        aligner.gate.clear()
        futures = [pool.submit(post, client) for _ in range(2)]
        wait_until(lambda: state_of(client).scheduler.admission.in_progress == 2)
        refused = post(client)
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/health/live").status_code == 200
        aligner.gate.set()
        assert [future.result().status_code for future in futures] == [200, 200]
        assert post(client).status_code == 200


def test_overload_is_rejected_immediately(settings: Settings, aligner: FakeAligner) -> None:
    """64 clients, 8 slots: the others get Retry-After at once, and health checks still succeed."""
    few = settings.model_copy(update={"max_waiting": 8})
    with run_app(few, aligner) as client, ThreadPoolExecutor(64) as pool:
        aligner.gate.clear()
        futures = [pool.submit(post, client) for _ in range(64)]
        wait_until(lambda: sum(future.done() for future in futures) == 56)
        assert state_of(client).scheduler.admission.in_progress == 8
        assert client.get("/health/live").status_code == 200
        assert 'can_rejected_total{code="busy"} 56.0' in client.get("/metrics").text
        aligner.gate.set()
        responses = [future.result() for future in futures]
    assert sorted(response.status_code for response in responses) == [200] * 8 + [503] * 56
    assert all(int(response.headers["retry-after"]) >= 1 for response in responses if response.status_code == 503)


def test_deadline_is_504(settings: Settings, aligner: FakeAligner) -> None:
    with run_app(settings.model_copy(update={"deadline_s": 0.2}), aligner) as client:
        aligner.gate.clear()
        response = post(client)
        aligner.gate.set()
        assert (response.status_code, response.json()["code"]) == (504, "deadline")


def test_given_words_do_not_queue_behind_recognition(client: TestClient, aligner: FakeAligner) -> None:
    with ThreadPoolExecutor(1) as pool:
        aligner.gate.clear()
        slow = pool.submit(post, client)
        wait_until(lambda: aligner.calls == 1)
        assert post(client, words=json.dumps(WORDS)).status_code == 200
        assert not slow.done()
        aligner.gate.set()
        assert slow.result().status_code == 200


def test_concurrent_results_equal_sequential_results(client: TestClient) -> None:
    clips = [encode(noise(1.0 + 0.3 * seed, seed)) for seed in range(8)]
    sequential = [post(client, clip).json()["utterances"] for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        concurrent = [response.json()["utterances"] for response in pool.map(lambda clip: post(client, clip), clips)]
    assert_same_result(concurrent, sequential)


@pytest.mark.parametrize("field", ["transcript", "words", "language"])
def test_lone_surrogates_are_refused(client: TestClient, field: str) -> None:
    """The charset of a form may encode lone surrogates, which cannot be encoded in the response."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV + b"\r\n--x\r\n"
        b'Content-Disposition: form-data; name="' + field.encode() + b'"\r\n\r\nhi +2AA-\r\n--x--\r\n'
    )
    response = client.post(
        "/predict", content=body, headers={"content-type": "multipart/form-data; boundary=x; charset=utf-7"}
    )
    assert (response.status_code, response.json()["code"]) == (400, "malformed-form")
    assert field in response.json()["detail"]


def test_charset_without_decoder_is_refused(client: TestClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="words"\r\n\r\n\xff\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x; charset=undefined"
    response = client.post("/predict", content=body, headers={"content-type": kind})
    assert (response.status_code, response.json()["code"]) == (400, "malformed-form")


def test_empty_file_field_is_missing(client: TestClient) -> None:
    """A browser sends an empty file name where no file is selected."""
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
    response = client.post("/predict", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed-form")
    assert "`file` is missing" in response.json()["detail"]


def test_messages_explain_correct_form(client: TestClient) -> None:
    broken = post(client, words="[")
    assert '"start": 0.31' in broken.json()["detail"]
    files = {"file": WAV, "words": json.dumps(WORDS).encode()}
    assert "-F 'words=<FILE'" in client.post("/predict", files=files).json()["detail"]
    assert "`file` was sent as text" in client.post("/predict", files={"file": (None, "speech")}).json()["detail"]
    assert "1 MB" in post(client, transcript="a" * 1_100_000).json()["detail"]


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_field_equals_omitted_field(client: TestClient, blank: str) -> None:
    result = post(client, transcript=blank, words=blank).json()
    omitted = post(client).json()
    assert set(result["timings_ms"]) == set(omitted["timings_ms"]) > {"recognise"}
    assert_same_result(result, omitted)


def test_slot_is_released_when_its_thread_ends(settings: Settings, aligner: FakeAligner) -> None:
    with run_app(settings.model_copy(update={"deadline_s": 0.2, "max_waiting": 1}), aligner) as client:
        aligner.gate.clear()
        assert post(client).json()["code"] == "deadline"
        assert post(client).json()["code"] == "busy"
        aligner.gate.set()
        wait_until(lambda: state_of(client).scheduler.admission.in_progress == 0)
        assert post(client).status_code == 200
