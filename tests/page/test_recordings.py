"""Several recordings on the page: table, failures, history, speakers by channel, printed report."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Route, expect

from tests.builders import SPEECH, speech
from tests.page.actions import assert_accessible, choose, download, form_file, read_csv, row, upload
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.slow

DROP = """
(names) => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File([window.sounds[name]], name));
  return transfer;
}
"""
LOAD = """
async (sounds) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  window.sounds = Object.fromEntries(Object.entries(sounds).map(([name, text]) => [name, bytes(text)]));
}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.wav"
    path.write_text("no sound at all")
    return path


def test_several_files_are_analysed_in_turn(open_page: OpenPage, address: str, broken: Path) -> None:
    page = open_page(address)
    page.locator("#file").set_input_files([SPEECH / "numbers.flac", broken, SPEECH / "garden.flac"])
    expect(page.locator(".summary")).to_have_text("2 of 3 recordings analysed, 1 failed.")
    expect(page.locator(".file-info")).to_contain_text("numbers.flac")
    expect(row(page, "broken.wav")).to_contain_text("Failed: The file is not a sound recording")
    choose(page, "garden.flac")
    expect(page.locator(".file-info")).to_contain_text("garden.flac · 6.6 s")
    expect(page.locator(".utterance")).to_have_count(2)
    expect(page.get_by_role("button", name="garden.flac", exact=True)).to_have_attribute("aria-current", "true")
    assert_accessible(page)
    rows = read_csv(download(page, "Download CSV per utterance of all recordings"))
    assert [row["file"] for row in rows] == ["numbers.flac", "garden.flac", "garden.flac"]
    assert {"p_angry", "p_text_angry", "p_audio_angry", "doubtful_words", "reasons"} <= rows[0].keys()
    exported = json.loads(download(page, "Download JSON of all recordings"))
    assert [result["file"] for result in exported] == ["numbers.flac", "garden.flac"]
    for each, result in zip(rows, [exported[0]["utterances"][0], *exported[1]["utterances"]], strict=True):
        assert float(each["p_audio_angry"]) == round(result["audio_probabilities"]["angry"], 4)
        assert each["text"] == result["text"]
    choose(page, "broken.wav")
    expect(page.get_by_role("alert")).to_contain_text("The file is not a sound recording")
    expect(page.locator("#answer")).to_be_hidden()
    page.set_viewport_size({"width": 320, "height": 800})
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    # The names are buttons in the order of the table.
    page.get_by_role("button", name="garden.flac", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#answer .file-info")).to_contain_text("garden.flac")


def test_dropped_files_are_all_analysed(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.evaluate(LOAD, {f"{name}.flac": base64.b64encode(speech(name)).decode() for name in ("numbers", "garden")})
    event = {"dataTransfer": page.evaluate_handle(DROP, ["numbers.flac", "garden.flac"])}
    page.dispatch_event("#drop", "dragenter", event)
    expect(page.locator("#drop")).to_have_class(re.compile("over"))
    page.dispatch_event("#drop", "drop", event)
    expect(page.locator("#drop")).not_to_have_class(re.compile("over"))
    expect(page.locator(".summary")).to_have_text("2 of 2 recordings analysed.")
    expect(page.locator(".file-info")).to_contain_text("numbers.flac")


def test_dropped_text_is_reported(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    event = {"dataTransfer": page.evaluate_handle("() => new DataTransfer()")}
    page.dispatch_event("#drop", "drop", event)
    expect(page.get_by_role("alert")).to_contain_text("What was dropped is not a file")


def test_text_for_several_files_is_refused_visibly(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_text("Type what is said").click()
    page.locator("#transcript").fill("she paid")
    page.locator("#file").set_input_files([SPEECH / "numbers.flac", SPEECH / "garden.flac"])
    expect(page.get_by_role("alert")).to_contain_text("it was not used for these 2 files")
    expect(page.locator("#transcript")).to_have_value("she paid")


def test_text_under_correction_is_not_used_for_another_file(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "numbers")
    page.get_by_role("button", name="Correct the words", exact=True).click()
    with page.expect_request("**/predict") as sent:
        page.locator("#file").set_input_files(SPEECH / "garden.flac")
    assert 'name="transcript"' not in (sent.value.post_data or "")
    expect(page.get_by_role("alert")).to_contain_text("belonged to numbers.flac; it was not used for 1 new file.")
    expect(page.locator(".file-info")).to_contain_text("garden.flac")


def test_history_returns_to_earlier_results(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "numbers")
    expect(page.locator("#recordings")).to_be_hidden()
    upload(page, "garden")
    expect(page.locator(".file-info")).to_contain_text("garden.flac")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    choose(page, "numbers.flac")
    expect(page.locator(".file-info")).to_contain_text("numbers.flac")
    expect(page.locator(".report")).to_be_visible()
    assert "POST" not in requests
    page.get_by_role("button", name="Remove numbers.flac").click()
    expect(page.locator(".file-info")).to_contain_text("garden.flac")
    expect(page.locator("#recordings")).to_be_hidden()


def test_channels_are_speakers(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    page = open_page(address)
    numbers, garden = (soundfile.read(SPEECH / f"{name}.flac") for name in ("numbers", "garden"))
    length = max(len(numbers[0]), len(garden[0]))
    stereo = np.stack([np.pad(each, (0, length - len(each))) for each, _ in (numbers, garden)], axis=1)
    soundfile.write(tmp_path / "call.wav", stereo, numbers[1])
    page.get_by_label("Each channel is one speaker").check()
    expect(page.locator("#transcript")).to_be_disabled()
    page.locator("#file").set_input_files(tmp_path / "call.wav")
    speakers = page.locator(".speakers tbody th")
    expect(speakers).to_have_text(["channel 1", "channel 2"])
    tops = page.locator(".band").evaluate_all("bands => bands.map((band) => band.style.top)")
    assert set(tops) == {"0%", "50%"}
    rows = read_csv(download(page, "Download CSV per word"))
    assert {row["speaker"] for row in rows} == {"channel 1", "channel 2"}
    assert "-F speakers=channels" in (page.locator(".command code").text_content() or "")
    lines = download(page, "Download RTTM").decode().splitlines()
    assert {line.split()[7] for line in lines} == {"channel_1", "channel_2"}
    assert_accessible(page)
    # A recording of one channel has no second speaker.
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("needs 2 to 8 channels")


def test_words_of_one_utterance_are_corrected(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "garden")
    first, second = page.locator(".utterance").all()
    kept = first.locator(".spelling").all_inner_texts()
    second.get_by_role("button", name="Correct these words, utterance 2").click()
    field = page.get_by_label("Words of utterance 2")
    expect(field).to_be_focused()
    field.fill("It was a very bad day.")
    with page.expect_request("**/predict") as sent:
        page.get_by_role("button", name="Analyse again").click()
    assert "The children are playing in the garden. It was a very bad day." in (sent.value.post_data or "")
    expect(page.locator(".source")).to_contain_text("from the given text")
    corrected = page.locator(".word .spelling").all_inner_texts()
    assert corrected == [*kept, "It", "was", "a", "very", "bad", "day."]


def test_printed_report_shows_every_utterance(open_page: OpenPage, address: str) -> None:
    page = open_page(address, color_scheme="dark")
    upload(page, "garden")
    page.locator(".utterance > details").nth(1).evaluate("details => (details.open = false)")
    assert page.pdf(format="A4").startswith(b"%PDF")
    # Folded again after printing.
    expect(page.locator(".utterance > details[open]")).to_have_count(1)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".utterance .bars").last).to_be_visible()
    expect(page.locator(".print-only")).to_be_visible()
    expect(page.get_by_text("Trained on", exact=True)).to_be_visible()
    for hidden in ("#drop", ".controls", ".report", "#theme", ".play"):
        expect(page.locator(hidden).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_printed_page_without_result_shows_problem_and_table(open_page: OpenPage, address: str, broken: Path) -> None:
    page = open_page(address)
    page.locator("#file").set_input_files([broken, SPEECH / "numbers.flac"])
    expect(page.locator(".summary")).to_have_text("1 of 2 recordings analysed, 1 failed.")
    page.emulate_media(media="print")
    expect(page.locator("#problem h2")).to_have_text("The file is not a sound recording")
    expect(page.locator("#problem h2")).to_be_visible()
    expect(page.locator("#recordings")).to_be_visible()
    expect(page.get_by_role("button", name="Remove numbers.flac")).to_be_hidden()
    page.emulate_media(media="screen")
    choose(page, "numbers.flac")
    expect(page.locator(".report")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("#recordings")).to_be_hidden()


def test_table_on_a_phone_breaks_no_short_name(open_page: OpenPage, address: str, broken: Path) -> None:
    page = open_page(address)
    page.set_viewport_size({"width": 360, "height": 760})
    page.locator("#file").set_input_files([SPEECH / "numbers.flac", SPEECH / "garden.flac", broken])
    expect(page.locator(".summary")).to_have_text("2 of 3 recordings analysed, 1 failed.")
    for name in ("numbers.flac", "garden.flac", "broken.wav"):
        button = page.get_by_role("button", name=name, exact=True)
        assert button.evaluate("name => name.getClientRects().length") == 1
    expect(row(page, "numbers.flac")).to_contain_text("%")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_doubtful_words_are_marked(open_page: OpenPage, address: str) -> None:
    """The response is that of the service, with one doubtful word."""
    page = open_page(address)

    def answer(route: Route) -> None:
        response = page.request.post(
            f"{address}predict", multipart={"explain": "full", "file": form_file(speech("numbers"))}
        ).json()
        response["utterances"][0]["words"][1] |= {"score": 0.1, "doubtful": True}
        route.fulfill(json=response)

    page.route("**/predict", answer)
    upload(page)
    expect(page.locator(".word.doubtful .spelling")).to_have_text("paid")
    expect(page.locator(".utterance .doubt")).to_have_text("Doubtful: “paid”.")
    expect(page.locator(".source")).to_contain_text("1 of 8 words is doubtful")
    page.locator(".word.doubtful").hover()
    expect(page.locator(".detail")).to_contain_text("doubtful: the sound hardly matches the word")
    page.get_by_text("Figures").click()
    expect(page.locator(".figures tbody tr").nth(1)).to_contain_text("0.10")
    expect(page.locator(".figures")).to_contain_text("Sum of the text")
    assert_accessible(page)
