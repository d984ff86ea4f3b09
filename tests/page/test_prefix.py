"""The page behind nginx, under a prefix, with a key; `open_page` fails on requests outside of the prefix."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from model.bundle import Bundle
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import SPEECH
from tests.deploy.nginx import find_nginx, run_nginx
from tests.fakes import FakeAligner
from tests.page.conftest import OpenPage
from tests.service.serving import run_server

pytestmark = pytest.mark.slow
LIMIT_S = 5.0
SHORT, LONG = SPEECH / "numbers.flac", SPEECH / "garden.flac"


@pytest.fixture(scope="module")
def prefixed(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page; recordings over 5 s become jobs."""
    find_nginx()
    folder = tmp_path_factory.mktemp("nginx")
    settings = Settings(
        bundle=str(tiny_bundle.folder),
        api_keys=(hashlib.sha256(b"secret").hexdigest(),),
        max_audio_s=LIMIT_S,
        jobs=JobSettings(folder=folder / "jobs"),
        log_level="error",
    )
    with run_server(settings, FakeAligner()) as server, run_nginx(folder, server.port) as proxy:
        yield f"{proxy.url}/"


def give_key(page: Page) -> None:
    page.get_by_label("This service requires an API key").fill("secret")
    page.get_by_role("button", name="Use this key").click()


@pytest.mark.parametrize(("recording", "path", "status"), [(SHORT, "predict", 200), (LONG, "jobs", 202)])
def test_recording_is_analysed_under_the_prefix(
    open_page: OpenPage, prefixed: str, recording: Path, path: str, status: int
) -> None:
    page = open_page(prefixed, ignore_https_errors=True)
    expect(page.locator("#examples button")).to_have_count(3)
    page.locator("#file").set_input_files(recording)
    with page.expect_response(lambda response: response.status == status and response.url == f"{prefixed}{path}"):
        give_key(page)
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator("#service-info")).to_contain_text("speech recognition by fake")


def test_documentation_sends_requests_under_the_prefix(open_page: OpenPage, prefixed: str) -> None:
    page = open_page(prefixed, ignore_https_errors=True)
    page.goto(f"{prefixed}docs")
    expect(page.locator(".servers select")).to_have_value("/emotion")
    operation = page.locator(".opblock", has=page.locator('[data-path="/health/live"]'))
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    with page.expect_response(f"{prefixed}health/live") as received:
        operation.get_by_role("button", name="Execute").click()
    assert received.value.status == 200
