import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenPage

pytestmark = pytest.mark.slow


def test_swagger_ui_shows_every_path_without_other_hosts(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.goto(f"{address}docs")
    for path in ("/predict", "/jobs", "/jobs/{job_id}", "/health/live", "/health/ready", "/metrics", "/model"):
        expect(page.locator(f'.opblock [data-path="{path}"]').first).to_be_visible()
    expect(page.get_by_role("button", name="Authorize")).to_be_visible()
