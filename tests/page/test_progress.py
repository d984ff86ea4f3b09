"""The page during an analysis, with an aligner whose steps the test releases."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from model.bundle import Bundle
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.builders import SPEECH
from tests.fakes import FakeAligner
from tests.page.conftest import OpenPage
from tests.page.stepped import SteppedAligner, serve_in_thread

pytestmark = pytest.mark.slow


@pytest.fixture
def aligner() -> SteppedAligner:
    return SteppedAligner()


@pytest.fixture
def stepped_address(tiny_bundle: Bundle, aligner: SteppedAligner) -> Iterator[str]:
    settings = Settings(bundle=str(tiny_bundle.folder))
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=aligner))) as address:
        yield address
        aligner.steps.release(100)


def test_long_file_shows_progress(
    open_page: OpenPage, stepped_address: str, aligner: SteppedAligner, long_file: Path
) -> None:
    page = open_page(stepped_address)
    page.locator("#file").set_input_files(long_file)
    status = page.get_by_role("status")
    expect(status).to_contain_text("Loading the models")
    aligner.steps.release()
    expect(status).to_contain_text("Recognising the words: 0:00 of 1:40")
    expect(page.locator(".wave")).to_be_visible()
    aligner.steps.release()
    expect(page.locator(".band")).to_have_count(1)
    expect(status).not_to_contain_text("0:00 of")
    fraction = page.locator("#progress").evaluate("bar => bar.value")
    assert 0.2 < fraction < 0.8
    expect(page.locator(".report")).to_have_count(0)
    aligner.steps.release()
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".band")).to_have_count(2)
    expect(status).to_be_hidden()


def test_key_form_sends_key(open_page: OpenPage, tiny_bundle: Bundle, long_file: Path) -> None:
    settings = Settings(bundle=str(tiny_bundle.folder), api_keys=(hashlib.sha256(b"secret").hexdigest(),))
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=FakeAligner()))) as address:
        page = open_page(address)
        page.locator("#file").set_input_files(long_file)
        page.get_by_label("This service requires an API key").fill("wrong")
        page.get_by_role("button", name="Use this key").click()
        page.get_by_label("This service requires an API key").fill("secret")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator(".report")).to_be_visible()
        expect(page.locator("#service-info")).to_contain_text("speech recognition by fake")


def test_cancel_returns_to_start(
    open_page: OpenPage, stepped_address: str, aligner: SteppedAligner, long_file: Path
) -> None:
    page = open_page(stepped_address)
    page.locator("#file").set_input_files(long_file)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_busy_service_is_tried_again(open_page: OpenPage, tiny_bundle: Bundle) -> None:
    settings = Settings(bundle=str(tiny_bundle.folder))
    problem = {"title": "The service is busy", "detail": "64 requests are in progress", "status": 503, "code": "busy"}
    refusals = [problem, problem]

    def answer(route: Route) -> None:
        if refusals:
            route.fulfill(status=503, json=refusals.pop(), headers={"Retry-After": "1"})
        else:
            route.continue_()

    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=FakeAligner()))) as address:
        page = open_page(address)
        page.route("**/predict", answer)
        page.locator("#file").set_input_files(SPEECH / "numbers.flac")
        expect(page.get_by_role("status")).to_contain_text("The service is busy; waiting")
        expect(page.locator(".report")).to_be_visible()
        assert refusals == []


def test_failed_job_shows_its_problem(open_page: OpenPage, tiny_bundle: Bundle) -> None:
    """The job and its problem are those of the HTTP interface; its recording is over a limit that the page knows."""
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=1.0)
    problem = {"title": "No speech was found", "detail": "no speech in 4.6 s", "status": 422, "code": "no-speech"}
    job = {"id": "abc", "status": "queued", "progress": {"done_s": 0, "total_s": None}}
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=FakeAligner()))) as address:
        page = open_page(address)
        page.route("**/jobs", lambda route: route.fulfill(status=202, json=job))
        page.route("**/jobs/abc", lambda route: route.fulfill(json=job | {"status": "failed", "problem": problem}))
        expect(page.locator("#limits")).to_contain_text("over 1 s")
        page.locator("#file").set_input_files(SPEECH / "numbers.flac")
        expect(page.get_by_role("alert")).to_contain_text("The recording contains no voice that could be recognised")
        expect(page.locator("#status")).to_be_hidden()
