"""SIGTERM under load: accepted requests get their responses, later ones are not accepted."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.http.test_predict import WAV
from tests.service.serving import run_server
from tests.waiting import wait_until

CLIENTS: Final = 12


def test_accepted_requests_complete(settings: Settings, aligner: FakeAligner) -> None:
    """The server stops while a dozen requests, half of them event streams, wait for the aligner."""
    with run_server(settings, aligner) as server, ThreadPoolExecutor(CLIENTS) as pool:
        aligner.gate.clear()

        def predict(number: int) -> httpx.Response:
            headers = {"accept": "text/event-stream"} if number % 2 else {}
            return server.client.post("/predict", files={"file": WAV}, headers=headers)

        futures = [pool.submit(predict, number) for number in range(CLIENTS)]
        wait_until(lambda: server.state.scheduler.admission.in_progress == CLIENTS)
        # As the SIGTERM handler of uvicorn does; signal handlers need the main thread.
        server.uvicorn.handle_exit(signal.SIGTERM, None)
        wait_until(lambda: not is_open(server.port))
        assert not any(future.done() for future in futures)
        aligner.gate.set()
        responses = [future.result() for future in futures]
    assert [response.status_code for response in responses] == [200] * CLIENTS
    for response in responses[1::2]:
        assert response.text.count("event: result") == 1


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_stuck_requests_do_not_prevent_stop(settings: Settings, aligner: FakeAligner) -> None:
    """A stalled upload and an aligner that does not return."""
    impatient = settings.model_copy(update={"deadline_s": 0.5, "upload_idle_s": 0.5})
    with run_server(impatient, aligner) as server, server.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        )
        aligner.gate.clear()
        late = pool.submit(server.client.post, "/predict", files={"file": WAV})
        wait_until(lambda: server.state.scheduler.admission.in_progress == 1)
        server.uvicorn.handle_exit(signal.SIGTERM, None)
        assert late.result().status_code == 504
        wait_until(lambda: server.connections == 0)
        aligner.gate.set()
