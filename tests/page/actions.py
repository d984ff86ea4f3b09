"""Actions on the page, and what they show."""

import csv
import io
import re
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.builders import SPEECH

_CALL: Final = """
async ([module, name, parameters]) => (await import(`./static/js/${module}.js`))[name](...parameters)
"""


def call(page: Page, module: str, name: str, *parameters: Any) -> Any:
    """Result of an exported function of the page."""
    return page.evaluate(_CALL, [module, name, parameters])


def upload(page: Page, name: str = "numbers") -> None:
    page.locator("#file").set_input_files(SPEECH / f"{name}.flac")
    expect(page.locator(".report")).to_be_visible()


def bar_heights(page: Page, side: str, utterance: int = 0) -> list[float]:
    """Bar heights of the words of an utterance, the first by default, in per cent."""
    bars = page.locator(".utterance").nth(utterance).locator(f".bar.{side}")
    return [
        float(re.search(r"--height: ([\d.e-]+)%", bar.get_attribute("style") or "")[1])  # type: ignore[index]
        for bar in bars.all()
    ]


def assert_accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    serious = [v for v in violations if v["impact"] in {"serious", "critical"}]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious] == []


def form_file(data: bytes) -> FilePayload:
    return {"name": "numbers.flac", "mimeType": "audio/flac", "buffer": data}


def download(page: Page, label: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("button", name=label).click()
    return Path(started.value.path()).read_bytes()


def read_csv(data: bytes) -> list[dict[str, str]]:
    """Rows of a CSV file that a spreadsheet reads as UTF-8."""
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def row(page: Page, name: str) -> Locator:
    """Row of a recording in the table."""
    return page.locator("#recordings tbody tr").filter(has=page.get_by_role("button", name=name, exact=True))


def choose(page: Page, name: str) -> None:
    """Select a recording of the table."""
    page.get_by_role("button", name=name, exact=True).click()
