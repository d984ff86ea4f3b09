"""The page in a real Chromium, served by the real server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright

from benchmarks.server_process import run_server
from model.bundle import Bundle
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import SPEECH, encode, noise
from tests.page.stepped import SteppedAligner, serve_in_thread

NO_CHROMIUM = (
    "Chromium is not installed; on Debian and Ubuntu: apt-get install chromium; "
    "elsewhere: .venv/bin/playwright install chromium"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LIMIT_MS = 20_000
expect.set_options(timeout=_LIMIT_MS)


def find_chromium(playwright: Playwright) -> str | None:
    """Path of an installed Chromium, the system's or Playwright's own; None if there is none."""
    own = playwright.chromium.executable_path
    return next((path for name in (*_NAMES, own) if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright until the last test of the package; meanwhile this thread has a running event loop."""
    with sync_playwright() as playwright:
        if find_chromium(playwright) is None:
            pytest.skip(NO_CHROMIUM)
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright, microphone: Path) -> Iterator[Browser]:
    """Chromium with a file as its microphone."""
    flags = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with playwright.chromium.launch(executable_path=find_chromium(playwright), args=flags) as browser:
        yield browser


@pytest.fixture(scope="package")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recording that the fake microphone repeats."""
    path = tmp_path_factory.mktemp("microphone") / "numbers.wav"
    soundfile.write(path, *soundfile.read(SPEECH / "numbers.flac"))
    return path


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the real server with the shipped weights and the embedded aligner."""
    log = tmp_path_factory.mktemp("page") / "log"
    with run_server(log, "--aligner", "moonshine") as server:
        yield f"{server.client.base_url}/".replace("//", "/").replace(":/", "://")


@pytest.fixture(scope="package")
def script_page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, for calls of its functions."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an address in a new context; requests to other hosts and console errors fail the test."""
    contexts, errors = [], []

    def open_address(url: str, **options: object) -> Page:
        context = browser.new_context(viewport={"width": 1180, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_LIMIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type in {"error", "warning"} else None)

        def check_host(route: Route) -> None:
            if not route.request.url.startswith((url, "blob:")):
                errors.append(route.request.url)
            route.continue_()

        page.route("**/*", check_host)
        page.goto(url)
        return page

    yield open_address
    for context in contexts:
        context.close()
    # Chromium logs every response with an error status as an error.
    assert [line for line in errors if "Failed to load resource" not in line] == []


@pytest.fixture
def stepped(tiny_bundle: Bundle, tmp_path: Path) -> Iterator[tuple[str, SteppedAligner]]:
    """A service with a limit of 20 s and steps that the test releases."""
    aligner = SteppedAligner()
    settings = Settings(bundle=str(tiny_bundle.folder), max_audio_s=20.0, jobs=JobSettings(folder=tmp_path / "jobs"))
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=aligner))) as address:
        aligner.steps.release()
        yield address, aligner
        aligner.steps.release(100)


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """A recording of 100 s, which is recognised in two windows."""
    path = tmp_path / "long.wav"
    path.write_bytes(encode(np.tile(noise(10.0), 10)))
    return path
