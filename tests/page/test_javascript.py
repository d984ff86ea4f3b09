"""The JavaScript of docs/clients.md in Chromium, from a page of another origin and with a key."""

import base64
import re
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from benchmarks.server_process import Server, run_server
from can_ser_client.retries import RETRIED
from tests.builders import SPEECH
from tests.test_documents import read_document

pytestmark = pytest.mark.slow

KEY = "a-key-of-the-test"
CODE = "\n".join(re.findall(r"^```js\n(.*?)^```", read_document("docs/clients.md"), re.M | re.S))
TO_BYTES = "(text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))"
SEND_LIVE = """async ([text, rate]) => {
  const events = [];
  const live = openLive(rate, (event) => events.push(event));
  await live.opened;
  const samples = new Int16Array(toBytes(text).buffer);
  for (let start = 0; start < samples.length; start += 1600) live.send(samples.subarray(start, start + 1600));
  try { await live.end(); } catch (error) { return [error.name, error.code]; }
  return events.map((event) => event.type);
}"""


class EmptyPage(BaseHTTPRequestHandler):
    """Responds to every request with a page without content."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>app</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Origin of a site that is not the service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage) as server:
        thread = threading.Thread(target=server.serve_forever, name="site")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def guarded(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"CAN_API_KEYS": f'["{sha256(KEY.encode()).hexdigest()}"]', "CAN_ORIGINS": f'["{origin}"]'}
    log = tmp_path_factory.mktemp("javascript") / "log"
    with run_server(log, "--aligner", "moonshine", settings=settings) as server:
        yield server


def open_site(browser: Browser, origin: str, code: str) -> Page:
    """An empty page of another origin with the functions of the document."""
    page = browser.new_page()
    page.goto(f"{origin}/")
    page.add_script_tag(content=f"{code}\nconst toBytes = {TO_BYTES};")
    return page


@pytest.fixture
def site(browser: Browser, origin: str, guarded: Server) -> Iterator[Page]:
    code = CODE.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{guarded.port}")
    page = open_site(browser, origin, code.replace('KEY = ""', f'KEY = "{KEY}"'))
    yield page
    page.close()


def encode_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def call(page: Page, function: str, data: bytes) -> Any:
    return page.evaluate(f"(text) => {function}(new Blob([toBytes(text)]))", encode_text(data))


def test_predict_returns_response_and_refusals_have_codes(site: Page) -> None:
    recording = (SPEECH / "numbers.flac").read_bytes()
    assert call(site, "predict", recording)["utterances"]
    assert re.fullmatch(r"\w+ \(\d+ %\)", call(site, "show", recording))
    assert call(site, "show", b"no sound").startswith("not-audio: ")


def respond_first(site: Page, origin: str, guarded: Server, outcomes: list[tuple[int, str]]) -> None:
    """Respond to the first requests with these statuses and values of Retry-After, in place of the service."""

    def respond(route: Any) -> None:
        if route.request.method == "POST" and outcomes:
            status, seconds = outcomes.pop(0)
            headers = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After"}
            route.fulfill(status=status, headers=headers | {"Retry-After": seconds}, body="{}")
        else:
            route.continue_()

    site.route(f"http://127.0.0.1:{guarded.port}/predict", respond)


def test_refused_request_is_repeated_after_retry_after(site: Page, origin: str, guarded: Server) -> None:
    """The statuses are those of the Python client; its number of attempts allows four refusals."""
    refusals = [(int(status), "0.01") for status in sorted(RETRIED)]
    respond_first(site, origin, guarded, refusals)
    assert call(site, "predict", (SPEECH / "numbers.flac").read_bytes())["emotion"]
    assert refusals == []


@pytest.mark.parametrize("refusal", [(500, "0.01"), (503, "61")])
def test_other_refusals_are_not_repeated(site: Page, origin: str, guarded: Server, refusal: tuple[int, str]) -> None:
    refusals = [refusal, (400, "0.01")]
    respond_first(site, origin, guarded, refusals)
    status = site.evaluate("predict(new Blob(['a'])).catch((error) => error.status)")
    assert (status, len(refusals)) == (refusal[0], 1)


def test_wrong_key_and_stopped_service_are_reported(browser: Browser, origin: str, guarded: Server) -> None:
    page = open_site(browser, origin, CODE.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{guarded.port}"))
    assert page.evaluate("show(new Blob(['a']))").startswith("wrong-key: ")
    assert page.evaluate("openLive(16000, () => {}).opened.catch((error) => error.message)").endswith("origin")
    page.close()
    page = open_site(browser, origin, CODE.replace("http://127.0.0.1:8000", "http://127.0.0.1:9"))
    assert page.evaluate("show(new Blob(['a']))").startswith("the service does not respond")
    page.close()


def test_live_speech(site: Page) -> None:
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="int16")
    padded = np.concatenate((samples, np.zeros(rate_hz, np.int16))).astype("<i2").tobytes()
    assert site.evaluate(SEND_LIVE, [encode_text(padded), rate_hz]) == ["utterance.start", "utterance.result", "done"]
    assert site.evaluate(SEND_LIVE, [encode_text(padded), 1]) == ["RefusedError", "bad-frame"]


def test_example_of_live_speech(site: Page) -> None:
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="int16")
    padded = np.concatenate((samples, np.zeros(rate_hz, np.int16))).astype("<i2").tobytes()
    shown = "([text, rate]) => showLive(new Int16Array(toBytes(text).buffer), rate)"
    [line] = site.evaluate(shown, [encode_text(padded), rate_hz])
    emotion, _, text = line.partition(": ")
    assert emotion.isalpha()
    assert "forty" in text.lower()
