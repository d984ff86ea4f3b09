"""Messages of Twilio Media Streams."""

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession

from service.setting_groups import LiveSettings
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.raw_audio import encode_raw
from tests.service.http.test_stream import read_all, spoken
from tests.service.serving import run_app

PATH = "/stream/twilio"
FRAME_BYTES = 160
CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
STOP = {"event": "stop", "sequenceNumber": "9", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": "CA1"}}


def start(*tracks: str, **parameters: str) -> dict[str, Any]:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    names = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": tracks or ("inbound",)}
    fields = {**names, "mediaFormat": media_format, "customParameters": parameters}
    return {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": fields}


def media(payload: bytes, timestamp_ms: int = 0, track: str = "inbound") -> dict[str, Any]:
    encoded = base64.b64encode(payload).decode()
    part = {"track": track, "chunk": "1", "timestamp": str(timestamp_ms), "payload": encoded}
    return {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": part}


def mulaw() -> bytes:
    """A sentence and two seconds of low noise, as a telephone network sends it."""
    return encode_raw(np.frombuffer(spoken(8_000), "<i2").astype(np.float32) / 32_768, "mulaw", 8_000)


def frames(audio: bytes, track: str = "inbound") -> Iterator[dict[str, Any]]:
    """Frames of 20 ms, as Twilio sends them."""
    for position in range(0, len(audio), FRAME_BYTES):
        yield media(audio[position : position + FRAME_BYTES], position // 8, track)


def send_all(session: WebSocketTestSession, *messages: dict[str, Any]) -> None:
    for message in messages:
        session.send_text(json.dumps(message))


def test_utterance_is_sent_during_the_call(client: TestClient) -> None:
    with client.websocket_connect(PATH) as session:
        send_all(session, CONNECTED, start(), *frames(mulaw()))
        started, result = session.receive_json(), session.receive_json()
        mark = {"event": "mark", "streamSid": "MZ1", "mark": {"name": "x"}}
        send_all(session, mark, {"event": "dtmf", "dtmf": {"digit": "1"}}, {"event": "of the future"}, STOP)
        [done], code = read_all(session)
    names = {"streamSid": "MZ1", "callSid": "CA1", "track": "inbound"}
    for message, kind in ((started, "utterance.start"), (result, "utterance.result"), (done, "done")):
        assert message["type"] == kind
        assert names.items() <= message.items()
    assert result["text"] == "the children"
    assert done["emotion"] == result["emotion"]
    assert code == 1000


def test_both_tracks_have_utterances_of_their_own(client: TestClient) -> None:
    audio = mulaw()
    with client.websocket_connect(PATH) as session:
        both = zip(frames(audio), frames(audio, "outbound"), strict=True)
        send_all(
            session, CONNECTED, start("inbound", "outbound", explain="false"), *(each for pair in both for each in pair)
        )
        send_all(session, STOP)
        messages, code = read_all(session)
    results = [message for message in messages if message["type"] == "utterance.result"]
    assert sorted(message["track"] for message in results) == ["inbound", "outbound"]
    assert all("words" not in message for message in results)
    assert [message["track"] for message in messages if message["type"] == "done"] == ["inbound", "outbound"]
    assert code == 1000


def test_silence_is_of_whole_samples(client: TestClient) -> None:
    """Half a sample would shift all later ones: the sentence after a gap would be noise."""
    audio = np.frombuffer(spoken(11_025), "<i2").tobytes()
    opened = start()
    opened["start"]["mediaFormat"] = {"encoding": "audio/x-l16", "sampleRate": 11_025, "channels": 1}
    pieces = [audio[at : at + 1_000] for at in range(0, len(audio), 1_000)]
    with client.websocket_connect(PATH) as session:
        send_all(session, CONNECTED, opened, *(media(piece, 300) for piece in pieces), STOP)
        messages, _ = read_all(session)
    assert [message["text"] for message in messages if message["type"] == "utterance.result"] == ["the children"]


def test_missing_audio_is_silence(client: TestClient) -> None:
    """A track that begins later, or loses packets, has the times of the call; no time of the future is accepted."""
    with client.websocket_connect(PATH) as session:
        send_all(session, CONNECTED, start(), media(b"\xff" * FRAME_BYTES, 1_500), media(b"\xff" * FRAME_BYTES, 10**12))
        send_all(session, STOP)
        [done], _ = read_all(session)
    assert 1.5 <= done["duration_s"] < 30


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "bad-frame"),
        (b"\xff" * FRAME_BYTES, "bad-frame"),
        ({"type": "end"}, "bad-frame"),
        ({"event": "media"}, "bad-frame"),
        (media(b"\xff") | {"media": {"payload": "?"}}, "bad-frame"),
        (media(b"\xff") | {"media": {"payload": 5}}, "bad-frame"),
        (media(b"\xff") | {"media": {"payload": "ä"}}, "bad-frame"),
        (media(b"\xff", track="outbound"), "bad-frame"),
        (media(b"\xff" * 2_000), "bad-frame"),
    ],
)
def test_invalid_message_ends_the_connection(
    settings: Settings, aligner: FakeAligner, message: dict[str, Any] | str | bytes, code: str
) -> None:
    live = LiveSettings(max_frame_bytes=1_000)
    with (
        run_app(settings.model_copy(update={"live": live}), aligner) as client,
        client.websocket_connect(PATH) as session,
    ):
        send_all(session, CONNECTED, start())
        if isinstance(message, bytes):
            session.send_bytes(message)
        else:
            session.send_text(message if isinstance(message, str) else json.dumps(message))
        messages, closed = read_all(session)
    assert (messages[-1]["type"], messages[-1]["problem"]["code"], closed) == ("error", code, 1008)


@pytest.mark.parametrize(
    ("first", "detail"),
    [
        (media(b"\xff"), "before `start`"),
        ({"event": "start"}, "has no field `start`"),
        (start("sideways"), "start.tracks.0"),
        (start(explain="maybe"), "`explain` is 'maybe'"),
        (start(bundle="unknown"), "unknown"),
        (start() | {"start": {"mediaFormat": {"encoding": "audio/opus"}}}, "the encoding is 'audio/opus'"),
    ],
)
def test_invalid_start_is_refused(client: TestClient, first: dict[str, Any], detail: str) -> None:
    with client.websocket_connect(PATH) as session:
        send_all(session, first)
        messages, code = read_all(session)
    assert detail in messages[-1]["problem"]["detail"]
    assert code == 1008


def test_key_is_a_custom_parameter(settings: Settings, aligner: FakeAligner) -> None:
    key = "the-key"
    guarded = settings.model_copy(update={"api_keys": (sha256(key.encode()).hexdigest(),)})
    with run_app(guarded, aligner) as client:
        for parameters in ({}, {"key": "wrong"}, {"key": "\ud83d\ude00"}):
            with client.websocket_connect(PATH) as session:
                send_all(session, CONNECTED, start(**parameters))
                messages, code = read_all(session)
            assert (messages[0]["problem"]["code"], code) == ("wrong-key", 1008)
        for headers, parameters in (({}, {"key": key}), ({"x-api-key": key}, {})):
            with client.websocket_connect(PATH, headers=headers) as session:
                send_all(session, CONNECTED, start(**parameters), STOP)
                [done], code = read_all(session)
            assert (done["type"], code) == ("done", 1000)


def test_key_is_read_under_the_path_of_a_proxy(settings: Settings, aligner: FakeAligner) -> None:
    guarded = settings.model_copy(update={"api_keys": (sha256(b"k").hexdigest(),), "root_path": "/emotion"})
    with run_app(guarded, aligner) as client:
        for path in (PATH, f"/emotion{PATH}"):
            with client.websocket_connect(path) as session:
                send_all(session, CONNECTED, start(key="k"), STOP)
                assert read_all(session)[1] == 1000


def test_connection_without_key_holds_no_place(settings: Settings, aligner: FakeAligner) -> None:
    guarded = settings.model_copy(
        update={"api_keys": (sha256(b"k").hexdigest(),), "live": LiveSettings(max_connections=1)}
    )
    with run_app(guarded, aligner) as client, client.websocket_connect(PATH) as stranger:
        send_all(stranger, CONNECTED)
        with client.websocket_connect(PATH) as session:
            send_all(session, CONNECTED, start(key="k"), STOP)
            assert read_all(session)[1] == 1000
        send_all(stranger, *[CONNECTED] * 400)
        messages, code = read_all(stranger)
    assert (messages[-1]["problem"]["code"], code) == ("live-limit", 1008)
