"""Unexpected errors in the log: class, file and line, but no message, which may quote a request."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from structlog.stdlib import ProcessorFormatter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from model.bundle import Bundle
from service.inference.engine import EmotionEngine
from service.observability.failures import outline_traceback
from service.observability.logs import configure_logs
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.http.test_stream import spoken
from tests.service.http.test_twilio import CONNECTED, PATH, STOP, frames, mulaw, start
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until

SECRET = "unspeakable-word"
FILE = "secretfile.wav"


@contextmanager
def record_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Text that the handler of the service writes during the block."""
    [handler] = [each for each in logging.getLogger().handlers if isinstance(each.formatter, ProcessorFormatter)]
    written = io.StringIO()
    with monkeypatch.context() as changed:
        changed.setattr(handler, "stream", written)
        yield written


def outlines(log: str) -> list[list[str]]:
    """Tracebacks of a log in JSON."""
    return [line["traceback"] for line in map(json.loads, log.splitlines()) if "traceback" in line]


def predict(server: RunningServer) -> None:
    response = server.client.post("/predict", files={"file": (FILE, encode(noise(1.0)))})
    assert response.status_code == 500


def predict_events(server: RunningServer) -> None:
    headers = {"accept": "text/event-stream"}
    response = server.client.post("/predict", files={"file": (FILE, encode(noise(1.0)))}, headers=headers)
    assert "event: error" in response.text


def run_job(server: RunningServer) -> None:
    location = server.client.post("/jobs", files={"file": (FILE, encode(noise(1.0)))}).headers["location"]
    wait_until(lambda: server.client.get(location).json()["status"] == "failed")


def stream(server: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/stream") as live:
        live.send(spoken())
        live.send('{"type": "end"}')
        with suppress(ConnectionClosed):
            list(live)


def call(server: RunningServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}{PATH}") as live:
        for message in (CONNECTED, start(), *frames(mulaw()), STOP):
            live.send(json.dumps(message))
        with suppress(ConnectionClosed):
            list(live)


@pytest.mark.parametrize("request_fails", [predict, predict_events, run_job, stream, call])
def test_unexpected_error_is_logged_without_its_message(
    settings: Settings,
    aligner: FakeAligner,
    monkeypatch: pytest.MonkeyPatch,
    request_fails: Callable[[RunningServer], None],
) -> None:
    with run_server(settings, aligner) as server, record_log(monkeypatch) as written:
        aligner.error = KeyError(SECRET)
        request_fails(server)
        wait_until(lambda: bool(outlines(written.getvalue())))
    log = written.getvalue()
    for outline in outlines(log):
        assert outline[0] == "KeyError"
        assert any("fakes.py:" in line and line.endswith(" align") for line in outline)
    assert SECRET not in log
    assert FILE not in log


def test_error_in_an_archive_is_logged_without_message_or_name(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("ray") is None:
        pytest.skip("ray is not installed: make install-cluster")
    from service.bulk.workers import ArchiveWorker

    settings, aligner = Settings(bundle=str(tiny_bundle.folder)), FakeAligner()
    worker = ArchiveWorker(settings, EmotionEngine(settings, aligner=aligner))
    (tmp_path / FILE).write_bytes(encode(noise(1.0)))
    aligner.error = KeyError(SECRET)
    with record_log(monkeypatch) as written:
        row = worker.row(str(tmp_path / FILE))
    assert row["problem"] == "internal-error"
    [outline] = outlines(written.getvalue())
    assert outline[0] == "KeyError"
    assert SECRET not in written.getvalue()
    assert FILE not in written.getvalue()


def test_error_of_a_task_that_nothing_awaits_is_logged_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of asyncio contains the task, and that its error."""

    async def fail() -> None:
        raise KeyError(SECRET)

    async def leave() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait({task})
        del task
        gc.collect()

    configure_logs("info")
    with record_log(monkeypatch) as written:
        asyncio.run(leave())
    [outline] = outlines(written.getvalue())
    assert outline[0] == "KeyError"
    assert "never retrieved" in written.getvalue()
    assert SECRET not in written.getvalue()


def test_outline_has_causes_and_members_of_groups() -> None:
    outline = outline_traceback(_failed_group())
    assert [line for line in outline if ":" not in line] == [
        "ExceptionGroup",
        "caused by KeyError",
        "caused by ValueError",
    ]
    assert SECRET not in "".join(outline)


def _failed_group() -> BaseException:
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup(SECRET, [KeyError(SECRET)]) from ValueError(SECRET)
    return caught.value


def test_outline_on_a_terminal_has_a_line_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal: Any = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    configure_logs("info")
    try:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=_failed_group())
    finally:
        monkeypatch.undo()
        configure_logs("info")
    lines = terminal.getvalue().splitlines()
    assert any(line.endswith(" _failed_group") and "test_failures.py:" in line for line in lines)
    assert SECRET not in terminal.getvalue()
