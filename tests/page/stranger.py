"""A stranger's path, timed: clone, `make serve`, the page, an example's answer: `python -m tests.page.stranger`.

Clones what is committed, does what the README says, and presses the first example in Chromium. `--empty-cache` fetches
every package anew, as on a machine that never saw one.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import expect, sync_playwright

from tests.page.conftest import HOW_TO_GET, find_chromium
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
_LIMIT_S = 900.0


@contextmanager
def make_serve(clone: Path, port: int, cache: Path | None) -> Iterator[None]:
    """`make serve` in a clone, until it is left."""
    environment = os.environ | {"CAN_PORT": str(port)}
    if cache is not None:
        environment |= {"UV_CACHE_DIR": str(cache), "PIP_NO_CACHE_DIR": "1"}
    with (clone / "serve.log").open("w") as log:
        running = subprocess.Popen(
            ["make", "serve"], cwd=clone, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(30)


def answers(url: str) -> bool:
    """Whether it does, with 200."""
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def press_example(address: str) -> None:
    """Opens the page, presses the first example, waits for its answer."""
    with sync_playwright() as playwright:
        chromium = find_chromium(playwright)
        if chromium is None:
            sys.exit(HOW_TO_GET)
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
            page = browser.new_page()
            page.goto(address)
            page.locator("#examples button").first.click()
            expect(page.locator(".report")).to_be_visible(timeout=120_000)


def main() -> None:
    """Prints seconds from the clone to each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--empty-cache", action="store_true", help="fetch every package anew")
    options = parser.parse_args()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        clone, began = Path(folder) / "can-ser", time.monotonic()

        def tell(step: str) -> None:
            sys.stdout.write(f"{step:32} {time.monotonic() - began:6.1f} s\n")
            sys.stdout.flush()

        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        tell("cloned")
        with make_serve(clone, port, Path(folder) / "cache" if options.empty_cache else None):
            wait_until(lambda: answers(f"{address}health/live"), _LIMIT_S)
            tell("installed, and the page is there")
            press_example(address)
            tell("answer of an example on the page")


if __name__ == "__main__":
    main()
