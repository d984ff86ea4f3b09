"""A real Chromium on the real page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright

from benchmarks.server_process import run_server
from tests.builders import SPEECH

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LIMIT_MS = 20_000
expect.set_options(timeout=_LIMIT_MS)


HOW_TO_GET = (
    "Chromium is not installed; on Debian and Ubuntu: apt-get install chromium; "
    "elsewhere: .venv/bin/playwright install chromium"
)


def find_chromium(playwright: Playwright) -> str | None:
    """Path of an installed Chromium, the system's or Playwright's own; None without one."""
    own = playwright.chromium.executable_path
    return next((path for name in (*_NAMES, own) if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Ended with the package's last test: while it runs, this thread has a running event loop."""
    with sync_playwright() as running:
        if find_chromium(running) is None:
            pytest.skip(HOW_TO_GET)
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright, microphone: Path) -> Iterator[Browser]:
    """Its microphone hears a file."""
    flags = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with playwright.chromium.launch(executable_path=find_chromium(playwright), args=flags) as running:
        yield running


@pytest.fixture(scope="package")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears, over and over."""
    path = tmp_path_factory.mktemp("microphone") / "numbers.wav"
    soundfile.write(path, *soundfile.read(SPEECH / "numbers.flac"))
    return path


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real server with the shipped weights and the embedded aligner."""
    log = tmp_path_factory.mktemp("page") / "log"
    with run_server(log, "--aligner", "pocketsphinx") as running:
        yield f"{running.client.base_url}/".replace("//", "/").replace(":/", "://")


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address in a context of its own; the page must ask no other host and write no error to its console."""
    contexts, wrong = [], []

    def open_address(url: str, **options: object) -> Page:
        context = browser.new_context(viewport={"width": 1180, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_LIMIT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type in {"error", "warning"} else None)

        def stay_home(route: Route) -> None:
            if not route.request.url.startswith((url, "blob:")):
                wrong.append(route.request.url)
            route.continue_()

        page.route("**/*", stay_home)
        page.goto(url)
        return page

    yield open_address
    for context in contexts:
        context.close()
    # A refusal is an answer; Chromium calls it an error all the same.
    assert [line for line in wrong if "Failed to load resource" not in line] == []
