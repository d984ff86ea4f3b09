import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from alignment.audio import Waveform
from alignment.errors import AlignerFailedError
from alignment.transcripts.words import Transcript
from service.setting_groups import LiveSettings
from service.settings import Settings
from tests.builders import SPEECH, noise
from tests.fakes import FakeAligner
from tests.raw_audio import ENCODERS, encode_raw
from tests.service.serving import run_app
from tests.waiting import wait_until

END = json.dumps({"type": "end"})


def spoken(rate_hz: int = 16_000) -> bytes:
    """16-bit PCM of a sentence followed by two seconds of low noise."""
    samples, _ = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    padded = np.concatenate((samples, noise(2.0) * 1e-3))
    pcm: bytes = (soxr.resample(padded, 16_000, rate_hz) * 32_000).astype("<i2").tobytes()
    return pcm


def send(session: WebSocketTestSession, pcm: bytes, frame_bytes: int = 6_400) -> None:
    for start in range(0, len(pcm), frame_bytes):
        session.send_bytes(pcm[start : start + frame_bytes])


def read_all(session: WebSocketTestSession) -> tuple[list[Any], int]:
    """Messages until the end of the connection, and its close code."""
    messages = []
    while True:
        try:
            messages.append(session.receive_json())
        except WebSocketDisconnect as exc:
            return messages, exc.code


@contextmanager
def run_with(settings: Settings, aligner: FakeAligner, **limits: float) -> Iterator[TestClient]:
    with run_app(settings.model_copy(update={"live": LiveSettings.model_validate(limits)}), aligner) as client:
        yield client


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_result_is_sent_before_end_of_stream(client: TestClient, rate_hz: int) -> None:
    with client.websocket_connect(f"/stream?rate={rate_hz}") as session:
        send(session, spoken(rate_hz), 2 * rate_hz // 5)
        started, result = session.receive_json(), session.receive_json()
        session.send_text(END)
        [done], code = read_all(session)
    assert (started["type"], started["id"], code) == ("utterance.start", 0, 1000)
    assert (result["type"], result["id"], result["text"]) == ("utterance.result", 0, "the children")
    assert result["start_s"] == pytest.approx(started["start_s"], abs=0.01)
    assert sum(result["probabilities"].values()) == pytest.approx(1.0)
    assert result["words"][0]["word"] == "the"
    assert done["type"] == "done"
    assert done["emotion"] == result["emotion"]
    assert done["probabilities"] == pytest.approx(result["probabilities"])
    assert done["confidence"] == pytest.approx(result["confidence"])
    assert (done["uncertain"], done["uncertain_reasons"]) == (result["uncertain"], result["uncertain_reasons"])


def test_occlusion_of_live_speech(client: TestClient) -> None:
    with client.websocket_connect("/stream?explain=occlusion") as session:
        send(session, spoken()[:48_000])
        session.send_text(END)
        messages, _ = read_all(session)
    assert all(set(word["effect"]) == {"text", "audio"} for word in messages[1]["words"])


def test_unfinished_utterance_is_scored_at_end(client: TestClient) -> None:
    with client.websocket_connect("/stream?explain=false") as session:
        send(session, spoken()[:48_000])
        session.send_text(END)
        messages, _ = read_all(session)
    assert [message["type"] for message in messages] == ["utterance.start", "utterance.result", "done"]
    assert "words" not in messages[1]


def test_silence_has_no_emotion(client: TestClient) -> None:
    with client.websocket_connect("/stream") as session:
        session.send_bytes(bytes(64_000))
        session.send_text(END)
        messages, code = read_all(session)
    [done] = messages
    nothing = {"emotion": None, "probabilities": None, "confidence": None, "uncertain": None}
    assert (done, code) == (
        {"type": "done", "duration_s": 2.0, **nothing, "uncertain_reasons": [], "warnings": []},
        1000,
    )


def test_warnings_about_the_sound_are_sent_once(client: TestClient, aligner: FakeAligner) -> None:
    """As in POST /predict; the summary at the end has them again."""
    aligner.doubtful = {"the", "children"}
    spoken_twice = np.tile(np.frombuffer(spoken(8_000), "<i2"), 2)
    with client.websocket_connect("/stream?rate=8000") as session:
        send(session, spoken_twice.tobytes())
        session.send_text(END)
        messages, _ = read_all(session)
    first, second = (message["warnings"] for message in messages if message["type"] == "utterance.result")
    assert ["band of the sound ends at" in warning for warning in first] == [True]
    assert second == []
    band, doubtful = messages[-1]["warnings"]
    assert band == first[0]
    assert doubtful.startswith("4 of 4 words are doubtful")


def test_warnings_about_words_are_sent_with_each_utterance(settings: Settings) -> None:
    class Guessing(FakeAligner):
        def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
            return replace(super().align(waveform, text, language), warnings=("a word was guessed",))

    with run_app(settings, Guessing()) as client, client.websocket_connect("/stream") as session:
        send(session, spoken() * 2)
        session.send_text(END)
        messages, _ = read_all(session)
    results = [message["warnings"] for message in messages if message["type"] == "utterance.result"]
    assert results == [["a word was guessed"]] * 2


@pytest.mark.parametrize(
    ("address", "frames", "code"),
    [
        ("/stream", ["hello"], "bad-frame"),
        ("/stream", ["{}"], "bad-frame"),
        ("/stream", ['{"type": "pause"}'], "bad-frame"),
        ("/stream", [bytes(100), '{"type": "start", "rate": 8000}'], "bad-frame"),
        ("/stream", ['{"type": "start", "rate": 7}'], "bad-frame"),
        ("/stream?encoding=pcm_f32le", [np.full(250, np.nan, "<f4").tobytes()] * 2, "bad-frame"),
        ("/stream", ['{"type": "keepalive"}'] * 400, "live-limit"),
        ("/stream", ["[]"], "bad-frame"),
        ("/stream?rate=7", [], "bad-frame"),
        ("/stream", [bytes(2_000)], "bad-frame"),
        ("/stream", [bytes(1_000)] * 40, "live-limit"),
        ("/stream", [], "live-limit"),
    ],
)
def test_limits_and_invalid_messages(
    settings: Settings, aligner: FakeAligner, address: str, frames: list[bytes | str], code: str
) -> None:
    with (
        run_with(settings, aligner, max_frame_bytes=1_000, max_audio_s=1.0, idle_s=0.5) as client,
        client.websocket_connect(address) as session,
    ):
        for frame in frames:
            if isinstance(frame, bytes):
                session.send_bytes(frame)
            else:
                session.send_text(frame)
        messages, closed = read_all(session)
    assert (messages[-1]["type"], messages[-1]["problem"]["code"]) == ("error", code)
    assert closed == 1008


@pytest.mark.parametrize(
    ("address", "message", "detail"),
    [
        ("/stream", '{"type": "pause"}', """there is no message 'pause'; accepted are {"type": "start"}, """),
        ("/stream", '{"event": "connected"}', "connect to /stream/twilio"),
        ("/stream?encoding=opus", "", "`encoding` is 'opus'; accepted are pcm_s16le, pcm_f32le, mulaw, alaw; decode"),
        ("/stream?encoding=opus-in-webm", "", "examples/live.html"),
        ("/stream?rate=fast", "", "`rate` is 'fast': input should be a valid integer"),
        ("/stream?explain=yes", "", "`explain` is 'yes': input should be 'true', 'false', 'full' or 'occlusion'"),
        ("/stream?sample_rate=8000", "", "there is no option `sample_rate`; choose from rate, encoding, explain"),
    ],
)
def test_refusal_states_what_to_send(client: TestClient, address: str, message: str, detail: str) -> None:
    with client.websocket_connect(address) as session:
        session.send_text(message)
        messages, code = read_all(session)
    assert detail in messages[-1]["problem"]["detail"]
    assert code == 1008


@pytest.mark.parametrize("by_message", [False, True])
@pytest.mark.parametrize("encoding", ENCODERS)
def test_encodings_in_chunks_that_end_within_samples(client: TestClient, encoding: str, by_message: bool) -> None:
    samples = np.frombuffer(spoken(8_000), "<i2").astype(np.float32) / 32_768
    data = encode_raw(samples, encoding, 8_000)
    with client.websocket_connect("/stream" if by_message else f"/stream?encoding={encoding}&rate=8000") as session:
        if by_message:
            session.send_json({"type": "start", "encoding": encoding, "rate": 8_000})
        send(session, data, 3_001)
        session.send_text(END)
        messages, code = read_all(session)
    assert [message["type"] for message in messages] == ["utterance.start", "utterance.result", "done"]
    assert messages[-1]["duration_s"] == pytest.approx(len(samples) / 8_000, abs=0.04)
    assert messages[0]["start_s"] < 0.5
    assert code == 1000


def test_telephone_encodings_have_the_rate_of_the_telephone(client: TestClient) -> None:
    with client.websocket_connect("/stream?encoding=mulaw") as session:
        session.send_bytes(b"\xff" * 16_000)
        session.send_text(END)
        [done], _ = read_all(session)
    assert done["duration_s"] == pytest.approx(2.0, abs=0.04)


@pytest.mark.parametrize("message", ["keepalive", "KeepAlive", "keep_alive", "ping"])
def test_keep_alive_messages_have_no_effect(settings: Settings, aligner: FakeAligner, message: str) -> None:
    pcm = spoken()
    with run_with(settings, aligner) as client, client.websocket_connect("/stream") as session:
        for start in range(0, len(pcm), 6_400):
            session.send_text(json.dumps({"type": message}))
            session.send_bytes(b"")
            session.send_bytes(pcm[start : start + 6_400])
        session.send_text(END)
        messages, code = read_all(session)
    assert [message["type"] for message in messages] == ["utterance.start", "utterance.result", "done"]
    assert code == 1000


def test_connections_are_bounded_and_counted(settings: Settings, aligner: FakeAligner) -> None:
    with run_with(settings, aligner, max_connections=1) as client:
        with client.websocket_connect("/stream"):
            wait_until(lambda: "can_live_connections 1.0" in client.get("/metrics").text)
            with client.websocket_connect("/stream") as second:
                messages, code = read_all(second)
            assert (messages[0]["problem"]["code"], code) == ("live-full", 1013)
        wait_until(lambda: "can_live_connections 0.0" in client.get("/metrics").text)
        with client.websocket_connect("/stream") as third:
            third.send_text(END)
            assert read_all(third)[1] == 1000


def test_failed_aligner_closes_connection(client: TestClient, aligner: FakeAligner) -> None:
    aligner.error = AlignerFailedError("fake", "it fell over")
    with client.websocket_connect("/stream") as session:
        send(session, spoken())
        session.send_text(END)
        messages, code = read_all(session)
    assert (messages[-1]["problem"]["code"], code) == ("aligner-failed", 1011)
