"""The package openai against a running server: what its users write, and the exceptions that they expect."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose

from alignment.errors import AlignerFailedError, NoSpeechError
from alignment.transcripts.speakers import Turn
from service.http.middleware.authentication import make_key
from service.openai.names import ALIASES
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner, FakeDiarizer
from tests.service.exports.answers import read_srt, read_vtt
from tests.service.serving import RunningServer, run_server

WAV = ("speech.wav", encode(noise(3.0)))
SILENCE = ("silence.wav", encode(noise(1.0) * 0))


@pytest.fixture
def server(settings: Settings, aligner: FakeAligner) -> Iterator[RunningServer]:
    with run_server(settings, aligner) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with connect(server) as client:
        yield client


def connect(server: RunningServer, key: str = "none", **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, **options)


def transcribe(client: openai.OpenAI, **fields: Any) -> Any:
    return client.audio.transcriptions.create(**{"file": WAV, "model": "whisper-1"} | fields)


def extras(value: Any) -> dict[str, Any]:
    """Fields of a record that the package has no name for."""
    return dict(value.model_extra or {})


def test_json_and_text(client: openai.OpenAI) -> None:
    answer = transcribe(client)
    assert (answer.text, answer.usage.seconds) == ("the children", 3)
    assert extras(answer)["emotion"] in extras(answer)["probabilities"]
    assert extras(answer)["warnings"] == []
    assert transcribe(client, response_format="text") == "the children\n"


def test_verbose_json_has_everything_that_openai_has_and_emotions(client: openai.OpenAI) -> None:
    answer = transcribe(client, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert isinstance(answer, TranscriptionVerbose)
    assert (answer.language, answer.duration, answer.text) == ("english", 3.0, "the children")
    [segment] = answer.segments or []
    checked = type(segment).model_validate(segment.model_dump())
    assert (checked.id, checked.seek, checked.tokens, checked.text) == (0, 0, [], " the children")
    assert checked.avg_logprob == pytest.approx(-0.6931, abs=1e-4)  # ln of the fake aligner's scores of .5
    assert checked.compression_ratio == pytest.approx(12 / 20)
    words = answer.words or []
    assert [(word.word, word.start, word.end) for word in words] == [("the", 0.0, 0.1), ("children", 0.1, 0.2)]
    for record in (answer, segment, *words):
        found = extras(record)
        assert found["emotion"] == max(found["probabilities"], key=found["probabilities"].get)
        assert found["confidence"] == max(found["probabilities"].values())
    assert set(extras(segment)["text_probabilities"]) == set(extras(segment)["probabilities"])
    assert set(extras(words[0])["contribution"]) == {"text", "audio"}


@pytest.mark.parametrize(
    ("granularities", "segments", "words"), [(None, True, False), (["word"], False, True), (["segment"], True, False)]
)
def test_granularities(client: openai.OpenAI, granularities: list[str] | None, segments: bool, words: bool) -> None:
    fields = {"timestamp_granularities": granularities} if granularities else {}
    answer = transcribe(client, response_format="verbose_json", **fields)
    assert (answer.segments is not None, answer.words is not None) == (segments, words)


def test_subtitles(client: openai.OpenAI) -> None:
    [cue] = read_srt(transcribe(client, response_format="srt").encode())
    assert cue.text == "the children"
    marked = {"subtitle_emotions": "prefix"}
    [cue] = read_vtt(transcribe(client, response_format="vtt", extra_body=marked))
    assert cue.text.startswith("[")


def test_speakers_of_diarized_json(settings: Settings, aligner: FakeAligner) -> None:
    fields: dict[str, Any] = {"response_format": "diarized_json", "model": "gpt-4o-transcribe-diarize"}
    diarizer = FakeDiarizer([Turn(0.0, 3.0, "A")])
    with run_server(settings, aligner, diarizer=diarizer) as server, connect(server) as client:
        answer = transcribe(client, **fields)
        assert isinstance(answer, TranscriptionDiarized)
        [segment] = answer.segments
        expected = ("seg_0", "transcript.text.segment", "A", "the children")
        assert (segment.id, segment.type, segment.speaker, segment.text) == expected
        assert extras(segment)["emotion"]
        kinds = ["transcript.text.delta", "transcript.text.segment", "transcript.text.done"]
        assert [event.type for event in transcribe(client, **fields, stream=True)] == kinds
        diarizer.turns = None
        with pytest.raises(openai.BadRequestError) as refused:
            transcribe(client, **fields)
    assert refused.value.code == "diarization-unavailable"


def test_speakers_of_channels(client: openai.OpenAI) -> None:
    stereo = ("call.wav", encode(np.stack([noise(3.0), noise(3.0, seed=1)], axis=1)))
    fields = {"file": stereo, "response_format": "diarized_json", "extra_body": {"speakers": "channels"}}
    assert [segment.speaker for segment in transcribe(client, **fields).segments] == ["channel 1", "channel 2"]


def test_stream(client: openai.OpenAI) -> None:
    *deltas, done = transcribe(client, model="gpt-4o-transcribe", stream=True)
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert "".join(event.delta for event in deltas) == done.text == "the children"
    assert done.type == "transcript.text.done"
    assert extras(deltas[0])["emotion"] == extras(done)["emotion"]
    assert (done.usage and done.usage.model_dump()["seconds"]) == 3


def test_asynchronous_client(server: RunningServer) -> None:
    async def use() -> None:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client:
            create = client.audio.transcriptions.create
            answer = await create(file=WAV, model="whisper-1", response_format="verbose_json")
            assert answer.text == "the children"
            stream = await create(file=WAV, model="whisper-1", stream=True)
            assert [event.type async for event in stream] == ["transcript.text.delta", "transcript.text.done"]
            assert (await client.models.list()).data[0].id == "tiny"
            with pytest.raises(openai.NotFoundError):
                await create(file=WAV, model="unknown")

    asyncio.run(use())


def test_silence_is_an_empty_text(client: openai.OpenAI, aligner: FakeAligner) -> None:
    for file in (SILENCE, WAV):
        aligner.error = NoSpeechError(3.0)
        answer = transcribe(client, file=file)
        assert answer.text == ""
        assert len(extras(answer)["warnings"]) == 1
        assert transcribe(client, file=file, response_format="verbose_json").segments == []
        assert transcribe(client, file=file, response_format="text") == "\n"
        assert transcribe(client, file=file, response_format="srt") == ""
        assert read_vtt(transcribe(client, file=file, response_format="vtt")) == []
        assert [event.type for event in transcribe(client, file=file, stream=True)] == ["transcript.text.done"]


def test_fields_without_effect_are_named(client: openai.OpenAI) -> None:
    answer = transcribe(
        client,
        prompt="Names: Zumba",
        temperature=0.4,
        include=["logprobs"],
        chunking_strategy={"type": "server_vad", "threshold": 0.5},
        known_speaker_names=["a", "b"],
        language="English",
    )
    warnings = extras(answer)["warnings"]
    assert [warning.partition("`")[2].partition("`")[0] for warning in warnings] == [
        "chunking_strategy",
        "include",
        "known_speaker_names",
        "prompt",
    ]
    assert all("has no effect" in warning for warning in warnings)


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["tiny", *ALIASES]
    for name in names:
        model = client.models.retrieve(name)
        assert (model.id, model.object, model.owned_by, model.created) == (name, "model", "can-ser", 1_767_225_600)
        assert extras(model)["bundle"] == "tiny"
        assert transcribe(client, model=name).text
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-5")
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fields", "code", "param", "hint"),
    [
        ({"file": ("a.wav", b"no sound")}, "not-audio", None, "wav"),
        ({"file": ("a.wav", b"")}, "empty-file", None, "empty"),
        ({"response_format": "xml"}, "malformed-form", "response_format", "choose from json, text, srt"),
        ({"temperature": "warm"}, "malformed-form", "temperature", "from 0 to 1"),
        ({"temperature": float("nan")}, "malformed-form", "temperature", "from 0 to 1"),
        ({"language": "xx"}, "unsupported-language", "language", "xx"),
        ({"language": "e" * 200}, "malformed-form", "language", "at most 100"),
        (
            {"timestamp_granularities": ["line"], "response_format": "verbose_json"},
            "malformed-form",
            None,
            "word, segment",
        ),
        (
            {"timestamp_granularities": ["word"]},
            "conflicting-fields",
            "timestamp_granularities",
            "response_format=json",
        ),
        ({"response_format": "srt", "stream": True}, "conflicting-fields", "stream", "response_format=srt"),
        ({"extra_body": {"stream": "perhaps"}}, "malformed-form", "stream", "true or false"),
        ({"extra_body": {"modle": "x"}}, "unknown_parameter", "modle", "`model`"),
        ({"extra_body": {"speakers": "two"}}, "malformed-form", "speakers", "channels"),
        (
            {"extra_body": {"subtitle_emotions": "prefix"}},
            "conflicting-fields",
            "subtitle_emotions",
            "response_format=json",
        ),
        (
            {"response_format": "srt", "extra_body": {"subtitle_emotions": "class"}},
            "conflicting-fields",
            "subtitle_emotions",
            "format=srt",
        ),
        ({"extra_query": {"model": "x"}}, "unknown_parameter", "model", "query parameter"),
    ],
)
def test_bad_requests(client: openai.OpenAI, fields: dict[str, Any], code: str, param: str | None, hint: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        transcribe(client, **fields)
    error = refused.value
    assert (error.status_code, error.code, error.type) == (400, code, "invalid_request_error")
    assert param is None or error.param == param
    assert hint in error.message
    assert error.request_id


def test_unknown_model(client: openai.OpenAI, aligner: FakeAligner) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        transcribe(client, model="gpt-5")
    error = refused.value
    assert (error.code, error.param, error.type) == ("model_not_found", "model", "invalid_request_error")
    assert "tiny, whisper-1" in error.message
    assert aligner.calls == 0


def test_translation_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/audio/transcriptions") as refused:
        client.audio.translations.create(file=WAV, model="whisper-1")
    assert refused.value.code == "no-translation"


def test_other_addresses_and_methods(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="x", messages=[])
    assert (missing.value.code, missing.value.type) == ("unknown_url", "invalid_request_error")
    with pytest.raises(openai.APIStatusError) as refused:
        client.get("/audio/transcriptions", cast_to=object)
    assert (refused.value.status_code, refused.value.code) == (405, "method-not-allowed")


def test_too_large_and_too_long(client: openai.OpenAI) -> None:
    for file in (("a.wav", bytes(2_000_001)), ("a.wav", encode(noise(10.5, rate_hz=8_000), 8_000))):
        with pytest.raises(openai.APIStatusError) as refused:
            transcribe(client, file=file)
        assert (refused.value.status_code, refused.value.type) == (413, "invalid_request_error")


def test_keys(settings: Settings, aligner: FakeAligner) -> None:
    key, digest = make_key()
    guarded = settings.model_copy(update={"api_keys": [digest], "key_requests_per_minute": 1})
    with run_server(guarded, aligner) as server:
        with connect(server, "wrong") as stranger:
            for call in (
                stranger.models.list,
                lambda: transcribe(stranger),
                lambda: stranger.get("/x", cast_to=object),
            ):
                with pytest.raises(openai.AuthenticationError) as refused:
                    call()
                assert refused.value.code == "invalid_api_key"
        with connect(server, key) as client:
            assert client.models.list().data
            assert transcribe(client).text
            with pytest.raises(openai.RateLimitError) as limited:
                transcribe(client)
    assert limited.value.code == "rate_limit_exceeded"
    assert int(limited.value.response.headers["retry-after"]) >= 1


def test_foreign_page_and_other_bodies(client: openai.OpenAI, server: RunningServer) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        transcribe(client, extra_headers={"Origin": "https://example.org"})
    assert (refused.value.code, refused.value.type) == ("foreign-page", "permission_error")
    for content in (b"", b"{}", b"--x"):
        response = server.client.post("/v1/audio/transcriptions", content=content)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed-form")
    twice = [("file", WAV), ("file", WAV)]
    response = server.client.post("/v1/audio/transcriptions", files=twice)
    assert response.json()["error"]["param"] == "file"


def test_curl_may_repeat_lists_and_omit_the_model(server: RunningServer) -> None:
    fields = {"timestamp_granularities": ["word", "segment"], "response_format": "verbose_json"}
    response = server.client.post("/v1/audio/transcriptions", files={"file": WAV}, data=fields)
    assert response.json().keys() >= {"words", "segments"}


def test_busy_and_failing_server(client: openai.OpenAI, server: RunningServer, aligner: FakeAligner) -> None:
    aligner.error = AlignerFailedError("fake", "configured by a test")
    with pytest.raises(openai.InternalServerError) as failed:
        transcribe(client)
    assert (failed.value.code, failed.value.type) == ("aligner-failed", "server_error")
    with pytest.raises(openai.APIError, match="configured by a test"):
        list(transcribe(client, stream=True))
    aligner.error = None
    server.state.scheduler.admission._limit = 0
    with pytest.raises(openai.InternalServerError) as busy:
        transcribe(client)
    assert (busy.value.status_code, busy.value.code) == (503, "busy")
    assert busy.value.response.headers["retry-after"]


def test_busy_server_is_retried(server: RunningServer) -> None:
    server.state.scheduler.admission._limit = 0
    attempts = 0

    def count(_: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            server.state.scheduler.admission._limit = 64

    http = httpx2.Client(event_hooks={"request": [count]})
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=2, http_client=http) as client:
        assert transcribe(client).text
    assert attempts == 2
