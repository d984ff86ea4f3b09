"""Slow, stalled, malformed and oversized connections: each one ends, and other requests are still server."""

import socket
import time
from contextlib import ExitStack
from hashlib import sha256
from itertools import takewhile

import httpx
import pytest

from service.http.http_protocol import MAX_HEAD_BYTES
from service.settings import Settings
from tests.fakes import FakeAligner
from tests.service.http.impatience import IDLE_S, WAV, is_readable, is_responsive
from tests.service.serving import RunningServer, open_descriptors, read_to_end, run_server
from tests.waiting import wait_until

FORM = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture
def server(impatient_server: RunningServer) -> RunningServer:
    return impatient_server


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET /model HTT",
        b"GET /model HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /model HTTP/1.1\r\nHost: localhost\r\nX-A: ",
    ],
)
def test_incomplete_request_head_times_out(server: RunningServer, head: bytes) -> None:
    """Single bytes do not extend the limit."""
    with server.connect() as connection:
        connection.sendall(head)
        started = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError, StopIteration)):  # noqa: PT012
            connection.settimeout(0.1)
            while time.monotonic() < started + 20:
                try:
                    if not connection.recv(1):
                        raise StopIteration
                except TimeoutError:
                    connection.sendall(b"a" if head else b"")
        assert time.monotonic() < started + 10 * IDLE_S
    assert is_responsive(server)


def test_incomplete_head_on_kept_connection_times_out(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health/l")
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("endless", [b"GET /" + b"a" * 50, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 50])
def test_endless_request_head_is_refused(server: RunningServer, endless: bytes) -> None:
    received = server.exchange(endless + b"a" * (4 * MAX_HEAD_BYTES))
    assert received == b"" or received.startswith(b"HTTP/1.1 431")
    many = b"".join(b"X-%d: a\r\n" % number for number in range(40_000))
    assert not server.exchange(b"GET / HTTP/1.1\r\n" + many).startswith(b"HTTP/1.1 2")
    assert is_responsive(server)


def test_endless_trailers_are_refused(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\n1\r\n-\r\n0\r\nX-A: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(b"a" * 100_000_000)
    assert is_responsive(server)


def test_client_that_does_not_read_is_disconnected(server: RunningServer) -> None:
    """Unread responses to pipelined requests fill the buffers of both ends."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(request * 400)
        wait_until(lambda: server.connections == 0)
    assert is_responsive(server)


@pytest.mark.slow
@pytest.mark.parametrize("pause_s", [None, 0.2])
def test_stalled_or_slow_upload_gets_408(server: RunningServer, pause_s: float | None) -> None:
    with server.connect() as connection:
        connection.sendall(FORM + b"Content-Length: 100000\r\n\r\n" + FILE + WAV[:1_000])
        started = time.monotonic()
        while pause_s is not None and time.monotonic() < started + 2.5:
            connection.sendall(b"a")
            if is_readable(connection, pause_s):
                break
        received = connection.recv(65_536)
        assert received.startswith(b"HTTP/1.1 408")
        assert b"upload-timeout" in received
        # The server discards the rest of the body for at most the longest time of an upload.
        read_to_end(connection)
    assert is_responsive(server)


def test_disconnect_during_upload_leaks_nothing(server: RunningServer) -> None:
    assert is_responsive(server)
    files = open_descriptors()
    for _ in range(10):
        with server.connect() as connection:
            connection.sendall(FORM + b"Content-Length: 3000000\r\n\r\n" + FILE + bytes(1_500_000))
    wait_until(lambda: open_descriptors() <= files)
    assert is_responsive(server)


def test_one_key_cannot_take_all_uploads(settings: Settings, aligner: FakeAligner) -> None:
    digests = tuple(sha256(key.encode()).hexdigest() for key in ("one", "other"))
    shared = settings.model_copy(update={"api_keys": digests, "max_uploads": 4})
    head = FORM + b"Authorization: Bearer one\r\nContent-Length: 100000\r\n\r\n" + FILE
    with run_server(shared, aligner) as server, ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(server.connect()).sendall(head)
        wait_until(lambda: post(server, "one").status_code == 503)
        refused = post(server, "one")
        assert (refused.json()["code"], "2 uploads" in refused.json()["detail"]) == ("uploads-full", True)
        assert post(server, "other").status_code == 200
        opened.close()
        wait_until(lambda: post(server, "one").status_code == 200)


def post(server: RunningServer, key: str) -> httpx.Response:
    return server.client.post("/predict", files={"file": WAV}, headers={"authorization": f"Bearer {key}"})


@pytest.mark.slow
def test_concurrent_uploads_are_bounded_and_release_their_slots(server: RunningServer) -> None:
    """Each attempt starts new uploads: on a busy machine they may time out before the next request is read."""
    uploads: list[socket.socket] = []
    refused: list[httpx.Response] = []

    def are_refused() -> bool:
        while uploads:
            uploads.pop().close()
        uploads.extend(server.connect() for _ in range(4))
        for connection in uploads:
            connection.sendall(FORM + b"Content-Length: 100000\r\n\r\n" + FILE)
        responses = (server.client.post(path, files={"file": WAV}) for path in ("/predict", "/jobs"))
        refused[:] = takewhile(lambda response: response.status_code == 503, responses)
        return len(refused) == 2

    wait_until(are_refused)
    assert [response.json()["code"] for response in refused] == ["uploads-full", "uploads-full"]
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert server.client.get("/health/live").status_code == 200
    for connection in uploads:
        connection.close()
    wait_until(lambda: is_responsive(server))


MANY = "".join(f'--x\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\n1\r\n' for n in range(10_000)).encode()
NESTED = (
    b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n'
)
FORMS = {
    "no boundary": (b"multipart/form-data", FILE + WAV + b"\r\n--x--\r\n"),
    "an empty boundary": (b"multipart/form-data; boundary=", FILE + WAV + b"\r\n--x--\r\n"),
    "another boundary": (b"multipart/form-data; boundary=y", FILE + WAV + b"\r\n--x--\r\n"),
    "a huge boundary": (b"multipart/form-data; boundary=" + b"x" * 60_000, FILE),
    "no end": (b"multipart/form-data; boundary=x", FILE + WAV),
    "empty body": (b"multipart/form-data; boundary=x", b""),
    "only an end": (b"multipart/form-data; boundary=x", b"--x--\r\n"),
    "10,000 fields": (b"multipart/form-data; boundary=x", MANY + b"--x--\r\n"),
    "10,000 files": (b"multipart/form-data; boundary=x", FILE.join([b"", *[b"a\r\n"] * 10_000]) + b"--x--\r\n"),
    "a huge name": (
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 1_500_000 + b'"\r\n\r\na\r\n--x--\r\n',
    ),
    "no disposition": (b"multipart/form-data; boundary=x", b"--x\r\n\r\na\r\n--x--\r\n"),
    "a form of another kind": (b"application/x-www-form-urlencoded", b"file=a&" * 200_000),
    "no form": (b"application/json", b'{"file": "a"}'),
    "an unknown charset": (b"multipart/form-data; boundary=x; charset=unknown", b"--x--\r\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_malformed_forms_are_bad_requests(server: RunningServer, name: str) -> None:
    kind, body = FORMS[name]
    response = server.client.post("/predict", content=body, headers={b"content-type": kind})
    assert (response.status_code, response.json()["code"]) == (400, "malformed-form"), response.text


def test_form_inside_a_form_is_not_audio(server: RunningServer) -> None:
    body = NESTED + WAV + b"\r\n--y--\r\n--x--\r\n"
    response = server.client.post(
        "/predict", content=body, headers={b"content-type": b"multipart/form-data; boundary=x"}
    )
    assert (response.status_code, response.json()["code"]) == (415, "not-audio"), response.text


@pytest.mark.parametrize("field", ["words", "segments"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"a":' * 100_000,
        "[" + "1," * 400_000 + "1]",
        "[" + '{"word": "a", "start": 0, "end": 1},' * 25_000 + "{}]",
        '[{"word": "a", "start": ' + "9" * 900_000 + ', "end": 1}]',
        '[{"word": "\\ud800", "start": 0, "end": 1}]',
        '[{"start": 0, "end": 1, "word": "' + "a" * 900_000 + '"}]',
        "\x00",
        "null",
        '[{"word": true, "start": "1", "end": []}]',
    ],
    ids=range(10),
)
def test_hostile_json_is_refused(server: RunningServer, field: str, text: str) -> None:
    response = server.client.post("/predict", files={"file": WAV}, data={field: text})
    # Segments may have additional fields of any length.
    assert response.status_code in ({400, 422} if field == "words" else {200, 400, 422})
    # A result has more fields than a problem; neither repeats what was sent.
    assert len(response.text) < (3_000 if response.status_code == 200 else 2_000)


RAW = {
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two lengths": FORM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a length and chunks": FORM
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a negative length": FORM + b"Content-Length: -5\r\n\r\n",
    "a length past 64 bits": FORM + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "an overlong chunk size": FORM + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    "an undecodable path": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a zero byte in the path": b"GET /jobs/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "an absolute address": b"GET http://elsewhere/model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
    "folded headers": b"GET /model HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\nConnection: close\r\n\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_malformed_http(server: RunningServer, name: str) -> None:
    received = server.exchange(RAW[name])
    assert received == b"" or received.startswith(b"HTTP/1.1 ")
    assert not received.startswith(b"HTTP/1.1 5")
    # No second request can be smuggled in the body of the first one.
    assert received.count(b"HTTP/1.1 ") <= 1
    assert is_responsive(server)
