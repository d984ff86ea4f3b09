"""Recordings that become jobs: progress, removal, cancellation, and what remains after a reload."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from service.jobs.runner import JobRunner
from tests.builders import SPEECH
from tests.page.actions import assert_accessible, choose, row
from tests.page.conftest import OpenPage
from tests.page.stepped import SteppedAligner, open_with_limits
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def test_long_recording_becomes_job_with_progress(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, aligner = stepped
    page = open_with_limits(open_page, address)
    page.get_by_text("Type what is said").click()
    page.locator("#transcript").fill("the children")
    page.locator("#file").set_input_files(long_file)
    status = page.get_by_role("status")
    expect(status).to_contain_text("Analysing in the background: 0:00 of 1:40")
    aligner.steps.release()
    expect(status).to_contain_text(re.compile(r"Analysing in the background: 0:[345]\d of 1:40"))
    # A short recording does not wait for the long one.
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    # When the page has the result, the service deletes its copy.
    with page.expect_request(lambda request: request.method == "DELETE"):
        aligner.steps.release(2)
        expect(row(page, "numbers.flac")).to_contain_text("%")
        expect(row(page, "long.wav")).to_contain_text("%")
    choose(page, "long.wav")
    expect(page.locator(".band")).to_have_count(2)
    expect(page.locator(".note").last).to_contain_text("Recordings over 20 s are analysed without the typed text")
    assert (page.locator(".command code").text_content() or "").endswith("/jobs")
    expect(page.get_by_role("button", name="Correct")).to_have_count(0)


def test_removed_job_is_deleted(open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path) -> None:
    address, _ = stepped
    page = open_page(address)
    page.locator("#file").set_input_files(long_file)
    expect(page.get_by_role("status")).to_contain_text("Analysing in the background")
    with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        page.get_by_role("button", name="Cancel").click()
    assert deleted.value.status == 204
    expect(page.get_by_role("heading", level=1)).to_be_visible()


NOTE_UPLOADS = """
() => {
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (body) {
    this.upload.addEventListener("load", () => { document.body.dataset.uploaded = ""; });
    send.call(this, body);
  };
}
"""


def test_job_that_is_cancelled_before_its_response_is_deleted(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service has the recording, and its response is on the way."""
    address, _ = stepped
    accepted, submit = threading.Event(), JobRunner.submit

    async def submit_late(self: JobRunner, *arguments: Any) -> Any:
        jobs = await submit(self, *arguments)
        await asyncio.to_thread(accepted.wait, 30)
        return jobs

    monkeypatch.setattr(JobRunner, "submit", submit_late)
    page = open_page(address)
    page.evaluate(NOTE_UPLOADS)
    expect(page.locator("#limits")).to_contain_text("over 20 s")
    page.locator("#file").set_input_files(long_file)
    expect(page.locator("body[data-uploaded]")).to_be_attached()
    wait_until(lambda: len(httpx.get(f"{address}jobs").json()["jobs"]) == 1)
    page.get_by_role("button", name="Cancel").click()
    with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        accepted.set()
    assert deleted.value.status == 204
    assert httpx.get(f"{address}jobs").json()["jobs"] == []


def test_cancelled_upload_ends_without_a_job(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, _ = stepped
    page = open_with_limits(open_page, address)
    # The upload does not proceed while the request is intercepted.
    page.route("**/jobs", lambda route: None)
    with page.expect_request("**/jobs"):
        page.locator("#file").set_input_files(long_file)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Cancel").click()
    assert httpx.get(f"{address}jobs").json()["jobs"] == []
    expect(page.locator("#problem")).to_be_hidden()


def test_job_continues_after_a_reload(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, aligner = stepped
    page = open_page(address)
    with page.expect_response("**/jobs") as submitted:
        page.locator("#file").set_input_files(long_file)
    job = f"{address}jobs/{submitted.value.json()['id']}"
    status = page.get_by_role("status")
    expect(status).to_contain_text("Analysing in the background")
    page.reload()
    expect(status).to_contain_text("Analysing in the background: 0:00 of 1:40")
    expect(page.locator("#status-notes")).to_have_text("long.wav")
    aligner.steps.release(2)
    expect(page.locator(".band")).to_have_count(2)
    expect(page.locator(".file-info")).to_contain_text("long.wav")
    expect(page.locator(".note")).to_contain_text(["no longer has the sound. Choose long.wav again to play it."])
    expect(page.locator(".play").first).to_be_hidden()
    expect(page.locator(".detail").first).to_have_text("Point at a word to read about it.")
    page.locator(".word").first.click()
    assert_accessible(page)
    # The page has the result, so that the service keeps no copy, and another reload begins anew.
    wait_until(lambda: httpx.get(job).status_code == httpx.codes.NOT_FOUND)
    page.reload()
    expect(page.locator("#examples button")).to_have_count(3)
    expect(page.locator("#status")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()


def test_job_that_was_deleted_during_a_reload_is_reported(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, _ = stepped
    page = open_page(address)
    with page.expect_response("**/jobs") as submitted:
        page.locator("#file").set_input_files(long_file)
    expect(page.get_by_role("status")).to_contain_text("Analysing in the background")
    httpx.delete(f"{address}jobs/{submitted.value.json()['id']}").raise_for_status()
    page.reload()
    problem = page.locator("#problem")
    expect(problem).to_contain_text("The analysis is no longer available")
    expect(problem).to_contain_text("long.wav")
    expect(problem.get_by_role("button", name="Try again")).to_have_count(0)


def test_removed_job_does_not_return_after_a_reload(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    address, _ = stepped
    page = open_page(address)
    page.locator("#file").set_input_files(long_file)
    expect(page.get_by_role("status")).to_contain_text("Analysing in the background")
    page.get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.locator("#examples button")).to_have_count(3)
    expect(page.locator("#status")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()
