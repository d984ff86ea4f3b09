"""Forms of requests that common clients send: a recording as the body, unusual multipart parts, words without times."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from alignment.aligners.pocketsphinx.processes import PocketSphinxProcesses
from alignment.audio import Waveform
from alignment.transcripts.words import Transcript
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_app, run_server, words_of
from tests.waiting import wait_until

WAV = encode(noise(3.0))
WEBM = encode_with_ffmpeg(noise(3.0, rate_hz=48_000), "webm", "libopus")
WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 1.4, "end": 1.9}]
FORM = {"content-type": "multipart/form-data; boundary=x"}


def part(disposition: str, data: bytes, kind: str = "") -> bytes:
    type_line = f"Content-Type: {kind}\r\n" if kind else ""
    head = f"--x\r\nContent-Disposition: form-data; {disposition}\r\n{type_line}\r\n"
    return head.encode() + data + b"\r\n--x--\r\n"


def refusal(response: Any, status: int, code: str) -> str:
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    return str(problem["detail"])


class TestRecordingAsBody:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (WAV, "audio/wav"),
            (WAV, "application/octet-stream"),
            (WEBM, "audio/webm; codecs=opus"),
            (WEBM, "Video/WebM"),
            (WAV, None),
        ],
    )
    def test_recording_is_analysed_as_in_a_form(self, client: TestClient, data: bytes, kind: str | None) -> None:
        headers = {} if kind is None else {"content-type": kind}
        response = client.post("/predict?explain=full", content=data, headers=headers)
        assert response.status_code == 200, response.text
        in_form = client.post("/predict", files={"file": data}, data={"explain": "full"}).json()
        assert response.json()["utterances"] == in_form["utterances"]

    def test_options_are_query_parameters(self, client: TestClient) -> None:
        options = {"words": json.dumps(WORDS), "explain": "true"}
        result = client.post("/predict", params=options, content=WAV, headers={"content-type": "audio/wav"}).json()
        assert [word["word"] for word in words_of(result)] == ["the", "garden"]

    def test_recording_of_a_job(self, client: TestClient) -> None:
        response = client.post("/jobs?language=English", content=WAV, headers={"content-type": "audio/wav"})
        assert response.status_code == 202, response.text

    def test_recording_in_chunks_without_length(self, client: TestClient) -> None:
        def pieces() -> Iterator[bytes]:
            yield from (WAV[start : start + 7_001] for start in range(0, len(WAV), 7_001))

        response = client.post("/predict", content=pieces(), headers={"content-type": "audio/wav"})
        assert response.status_code == 200, response.text

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("/predict?explian=full", "there is no query parameter `explian`; did you mean `explain`?"),
            ("/jobs?transcript=a", "`transcript`; this request accepts words, language"),
        ],
    )
    def test_unknown_option_is_refused(self, client: TestClient, address: str, expected: str) -> None:
        response = client.post(address, content=WAV, headers={"content-type": "audio/wav"})
        assert expected in refusal(response, 400, "unknown-name")

    def test_repeated_option_is_refused(self, client: TestClient) -> None:
        response = client.post("/predict?explain=full&explain=true", content=WAV, headers={"content-type": "audio/wav"})
        assert refusal(response, 400, "malformed-form") == "`explain` was sent 2 times; send it once"

    def test_too_large_recording_is_refused(self, client: TestClient) -> None:
        response = client.post("/predict", content=bytes(2_000_001), headers={"content-type": "audio/wav"})
        refusal(response, 413, "upload-too-large")

    def test_empty_body_is_refused(self, client: TestClient) -> None:
        refusal(client.post("/predict", content=b"", headers={"content-type": "audio/wav"}), 400, "empty-file")

    @pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json"])
    def test_other_type_states_the_two_forms(self, client: TestClient, kind: str) -> None:
        """curl --data-binary sends the first of these types unless another one is named."""
        detail = refusal(client.post("/predict", content=WAV, headers={"content-type": kind}), 400, "malformed-form")
        assert kind in detail
        assert "-H 'Content-Type: audio/wav'" in detail
        assert "-F file=@" in detail

    def test_large_recording_goes_through_a_server(self, settings: Settings, aligner: FakeAligner) -> None:
        data = encode(noise(9.0, rate_hz=96_000), 96_000)
        assert len(data) > 1_048_576
        with run_server(settings, aligner) as server:
            response = server.client.post("/predict", content=data, headers={"content-type": "audio/wav"})
        assert response.status_code == 200, response.text


class TestParts:
    @pytest.mark.parametrize(
        ("disposition", "kind"),
        [
            ("name=\"file\"; filename*=UTF-8''%C3%BCber.wav", "audio/wav"),
            ('name="file"; filename*0="a"; filename*1="b.wav"', ""),
            ("name=\"file\"; filename*=bogus'x'%FF", "application/octet-stream"),
            ('name="file"', "audio/wav"),
            ('name="file"', "application/octet-stream"),
        ],
    )
    def test_file_without_a_plain_filename_is_read(self, client: TestClient, disposition: str, kind: str) -> None:
        response = client.post("/predict", content=part(disposition, WAV, kind), headers=FORM)
        assert response.status_code == 200, response.text

    @pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=utf-8"])
    def test_text_with_a_type_stays_text(self, client: TestClient, kind: str) -> None:
        body = part('name="words"', json.dumps(WORDS).encode(), kind)[: -len(b"--x--\r\n")]
        response = client.post("/predict", content=body + part('name="file"', WAV, "audio/x-wav"), headers=FORM)
        assert [word["word"] for word in words_of(response.json())] == ["the", "garden"]

    def test_text_in_place_of_the_file_is_refused(self, client: TestClient) -> None:
        response = client.post("/predict", content=part('name="file"', b"a.wav", "text/plain"), headers=FORM)
        assert "`file` was sent as text" in refusal(response, 400, "malformed-form")

    def test_two_files_of_unusual_parts_are_refused(self, client: TestClient) -> None:
        first = part('name="file"', WAV, "audio/wav")[: -len(b"--x--\r\n")]
        second = part("name=\"file\"; filename*=UTF-8''b.wav", WAV)
        response = client.post("/predict", content=first + second, headers=FORM)
        assert "`file` was sent 2 times" in refusal(response, 400, "malformed-form")


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, deflate"])
@pytest.mark.parametrize(
    ("address", "kind"), [("/predict", "audio/wav"), ("/jobs", "audio/wav"), ("/export?format=srt", "application/json")]
)
def test_compressed_body_is_refused(client: TestClient, encoding: str, address: str, kind: str) -> None:
    headers = {"content-encoding": encoding, "content-type": kind}
    detail = refusal(client.post(address, content=gzip.compress(WAV), headers=headers), 415, "encoded-body")
    assert f"`{encoding}`" in detail
    assert "flac" in detail


def test_compressed_body_is_refused_on_every_path_that_accepts_a_body(client: TestClient) -> None:
    headers = {"content-encoding": "gzip"}
    document = client.get("/openapi.json").json()
    paths = [path for path, methods in document["paths"].items() if "requestBody" in methods.get("post", {})]
    assert {"/predict", "/jobs", "/export", "/v1/audio/transcriptions"} <= set(paths)
    for path in paths:
        response = client.post(path, content=gzip.compress(b"{}"), headers=headers)
        assert "`gzip`" in response.text, path
        assert response.status_code == (400 if path.startswith("/v1/") else 415), path
        assert "encoded-body" in response.text


def test_body_that_is_encoded_as_itself_is_read(client: TestClient) -> None:
    response = client.post("/predict", files={"file": WAV}, headers={"content-encoding": "identity"})
    assert response.status_code == 200, response.text


class TestWordsWithoutTimes:
    @pytest.mark.parametrize(
        "untimed",
        [
            {"word": "big"},
            {"word": "big", "start": None, "end": None},
            {"word": "big", "start": 1.0, "end": 1.0},
            {"word": "big", "start": 1.0},
        ],
    )
    def test_word_is_interpolated_and_marked(self, client: TestClient, untimed: dict[str, Any]) -> None:
        words = [WORDS[0], untimed, WORDS[1]]
        result = client.post("/predict", files={"file": WAV}, data={"words": json.dumps(words)}).json()
        assert [(word["word"], word["start_s"], word["end_s"], word["timing"]) for word in words_of(result)] == [
            ("the", 0.5, 0.9, "given"),
            ("big", 0.9, 1.4, "interpolated"),
            ("garden", 1.4, 1.9, "given"),
        ]
        assert "1 of 3 words had no times; their times were interpolated" in result["warnings"]

    def test_request_fails_where_no_word_has_times(self, client: TestClient) -> None:
        words = json.dumps([{"word": "the"}, {"word": "garden", "start": 1, "end": 1}])
        detail = refusal(client.post("/predict", files={"file": WAV}, data={"words": words}), 422, "invalid-words")
        assert "no word has a start and an end" in detail
        assert "`transcript`" in detail

    def test_contradiction_among_the_others_is_refused(self, client: TestClient) -> None:
        words = json.dumps([WORDS[1], {"word": "big"}, WORDS[0]])
        response = client.post("/predict", files={"file": WAV}, data={"words": words})
        assert "word 2 ('the') starts at 0.5 s, before 'garden'" in refusal(response, 422, "words-out-of-order")

    def test_job_interpolates_words(self, client: TestClient) -> None:
        words = json.dumps([*WORDS, {"word": "now"}])
        address = client.post("/jobs", files={"file": WAV}, data={"words": words}).headers["location"]
        wait_until(lambda: client.get(address).json()["status"] == "done")
        job = client.get(address).json()
        assert [word["timing"] for word in words_of(job["result"])] == ["given", "given", "interpolated"]


@pytest.mark.parametrize("language", ["english", "English ", "EN", "eng", "en-US", "en_GB"])
def test_language_is_read_by_name_code_and_locale(client: TestClient, aligner: FakeAligner, language: str) -> None:
    response = client.post("/predict", files={"file": WAV}, data={"language": language})
    assert response.status_code == 200, response.text
    assert aligner.languages[-1] == "en"


@pytest.mark.parametrize("language", ["auto", "AUTO", "", "  "])
def test_language_is_left_to_the_aligner(settings: Settings, language: str) -> None:
    """The embedded aligners have one language, and accept `auto` on every path."""
    pool = PocketSphinxProcesses("one", 1, 1.0)

    class OneLanguage(FakeAligner):
        def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
            pool.check_language(language)
            return super().align(waveform, text, language)

    aligner = OneLanguage()
    with run_app(settings, aligner) as client:
        fields = {"language": language}
        assert client.post("/predict", files={"file": WAV}, data=fields).status_code == 200
        path = "/v1/audio/transcriptions"
        answer = client.post(path, files={"file": WAV}, data=fields | {"response_format": "verbose_json"})
        assert (answer.status_code, answer.json()["language"]) == (200, "english")
        silent = client.post(
            path, files={"file": encode(noise() * 0)}, data=fields | {"response_format": "verbose_json"}
        )
        assert (silent.status_code, silent.json()["language"]) == (200, "english")
        refused = client.post("/predict", files={"file": WAV}, data={"language": "Deutsch"})
        assert "'de'; it handles English (en)" in refusal(refused, 422, "unsupported-language")
        unknown = client.post("/predict", files={"file": WAV}, data={"language": "klingon"})
        assert "(de, German, Deutsch, de-DE)" in refusal(unknown, 422, "unsupported-language")
    pool.close()
    assert aligner.languages == ["auto" if language.strip() else None] * 2
