"""What the page shows while the service works, from an aligner that waits until it is told to go on."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from alignment.audio import Waveform
from alignment.transcripts.words import Transcript
from model.bundle import Bundle
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.page.conftest import OpenPage
from tests.page.servers import serve_in_thread


class SteppedAligner(FakeAligner):
    """Takes a step each time it is allowed one; its warm-up is a step too."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = threading.Semaphore(0)

    def warm_up(self) -> None:
        self.steps.acquire(timeout=30)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        self.steps.acquire(timeout=30)
        return super().align(waveform, text, language)


@pytest.fixture
def aligner() -> SteppedAligner:
    return SteppedAligner()


@pytest.fixture
def waiting_address(tiny_bundle: Bundle, aligner: SteppedAligner) -> Iterator[str]:
    settings = Settings(bundle=str(tiny_bundle.folder))
    with serve_in_thread(create_app(settings, engine=EmotionEngine(settings, aligner=aligner))) as address:
        yield address
        aligner.steps.release(100)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 s, which is heard as two windows."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    path.write_bytes(encode(np.tile(noise(10.0), 10)))
    return path


def test_progress_of_a_long_file(
    open_page: OpenPage, waiting_address: str, aligner: SteppedAligner, long_file: Path
) -> None:
    page = open_page(waiting_address)
    page.locator("#file").set_input_files(long_file)
    status = page.get_by_role("status")
    expect(status).to_contain_text("Loading the models")
    aligner.steps.release()
    expect(status).to_contain_text("Recognising the words: 0:00 of 1:40")
    expect(page.locator(".wave")).to_be_visible()
    aligner.steps.release()
    expect(page.locator(".band")).to_have_count(1)
    expect(status).not_to_contain_text("0:00 of")
    share = page.locator("#progress").evaluate("bar => bar.value")
    assert 0.2 < share < 0.8
    expect(page.locator(".report")).to_have_count(0)
    aligner.steps.release()
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".band")).to_have_count(2)
    expect(status).to_be_hidden()


def test_a_key_is_asked_for_and_used(open_page: OpenPage, tiny_bundle: Bundle, long_file: Path) -> None:
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


def test_giving_up(open_page: OpenPage, waiting_address: str, aligner: SteppedAligner, long_file: Path) -> None:
    page = open_page(waiting_address)
    page.locator("#file").set_input_files(long_file)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
