"""A service in a thread, with an aligner whose steps the test releases."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from alignment.audio import Waveform
from alignment.transcripts.words import Transcript
from tests.fakes import FakeAligner
from tests.waiting import wait_until


class SteppedAligner(FakeAligner):
    """An aligner that waits for the release of each step; its warm-up is a step too."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = threading.Semaphore(0)

    def warm_up(self) -> None:
        self.steps.acquire(timeout=30)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        self.steps.acquire(timeout=30)
        return super().align(waveform, text, language)


@contextmanager
def serve_in_thread(app: FastAPI) -> Iterator[str]:
    """Serve an application in a thread, and yield its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(20)


def open_with_limits(open_page: Callable[..., Page], address: str) -> Page:
    """Open the page of a stepped service, which knows that recordings over 20 s become jobs."""
    page = open_page(address)
    expect(page.locator("#limits")).to_contain_text("over 20 s")
    return page
