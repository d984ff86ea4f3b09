"""What a client may do to a connection: be slow, stop, lie, send too much; each time others are served, and it ends."""

import json
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import takewhile

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from model.bundle import Bundle
from service.http.server import MAX_HEAD_BYTES
from service.settings import LiveSettings, Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import Served, open_files, read_to_end, serve
from tests.waiting import wait_until

IDLE_S = 0.6
WAV = encode(noise(1.0))
FORM = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


def hears(connection: socket.socket, within_s: float) -> bool:
    """Whether the server says something, or hangs up, in so many seconds."""
    return bool(select.select([connection], [], [], within_s)[0])


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle) -> Iterator[Served]:
    """One for all, so that what one test leaves behind another one finds."""
    impatient = Settings(
        bundle=str(tiny_bundle.folder),
        max_audio_s=10,
        upload_idle_s=IDLE_S,
        upload_s=2.0,
        max_uploads=4,
        log_level="error",
        live=LiveSettings(max_frame_bytes=20_000, max_audio_s=2, idle_s=IDLE_S, max_connections=4),
    )
    with serve(impatient, FakeAligner()) as running:
        yield running


@pytest.fixture
def served(server: Served) -> Iterator[Served]:
    yield server
    wait_until(lambda: server.connections <= 1 and server.lifecycle.live_connections == 0)
    assert server.lifecycle.scheduler.admission.in_progress == 0


def is_well(served: Served) -> bool:
    return served.client.post("/predict", files={"file": WAV}).status_code == 200


@pytest.mark.parametrize(
    "head", [b"", b"GET /model HTT", b"GET /model HTTP/1.1\r\nHost: x\r\n", b"GET /model HTTP/1.1\r\nHost: x\r\nX-A: "]
)
def test_a_head_that_does_not_come_is_not_waited_for(served: Served, head: bytes) -> None:
    """A byte now and then does not help, or it would be no limit."""
    with served.connect() as connection:
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
    assert is_well(served)


def test_a_kept_connection_that_trickles_is_not_waited_for(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /health/l")
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("endless", [b"GET /" + b"a" * 50, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 50])
def test_a_head_without_an_end_is_cut(served: Served, endless: bytes) -> None:
    answer = served.exchange(endless + b"a" * (4 * MAX_HEAD_BYTES))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    many = b"".join(b"X-%d: a\r\n" % number for number in range(40_000))
    assert not served.exchange(b"GET / HTTP/1.1\r\n" + many).startswith(b"HTTP/1.1 2")
    assert is_well(served)


def test_trailers_without_an_end_are_cut(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\n1\r\n-\r\n0\r\nX-A: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(b"a" * 100_000_000)
    assert is_well(served)


def test_a_reader_who_does_not_read_is_cut(served: Served) -> None:
    """Answers to requests in one piece fill both ends' buffers; nobody takes them."""
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with served.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(ask * 400)
        wait_until(lambda: served.connections == 0)
    assert is_well(served)


@pytest.mark.parametrize("pause_s", [None, 0.2])
def test_an_upload_that_stalls_or_crawls_gets_408(served: Served, pause_s: float | None) -> None:
    with served.connect() as connection:
        connection.sendall(FORM + b"Content-Length: 100000\r\n\r\n" + FILE + WAV[:1_000])
        started = time.monotonic()
        while pause_s is not None and time.monotonic() < started + 2.5:
            connection.sendall(b"a")
            if hears(connection, pause_s):
                break
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"upload-timeout" in answer
        # The rest of the body would be read to be thrown away, for as long as an upload may take and no longer.
        read_to_end(connection)
    assert is_well(served)


def test_a_client_that_hangs_up_in_its_upload_leaves_nothing(served: Served) -> None:
    assert is_well(served)
    files = open_files()
    for _ in range(10):
        with served.connect() as connection:
            connection.sendall(FORM + b"Content-Length: 3000000\r\n\r\n" + FILE + bytes(1_500_000))
    wait_until(lambda: open_files() <= files)
    assert is_well(served)


def test_uploads_on_their_way_are_bounded_and_give_their_place_back(served: Served) -> None:
    """They come anew for each attempt: on a busy machine they may stall too long before the next request is read."""
    coming: list[socket.socket] = []
    refused: list[httpx.Response] = []

    def are_full() -> bool:
        while coming:
            coming.pop().close()
        coming.extend(served.connect() for _ in range(4))
        for connection in coming:
            connection.sendall(FORM + b"Content-Length: 100000\r\n\r\n" + FILE)
        answers = (served.client.post(path, files={"file": WAV}) for path in ("/predict", "/jobs"))
        refused[:] = takewhile(lambda answer: answer.status_code == 503, answers)
        return len(refused) == 2

    wait_until(are_full)
    assert [answer.json()["code"] for answer in refused] == ["uploads-full", "uploads-full"]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert served.client.get("/health/live").status_code == 200
    for connection in coming:
        connection.close()
    wait_until(lambda: is_well(served))


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
    "nothing": (b"multipart/form-data; boundary=x", b""),
    "only an end": (b"multipart/form-data; boundary=x", b"--x--\r\n"),
    "10,000 fields": (b"multipart/form-data; boundary=x", MANY + b"--x--\r\n"),
    "10,000 files": (b"multipart/form-data; boundary=x", FILE.join([b"", *[b"a\r\n"] * 10_000]) + b"--x--\r\n"),
    "a huge name": (
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 1_500_000 + b'"\r\n\r\na\r\n--x--\r\n',
    ),
    "no disposition": (b"multipart/form-data; boundary=x", b"--x\r\n\r\na\r\n--x--\r\n"),
    "nested": (b"multipart/form-data; boundary=x", NESTED + WAV + b"\r\n--y--\r\n--x--\r\n"),
    "a form of another kind": (b"application/x-www-form-urlencoded", b"file=a&" * 200_000),
    "no form": (b"application/json", b'{"file": "a"}'),
    "an unknown charset": (b"multipart/form-data; boundary=x; charset=nothing", b"--x--\r\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_odd_forms_are_bad_requests(served: Served, name: str) -> None:
    kind, body = FORMS[name]
    answer = served.client.post("/predict", content=body, headers={b"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-form"), answer.text


def test_a_field_that_comes_twice_counts_once(served: Served) -> None:
    files = [("file", b"not audio"), ("file", WAV)]
    answer = served.client.post("/predict", files=files, data={"transcript": ["one", "two"]})
    assert answer.json()["utterances"][0]["text"] == "two"


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
def test_json_that_is_a_weapon(served: Served, field: str, text: str) -> None:
    answer = served.client.post("/predict", files={"file": WAV}, data={field: text})
    # A segment may have fields of its own, of any length.
    assert answer.status_code in ({400, 422} if field == "words" else {200, 400, 422})
    assert len(answer.text) < 2_000


RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "a method nobody has": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": FORM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a length and chunks": FORM
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a negative length": FORM + b"Content-Length: -5\r\n\r\n",
    "a length past 64 bits": FORM + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunks that lie": FORM + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    "an address that is no text": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a zero in the address": b"GET /jobs/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "another host's address": b"GET http://elsewhere/model HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
    "headers folded": b"GET /model HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nConnection: close\r\n\r\n",
    "half a WebSocket": b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/2 out of nowhere": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_hardly_http(served: Served, name: str) -> None:
    answer = served.exchange(RAW[name])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert not answer.startswith(b"HTTP/1.1 5")
    # Nobody's second request hides in the body of the first one.
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert is_well(served)


def live(served: Served, query: str = "", origin: str | None = None) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{served.port}/stream{query}", origin=Origin(origin) if origin else None)


def end_of(connection: ClientConnection) -> tuple[str, int]:
    """Code of the problem that came last, if one came, and the code that the connection ended with."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(connection.recv(timeout=20)))
    problems = [message["problem"]["code"] for message in messages if message["type"] == "error"]
    return "".join(problems), connection.close_code or 0


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([b""], ("bad-frame", 1008)),
        ([b"abc"], ("bad-frame", 1008)),
        (["[" * 15_000], ("bad-frame", 1008)),
        (["\x00"], ("bad-frame", 1008)),
        (['{"type": "end", "type": "end"}'], ("", 1000)),
        ([bytes(30_000)], ("", 1009)),
        ([bytes(2)] * 3_000 + ['{"type": "end"}'], ("", 1000)),
        ([], ("live-limit", 1008)),
        ([bytes(16_000)] * 10, ("live-limit", 1008)),
    ],
    ids=["empty", "odd", "deep", "no-json", "end", "giant", "thousands", "silent", "endless"],
)
def test_live_messages(served: Served, messages: list[bytes | str], expected: tuple[str, int]) -> None:
    with live(served) as connection:
        with suppress(ConnectionClosed):
            for message in messages:
                connection.send(message)
        assert end_of(connection) == expected
    assert is_well(served)


def test_live_sound_that_drips_does_not_hold_a_place_for_ever(served: Served) -> None:
    started = time.monotonic()
    with live(served) as connection:
        with pytest.raises(ConnectionClosed):  # noqa: PT012
            while time.monotonic() < started + 20:
                connection.send(bytes(2))
                hears(connection.socket, IDLE_S / 4)
        assert end_of(connection) == ("live-limit", 1008)
    assert time.monotonic() < started + 10


@pytest.mark.parametrize("query", ["?rate=no", "?rate=1e4", "?explain=maybe", "?rate=" + "9" * 5_000])
def test_live_addresses_that_make_no_sense(served: Served, query: str) -> None:
    try:
        with live(served, query) as connection:
            assert end_of(connection)[1] == 1008
    except InvalidStatus as refused:
        assert refused.response.status_code == 403  # noqa: PT017
    assert is_well(served)


def test_an_origin_that_is_no_address(served: Served) -> None:
    with pytest.raises(InvalidStatus, match="403"), live(served, origin="http://["):
        pass
    assert is_well(served)


def test_a_live_client_that_vanishes_frees_its_place(served: Served) -> None:
    def vanish(_: int) -> None:
        with suppress(ConnectionClosed), live(served) as connection:
            connection.send(bytes(6_400))
            connection.socket.shutdown(socket.SHUT_RDWR)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(vanish, range(12)))
    wait_until(lambda: served.lifecycle.live_connections == 0)
