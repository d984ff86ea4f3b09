"""SIGTERM under load: what was accepted is answered, what comes later is not accepted."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.http.test_predict import WAV
from tests.service.serving import serve
from tests.waiting import wait_until

CLIENTS: Final = 12


def test_every_accepted_request_is_answered(settings: Settings, aligner: FakeAligner) -> None:
    """A dozen wait for the aligner, half of them as event streams; then the server is told to stop."""
    with serve(settings, aligner) as served, ThreadPoolExecutor(CLIENTS) as pool:
        aligner.gate.clear()

        def ask(number: int) -> httpx.Response:
            headers = {"accept": "text/event-stream"} if number % 2 else {}
            return served.client.post("/predict", files={"file": WAV}, headers=headers)

        waiting = [pool.submit(ask, number) for number in range(CLIENTS)]
        wait_until(lambda: served.lifecycle.scheduler.admission.in_progress == CLIENTS)
        # What uvicorn's handler of SIGTERM does; only a main thread can have handlers.
        served.server.handle_exit(signal.SIGTERM, None)
        wait_until(lambda: not is_open(served.port))
        assert not any(future.done() for future in waiting)
        aligner.gate.set()
        answers = [future.result() for future in waiting]
    assert [answer.status_code for answer in answers] == [200] * CLIENTS
    for answer in answers[1::2]:
        assert answer.text.count("event: result") == 1


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_stuck_request_does_not_keep_it_from_stopping(settings: Settings, aligner: FakeAligner) -> None:
    """Neither an upload that stands still, nor an aligner that never answers."""
    hasty = settings.model_copy(update={"deadline_s": 0.5, "upload_idle_s": 0.5})
    with serve(hasty, aligner) as served, served.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n")
        aligner.gate.clear()
        late = pool.submit(served.client.post, "/predict", files={"file": WAV})
        wait_until(lambda: served.lifecycle.scheduler.admission.in_progress == 1)
        served.server.handle_exit(signal.SIGTERM, None)
        assert late.result().status_code == 504
        wait_until(lambda: served.connections == 0)
        aligner.gate.set()
