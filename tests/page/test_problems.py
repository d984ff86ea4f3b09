"""Problems in the language of the page: codes of the service, responses of proxies, refusals that end."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

import service
from model.bundle import Bundle
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.results.problems import PROBLEMS
from service.settings import Settings
from tests.builders import SPEECH
from tests.fakes import FakeAligner
from tests.page.actions import call, upload
from tests.page.conftest import OpenPage
from tests.page.stepped import SteppedAligner, open_with_limits, serve_in_thread

SOURCE: Final = Path(service.__file__).parent / "static/js/intake/problems.js"
_LIVE: Final = "the page opens no live connection"
_TIMES: Final = "the page sends no `words`"
_SEGMENTS: Final = "the page sends no `segments`"
_OPENAI: Final = "the page does not use the addresses of OpenAI's API"
NOT_OF_THE_PAGE: Final = {
    "aligner-not-served": "the page names no aligner",
    "bad-frame": _LIVE,
    "callback-refused": "the page sends no `callback`",
    "diarization-unavailable": "the page sends `speakers=channels` only",
    "encoded-body": "browsers do not compress bodies",
    "invalid-segments": _SEGMENTS,
    "invalid-words": _TIMES,
    "job-not-done": "the page does not export jobs",
    "live-full": _LIVE,
    "live-limit": _LIVE,
    "no-translation": _OPENAI,
    "segments-out-of-bounds": _SEGMENTS,
    "unknown-bundle": "the page names no bundle",
    "unknown-model": _OPENAI,
    "word-too-long": _TIMES,
    "words-out-of-bounds": _TIMES,
    "words-out-of-order": _TIMES,
}
"""Codes that no request of the page can get, and the reason."""
OF_HTTP: Final = {"internal-error", "not-found", "method-not-allowed"}
"""Codes without an error class."""
JARGON: Final = re.compile(r"CAN_|curl|JSON\b(?! or CSV)|\bHTTP|Retry-After|[45]\d\d|[`{}]|POST|GET ")


def worded_codes() -> set[str]:
    """Codes with a title and advice of the page."""
    source = SOURCE.read_text(encoding="utf-8")
    table = source[source.index("const KNOWN") : source.index("\n};")]
    return set(re.findall(r'"?([a-z]+(?:-[a-z]+)*)"?: (?:\[|OPERATOR|RELOAD)', table))


def test_every_code_of_the_service_is_worded_or_not_of_the_page() -> None:
    codes = {problem.code for problem in PROBLEMS.values()} | OF_HTTP
    worded = worded_codes()
    assert codes - worded == set(NOT_OF_THE_PAGE)
    assert worded - codes == {"unreachable"}


@pytest.mark.slow
def test_worded_problems_are_for_users(script_page: Page) -> None:
    codes = worded_codes()
    assert len(codes) > 30
    for code in codes:
        shown = call(script_page, "intake/problems", "describeProblem", {"title": "t", "detail": "d", "code": code})
        assert shown["detail"] == "d"
        assert shown["title"] != "t"
        for_users, _, _ = shown["advice"].partition(" For operators: ")
        assert not JARGON.search(f"{shown['title']} {for_users}"), shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "title"),
    [
        (413, "The file is too large"),
        (502, "The service cannot be reached"),
        (504, "The analysis took too long"),
        (418, "The service responded in a way that this page does not know"),
    ],
)
def test_response_of_a_proxy_is_explained(open_page: OpenPage, address: str, status: int, title: str) -> None:
    page = open_page(address)
    page.route(
        "**/predict", lambda route: route.fulfill(status=status, body="<h1>nginx</h1>", content_type="text/html")
    )
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.locator("#problem h2")).to_have_text(title)
    expect(page.locator("#problem")).to_contain_text(f"The response was {status}")
    expect(page.get_by_text(f"The response was {status}")).to_be_hidden()


@pytest.mark.slow
def test_response_that_is_not_of_the_service_is_explained(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.route("**/predict", lambda route: route.fulfill(body="<h1>Log in to this network</h1>"))
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.locator("#problem h2")).to_have_text("The service responded in a way that this page does not know")
    expect(page.locator("#status")).to_be_hidden()


@pytest.mark.slow
def test_refusal_of_the_page_address_names_the_setting(open_page: OpenPage, address: str) -> None:
    """As at `http://speech-box:8000` in a local network, where the page itself is served."""
    page = open_page(address)
    problem = {"title": "t", "detail": "d", "status": 403, "code": "foreign-page"}
    page.route("**/predict", lambda route: route.fulfill(status=403, json=problem))
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("list the host name of this page in CAN_ALLOWED_HOSTS")


def refuse_first(method: str, refusals: list[dict[str, Any]]) -> Callable[[Route], None]:
    """Responds to requests of a method with the refusals, which it removes, until none is left."""

    def handle(route: Route) -> None:
        if refusals and route.request.method == method:
            route.fulfill(status=503, json=refusals.pop(), headers={"Retry-After": "1"})
        else:
            route.continue_()

    return handle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("busy", "The service is busy; waiting"),
        ("rate-limited", "The service is busy; waiting"),
        ("uploads-full", "The service is busy; waiting"),
        ("not-ready", "Loading the models"),
        ("jobs-full", "Other long recordings are waiting; waiting for a place"),
    ],
)
def test_refused_submission_of_a_job_is_repeated(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path, code: str, text: str
) -> None:
    address, aligner = stepped
    aligner.steps.release(100)
    problem = {"title": "t", "detail": "d", "status": 503, "code": code}
    refusals = [problem, problem]
    page = open_with_limits(open_page, address)
    page.route("**/jobs", refuse_first("POST", refusals))
    page.locator("#file").set_input_files(long_file)
    expect(page.get_by_role("status")).to_contain_text(text)
    expect(page.locator(".report")).to_be_visible()
    assert refusals == []


@pytest.mark.slow
def test_full_queue_gets_the_recording_once_more(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    """While no place is free, forms without a recording are sent."""
    address, aligner = stepped
    aligner.steps.release(100)
    problem = {"title": "t", "detail": "d", "status": 503, "code": "jobs-full"}
    with_recording: list[bool] = []

    def refuse_three(route: Route) -> None:
        if route.request.method == "POST":
            with_recording.append(b"explain" in (route.request.post_data_buffer or b""))
            if len(with_recording) <= 3:
                route.fulfill(status=503, json=problem, headers={"Retry-After": "1"})
                return
        route.continue_()

    page = open_with_limits(open_page, address)
    page.route("**/jobs", refuse_three)
    page.locator("#file").set_input_files(long_file)
    expect(page.locator(".report")).to_be_visible()
    assert with_recording == [True, False, False, False, True]


@pytest.mark.slow
def test_job_is_followed_while_the_service_is_busy(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    """Results of jobs are refused while too many of them are sent."""
    address, aligner = stepped
    aligner.steps.release(100)
    refusals: list[dict[str, Any]] = [{"title": "t", "detail": "d", "status": 503, "code": "busy"}]
    page = open_with_limits(open_page, address)
    page.route("**/jobs/*", refuse_first("GET", refusals))
    page.locator("#file").set_input_files(long_file)
    expect(page.locator(".report")).to_be_visible()
    assert refusals == []


@pytest.mark.slow
def test_short_recording_does_not_wait_for_the_place_of_a_long_one(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, aligner = stepped
    aligner.steps.release(100)
    page = open_with_limits(open_page, address)
    problem = {"title": "t", "detail": "d", "status": 503, "code": "jobs-full"}
    page.route("**/jobs", lambda route: route.fulfill(status=503, json=problem, headers={"Retry-After": "1"}))
    page.locator("#file").set_input_files([long_file, SPEECH / "numbers.flac"])
    expect(page.locator(".summary")).to_have_text("1 of 2 recordings analysed.")
    expect(page.locator("#recordings")).to_contain_text("waiting for a place")
    page.unroute("**/jobs")
    expect(page.locator(".summary")).to_have_text("2 of 2 recordings analysed.")


@pytest.mark.slow
def test_wrong_key_is_stated(open_page: OpenPage, tiny_bundle: Bundle) -> None:
    settings = Settings(bundle=str(tiny_bundle.folder), api_keys=(hashlib.sha256(b"secret").hexdigest(),))
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=FakeAligner()))) as address:
        page = open_page(address)
        page.locator("#file").set_input_files(SPEECH / "numbers.flac")
        expect(page.locator("#key")).to_be_visible()
        expect(page.get_by_text("The service did not accept this key")).to_be_hidden()
        page.locator("#key").fill("wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_text("The service did not accept this key")).to_be_visible()


@pytest.mark.slow
def test_refused_download_is_in_the_language_of_the_page(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    failure = page.locator(".report [role=alert]")
    problem = {"title": "Busy", "detail": "retry in 5 s", "code": "busy"}
    page.route(
        "**/export?*",
        lambda route: route.fulfill(status=503, body=json.dumps(problem), content_type="application/problem+json"),
    )
    page.get_by_role("button", name="Download SRT").click()
    expect(failure).to_have_text(
        "SRT: The service is busy. Other recordings are being analysed. Try again in a moment."
    )
    page.unroute("**/export?*")
    page.context.set_offline(True)
    page.get_by_role("button", name="Download SRT").click()
    expect(failure).to_contain_text("SRT: The service cannot be reached.")
    expect(page.get_by_role("button", name="Download SRT")).to_be_enabled()
