"""The page with a bundle whose labels are not those of this project."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from benchmarks.server_process import run_server
from model.bundle import read_config, write_config
from model.bundle_files import write_sums
from tests.builders import SPEECH, write_tiny_bundle
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.slow

OWN = ("zesty, with a comma", "=calm", "<b>loud</b>", "ängstlich")


@pytest.fixture(scope="module")
def own_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with a bundle of own labels."""
    folder = write_tiny_bundle(tmp_path_factory.mktemp("own") / "own")
    config = read_config(folder / "config.json")
    write_config(folder / "config.json", replace(config, labels=OWN))
    write_sums(folder)
    with run_server(folder.parent / "log", "--bundle", str(folder), "--aligner", "moonshine") as server:
        yield f"http://127.0.0.1:{server.port}/"


def test_own_labels_have_distinct_colours_and_the_order_of_the_bundle(open_page: OpenPage, own_address: str) -> None:
    page = open_page(own_address)
    page.set_input_files("input[type=file]", SPEECH / "numbers.flac")
    labels = page.locator(".probabilities .explain")
    expect(labels.first).to_be_visible()
    count = len(OWN)
    assert [text.strip() for text in labels.all_text_contents()[:count]] == list(OWN)
    colour = "element => getComputedStyle(element).backgroundColor"
    swatches = [labels.nth(number).locator("i.swatch").evaluate(colour) for number in range(count)]
    assert len(set(swatches)) == count
    assert not page.locator(".probabilities b").count()
