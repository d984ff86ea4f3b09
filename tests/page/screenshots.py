"""Write the screenshots of the page in docs/images: `make screenshots`.

Requires Chromium. The screenshots show the result of the shipped weights and the embedded aligner for the example
recording of President Kennedy.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.server_process import run_server
from tests.page.conftest import NO_CHROMIUM, find_chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SCREENSHOTS = {
    "page-light": ("light", 1180, 1010, 1),
    "page-dark": ("dark", 1180, 1010, 1),
    "page-phone": ("light", 390, 844, 2),
}


def write_screenshot(browser: Browser, address: str, name: str) -> None:
    """Write a screenshot of a result with the pointer on a word."""
    scheme, width, height, scale = SCREENSHOTS[name]
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Ask not").click()
    expect(page.locator(".report")).to_be_visible(timeout=60_000)
    top = page.locator(".overall").bounding_box()
    assert top is not None
    page.evaluate("top => window.scrollTo(0, top - 24)", top["y"])
    page.locator(".word").nth(3).hover()
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
    context.close()


def main() -> None:
    """Write docs/images/page-*.png."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = find_chromium(playwright)
        if chromium is None:
            sys.exit(NO_CHROMIUM)
        with (
            tempfile.TemporaryDirectory() as folder,
            run_server(Path(folder) / "log", "--aligner", "moonshine") as server,
            playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
        ):
            for name in SCREENSHOTS:
                write_screenshot(browser, str(server.client.base_url), name)


if __name__ == "__main__":
    main()
