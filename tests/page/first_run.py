"""Time of a first run: clone, `make serve`, open the page, analyse an example: `python -m tests.page.first_run`.

Clones the committed state, follows the README, and presses the first example in Chromium. `--empty-cache` downloads
every package, as on a new machine.
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

from tests.page.conftest import NO_CHROMIUM, find_chromium
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
_LIMIT_S = 900.0


@contextmanager
def make_serve(clone: Path, port: int, cache: Path | None) -> Iterator[None]:
    """Run `make serve` in a clone until the context exits."""
    environment = os.environ | {"CAN_PORT": str(port)}
    if cache is not None:
        environment |= {"UV_CACHE_DIR": str(cache), "PIP_NO_CACHE_DIR": "1"}
    with (clone / "serve.log").open("w") as log:
        process = subprocess.Popen(
            ["make", "serve"], cwd=clone, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def is_ok(url: str) -> bool:
    """Whether the response to GET has status 200."""
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def press_example(address: str) -> None:
    """Open the page, press the first example, and wait for its result."""
    with sync_playwright() as playwright:
        chromium = find_chromium(playwright)
        if chromium is None:
            sys.exit(NO_CHROMIUM)
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
            page = browser.new_page()
            page.goto(address)
            page.locator("#examples button").first.click()
            expect(page.locator(".report")).to_be_visible(timeout=120_000)


def main() -> None:
    """Print the seconds from the start to the end of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--empty-cache", action="store_true", help="download every package")
    options = parser.parse_args()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        clone, began = Path(folder) / "can-ser", time.monotonic()

        def report(step: str) -> None:
            sys.stdout.write(f"{step:32} {time.monotonic() - began:6.1f} s\n")
            sys.stdout.flush()

        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        report("cloned")
        with make_serve(clone, port, Path(folder) / "cache" if options.empty_cache else None):
            wait_until(lambda: is_ok(f"{address}health/live"), _LIMIT_S)
            report("installed and serving")
            press_example(address)
            report("result of an example on the page")


if __name__ == "__main__":
    main()
