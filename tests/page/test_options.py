"""Options of the page that do not apply: a notice states it, and what was typed remains."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from tests.builders import SPEECH
from tests.page.actions import upload
from tests.page.conftest import OpenPage
from tests.page.stepped import SteppedAligner, open_with_limits

pytestmark = pytest.mark.slow

TEXT = "she paid forty two dollars"


def type_text(page: Page) -> None:
    page.get_by_text("Type what is said").click()
    page.locator("#transcript").fill(TEXT)


def sent_form(page: Page, path: Path | list[Path]) -> str:
    with page.expect_request("**/predict") as sent:
        page.locator("#file").set_input_files(path)
    return sent.value.post_data or ""


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac")
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([samples, samples[::-1]], axis=1), rate_hz)
    return path


def test_text_with_channels_is_refused_visibly(open_page: OpenPage, address: str, stereo: Path) -> None:
    page = open_page(address)
    type_text(page)
    page.get_by_label("Each channel is one speaker").check()
    expect(page.get_by_role("alert")).to_contain_text("The typed text is not used while “Each channel is one speaker”")
    form = sent_form(page, stereo)
    assert 'name="speakers"' in form
    assert 'name="transcript"' not in form
    expect(page.get_by_role("alert")).to_contain_text("cannot be combined with “Each channel is one speaker”")
    expect(page.locator("#transcript")).to_have_value(TEXT)
    page.get_by_label("Each channel is one speaker").uncheck()
    expect(page.locator("#intake-notice")).to_be_hidden()
    assert TEXT in sent_form(page, SPEECH / "numbers.flac")


def test_text_in_closed_field_is_refused_visibly(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    type_text(page)
    page.get_by_text("Type what is said").click()
    assert 'name="transcript"' not in sent_form(page, SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("was in a closed field; it was not used for this file")
    expect(page.locator("#transcript")).to_be_visible()
    expect(page.locator("#transcript")).to_have_value(TEXT)


def test_example_names_options_that_it_does_not_use(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    type_text(page)
    page.get_by_label("Each channel is one speaker").check()
    page.get_by_role("button", name="Thank you").click()
    notice = "not used: the typed text and “Each channel is one speaker”."
    expect(page.get_by_role("alert")).to_contain_text(notice)
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator("#transcript")).to_have_value(TEXT)


def test_microphone_names_channels_that_it_does_not_have(open_page: OpenPage, address: str) -> None:
    page = open_page(address, permissions=["microphone"])
    page.get_by_label("Each channel is one speaker").check()
    page.get_by_role("button", name="Record yourself").click()
    expect(page.locator("#elapsed")).to_have_text(re.compile(r"0:(0[5-9]|[1-5]\d)"))
    page.get_by_role("button", name="Stop and analyse").click()
    expect(page.locator(".report")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The microphone records one channel")


def test_job_names_options_during_its_progress(
    open_page: OpenPage, stepped: tuple[str, SteppedAligner], long_file: Path
) -> None:
    page = open_with_limits(open_page, stepped[0])
    type_text(page)
    page.locator("#file").set_input_files(long_file)
    expect(page.locator("#status")).to_contain_text("Recordings over 20 s are analysed without the typed text.")


def test_long_text_is_not_truncated(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_text("Type what is said").click()
    text = "word " * 6000
    page.locator("#transcript").evaluate(
        "(field, text) => (field.focus(), document.execCommand('insertText', false, text))", text
    )
    expect(page.locator("#transcript")).to_have_value(text)
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("The text is too long for the recording")


def test_open_corrections_of_several_utterances_are_sent_together(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "garden")
    for number, words in ((1, "The kids play outside."), (2, "It was a very bad day.")):
        page.get_by_role("button", name=f"Correct these words, utterance {number}").click()
        page.get_by_label(f"Words of utterance {number}").fill(words)
    with page.expect_request("**/predict") as sent:
        page.get_by_role("button", name="Analyse again").last.click()
    assert "The kids play outside. It was a very bad day." in (sent.value.post_data or "")


def test_edited_text_applies_to_its_recording(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "numbers")
    upload(page, "garden")
    expect(page.locator(".file-info")).to_contain_text("garden.flac")
    page.get_by_role("button", name="Correct the words", exact=True).click()
    page.locator("#transcript").fill("The children are playing. It was a bad day.")
    page.get_by_role("button", name="numbers.flac", exact=True).click()
    expect(page.locator(".file-info")).to_contain_text("numbers.flac")
    page.get_by_role("button", name="Analyse again with this text").click()
    expect(page.locator(".file-info")).to_contain_text("garden.flac")
    expect(page.locator(".source")).to_contain_text("from the given text")
    expect(page.locator("#transcript")).to_be_hidden()
    page.get_by_role("button", name="numbers.flac", exact=True).click()
    expect(page.locator(".source")).to_contain_text(re.compile("recognised by"))
