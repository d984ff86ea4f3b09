"""The log at its most verbose level, of a server with real connections."""

import io
import json
import logging
import threading
from contextlib import suppress
from hashlib import sha256

import httpx
import pytest
import structlog
from structlog.stdlib import ProcessorFormatter
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from alignment.errors import AlignerFailedError
from service.observability.logs import configure_logs
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.http.test_stream import spoken
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until

KEY = "a-secret-key-of-a-client"
WRONG = "another-secret-key"
WORD = "unspeakable"
FILE = "secretfile"
AUDIO_AS_TEXT = b"soundsoundsound!" * 400
"""Also valid 16-bit samples, which a log shows as text."""


def renderings(payload: bytes) -> set[str]:
    """Forms in which a log may show the first bytes of a payload."""
    first = payload[:12]
    return {first.hex(), first.hex(" "), repr(first)[2:-1], first.decode("latin-1")}


def run_session(server: RunningServer, aligner: FakeAligner) -> None:
    """Every endpoint with a key, recordings, words and failures."""
    headers = {"authorization": f"Bearer {KEY}"}
    files = {"file": (f"{FILE}.wav", encode(noise(1.0)))}
    client = httpx.Client(base_url=server.url, headers=headers, timeout=60)
    client.get("/health/live")  # logged at debug
    for fields in ({"transcript": f"an {WORD} matter"}, {"words": f'["{WORD}"'}, {"language": WORD * 20}):
        client.post("/predict", files=files, data=fields)
    client.post("/predict", files=files, headers={"accept": "text/event-stream"})
    client.post("/predict", files=files, headers={"authorization": "", "x-api-key": WRONG})
    job = client.post("/jobs", files=files).headers["location"]
    wait_until(lambda: client.get(job).json()["status"] == "done")
    client.delete(job)
    aligner.error = AlignerFailedError("fake", "it fell over")
    client.post("/predict", files=files, data={"transcript": WORD})
    aligner.error = None
    client.close()


def run_live_session(server: RunningServer) -> None:
    """Audio, a wrong message, a ping with a payload, a secret as a parameter, and a wrong key as a subprotocol."""
    address = f"ws://127.0.0.1:{server.port}/stream"
    for message in (spoken(), AUDIO_AS_TEXT, WORD):
        with connect(address, subprotocols=[Subprotocol("can-ser"), Subprotocol(KEY)]) as live:
            live.ping(WORD).wait(20)
            live.send(message)
            live.send('{"type": "end"}')
            with suppress(ConnectionClosed):
                assert list(live)
    right = [Subprotocol("can-ser"), Subprotocol(KEY)]
    with connect(f"{address}?key={WORD}", subprotocols=right) as live:
        assert "key" in json.loads(live.recv())["problem"]["detail"]
    wrong = [Subprotocol("can-ser"), Subprotocol(WRONG)]
    with pytest.raises(InvalidStatus), connect(f"{address}?key={WORD}", subprotocols=wrong):
        pass


def test_debug_log_of_a_session_holds_no_content(
    settings: Settings, aligner: FakeAligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = sha256(KEY.encode()).hexdigest()
    verbose = settings.model_copy(update={"log_level": "debug", "api_keys": (digest,)})
    written = io.StringIO()
    with run_server(verbose, aligner) as server:
        [handler] = [each for each in logging.getLogger().handlers if isinstance(each.formatter, ProcessorFormatter)]
        monkeypatch.setattr(handler, "stream", written)
        run_session(server, aligner)
        run_live_session(server)
        wait_until(lambda: server.state.live_connections == 0)
    log = written.getvalue()
    assert r"WebSocket /stream\" [accepted]" in log
    levels = {line["level"] for line in map(json.loads, log.splitlines())}
    assert "debug" in levels
    for secret in (KEY, WRONG, digest, WORD, FILE, *renderings(spoken()), *renderings(AUDIO_AS_TEXT)):
        assert secret not in log, secret


@pytest.mark.parametrize(("level", "own", "library"), [("debug", 10, 20), ("info", 20, 20), ("error", 40, 40)])
def test_libraries_log_no_more_than_info(level: str, own: int, library: int) -> None:
    configure_logs(level)
    try:
        assert logging.getLogger("service.http.server").getEffectiveLevel() == own
        assert logging.getLogger("model.bundle").getEffectiveLevel() == own
        for name in ("uvicorn.error", "websockets.server", "python_multipart", "asyncio"):
            assert logging.getLogger(name).getEffectiveLevel() == library
    finally:
        configure_logs("info")


def test_traceback_on_a_terminal_shows_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the service are words and audio."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    configure_logs("info")
    try:
        _fail_with_secret()
    finally:
        monkeypatch.undo()
        configure_logs("info")
    assert "ZeroDivisionError" in terminal.getvalue()
    assert WORD not in terminal.getvalue()


def _fail_with_secret() -> None:
    transcript = "".join(["unspeak", "able"])
    try:
        len(transcript) / len("")
    except ZeroDivisionError:
        structlog.stdlib.get_logger("service").exception("unexpected error", thread=threading.current_thread().name)
