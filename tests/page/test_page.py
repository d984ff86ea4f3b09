"""What a person does on the page."""

import base64
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, Playwright, expect

from tests.builders import SPEECH, speech, spoken_words
from tests.page.conftest import OpenPage, find_chromium

JFK = "Ask not"
LIMIT_BYTES = 300_000


def upload(page: Page, name: str = "numbers") -> None:
    page.locator("#file").set_input_files(SPEECH / f"{name}.flac")
    expect(page.locator(".report")).to_be_visible()


def download(page: Page, label: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("button", name=label).click()
    return Path(started.value.path()).read_bytes()


def bar_heights(page: Page, side: str) -> list[float]:
    """Of the first utterance's words, in per cent."""
    bars = page.locator(".utterance").first.locator(f".bar.{side}")
    return [
        float(re.search(r"--height: ([\d.e-]+)%", bar.get_attribute("style") or "")[1])  # type: ignore[index]
        for bar in bars.all()
    ]


def assert_accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    serious = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found if v["impact"] in {"serious", "critical"}]
    assert serious == []


def test_an_upload_shows_what_the_service_says(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    shown: dict[str, Any] = json.loads(download(page, "Download JSON"))
    asked = page.request.post(
        f"{address}predict", multipart={"explain": "full", "file": _form_file(speech("numbers"))}
    ).json()
    del shown["timings_ms"], asked["timings_ms"]
    assert shown == asked
    expect(page.locator(".overall .emotion")).to_have_text(asked["emotion"])
    [utterance] = asked["utterances"]
    expect(page.locator(".word .spelling")).to_have_text([word["word"] for word in utterance["words"]])

    rows = list(csv.DictReader(io.StringIO(download(page, "Download CSV").decode())))
    assert [row["word"] for row in rows] == [word["word"] for word in utterance["words"]]
    command = page.locator(".command code").inner_text()
    assert command == f"curl -F file=@numbers.flac -F explain=full {address}predict"

    emotion = utterance["emotion"]
    values = {
        side: [word["contribution"][field][emotion] for word in utterance["words"]]
        for side, field in (("text", "text"), ("sound", "audio"))
    }
    assert [float(row["audio_contribution"]) for row in rows] == values["sound"]
    every = [*values["text"], *values["sound"]]
    span = max(0, *every) - min(0, *every)
    for side in ("text", "sound"):
        assert bar_heights(page, side) == pytest.approx([100 * abs(value) / span for value in values[side]], abs=1e-3)


HOLD = """
data => {
  const held = new DataTransfer();
  held.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "numbers.flac"));
  return held;
}
"""


def test_a_recording_is_dropped(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    held = {"dataTransfer": page.evaluate_handle(HOLD, base64.b64encode(speech("numbers")).decode())}
    page.dispatch_event("#drop", "dragenter", held)
    expect(page.locator("#drop")).to_have_class(re.compile("over"))
    page.dispatch_event("#drop", "drop", held)
    expect(page.locator(".file-info")).to_contain_text("numbers.flac")
    expect(page.locator("#drop")).not_to_have_class(re.compile("over"))


def test_an_example_explains_every_emotion(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_role("button", name=JFK).click()
    expect(page.locator(".utterance")).to_have_count(3)
    expect(page.locator(".band")).to_have_count(3)
    first = page.locator(".utterance").first
    predicted = bar_heights(page, "sound")
    first.get_by_role("button", name="sad").click()
    expect(first.locator(".explanation-title")).to_have_text("Contributions to sad")
    assert bar_heights(page, "sound") != predicted
    page.get_by_role("radio", name="Attention").check()
    expect(first.locator(".explanation-title")).to_have_text("Attention to each word")
    expect(page.locator(".legend")).to_contain_text("Attention does not show whether a word raises or lowers a score")
    assert "transcript=And so my fellow Americans" in page.locator(".command code").inner_text()


def test_words_and_sound_that_disagree(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_role("button", name="Thank you").click()
    expect(page.locator(".report")).to_be_visible()
    answer = json.loads(download(page, "Download JSON"))
    [utterance] = answer["utterances"]
    alone = {side: utterance[f"{side}_probabilities"] for side in ("text", "audio")}
    likeliest = {side: max(shares, key=shares.__getitem__) for side, shares in alone.items()}
    assert likeliest["text"] != likeliest["audio"]
    expect(page.locator(".overall .agreement")).to_contain_text(
        re.compile(f"disagree: text alone suggests {likeliest['text']}.*sound alone {likeliest['audio']}")
    )
    for title, shares in (
        ("combined", answer["probabilities"]),
        ("text alone", alone["text"]),
        ("sound alone", alone["audio"]),
    ):
        first = max(shares, key=shares.__getitem__)
        expect(page.get_by_role("img", name=f"{title}: {first}")).to_be_visible()
        widths = (
            page.get_by_role("img", name=f"{title}:")
            .locator("i")
            .evaluate_all("parts => parts.map((part) => Number(part.style.flexGrow))")
        )
        assert sorted(widths) == pytest.approx(sorted(shares.values()), abs=1e-5)


def test_words_that_were_misheard_are_corrected(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    heard = page.locator(".word .spelling").all_inner_texts()
    page.get_by_role("button", name="Correct the words").click()
    field = page.get_by_label("Transcript of the recording")
    expect(field).to_be_focused()
    expect(field).to_have_value(" ".join(heard))
    corrected = [word["word"] for word in spoken_words("numbers")]
    field.fill(" ".join(corrected))
    page.get_by_role("button", name="Analyse again").click()
    expect(page.locator(".word .spelling")).to_have_text(corrected)
    # The next recording is not taken for one of the same words.
    expect(field).to_be_hidden()
    page.get_by_role("button", name="Correct the words").click()
    expect(field).to_have_value(" ".join(corrected))


def test_words_that_are_known_are_sent(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_text("Add a transcript").click()
    page.locator("#transcript").fill("she's paid <b>forty</b>")
    upload(page)
    expect(page.locator(".word .spelling").first).to_have_text("she's")
    assert r"--form-string 'transcript=she'\''s paid <b>forty</b>'" in page.locator(".command code").inner_text()


WATCH_LIT_WORDS = """
() => {
  window.lit = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.hasAttribute("aria-current")) window.lit.push(target.querySelector(".spelling").textContent);
    }
  }).observe(document.querySelector(".words"), { subtree: true, attributeFilter: ["aria-current"] });
}
"""


def test_the_current_word_is_lit_while_it_plays(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    words = page.locator(".word .spelling").all_inner_texts()
    page.evaluate(WATCH_LIT_WORDS)
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(page.locator(".word[aria-current]")).to_have_count(0)
    lit = page.evaluate("window.lit")
    # A machine that is busy skips frames, and with them a short word.
    assert len(lit) > len(words) / 2
    assert lit == [word for word in words if word in lit]


def test_the_microphone(open_page: OpenPage, address: str) -> None:
    page = open_page(address, permissions=["microphone"])
    page.get_by_role("button", name="Record yourself").click()
    expect(page.locator("#elapsed")).to_have_text("0:05")
    page.get_by_role("button", name="Stop and analyse").click()
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".file-info")).to_contain_text("recording.wav")
    assert "dollars" in page.locator(".word .spelling").all_inner_texts()


def test_no_microphone_is_said(playwright: Playwright, address: str) -> None:
    with playwright.chromium.launch(executable_path=find_chromium(playwright), args=["--no-sandbox"]) as browser:
        page = browser.new_context(permissions=["microphone"]).new_page()
        page.goto(address)
        page.get_by_role("button", name="Record yourself").click()
        expect(page.get_by_role("alert")).to_contain_text("No microphone is connected")


def test_an_error_in_plain_words(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    page = open_page(address)
    (tmp_path / "notes.wav").write_text("no sound at all")
    page.locator("#file").set_input_files(tmp_path / "notes.wav")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The file is not audio")
    expect(problem).to_contain_text("send wav, flac")
    expect(problem).to_contain_text("code not-audio · request")
    expect(problem).to_contain_text("notes.wav")
    assert_accessible(page)
    upload(page)
    expect(problem).to_be_hidden()


def test_a_service_that_is_gone(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    expect(page.locator("#examples button")).to_have_count(2)
    page.context.set_offline(True)
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".report")).to_be_visible()


def test_the_keyboard_alone(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    example = page.get_by_role("button", name=JFK)
    expect(example).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        if example.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".report")).to_be_visible()
    bands = page.locator(".band")
    page.keyboard.press("Tab")
    expect(bands.first).to_be_focused()
    page.keyboard.press("End")
    expect(bands.last).to_be_focused()
    words = page.locator(".word")
    for _ in range(20):
        page.keyboard.press("Tab")
        if words.first.evaluate("word => word === document.activeElement"):
            break
    page.keyboard.press("ArrowRight")
    expect(words.nth(1)).to_be_focused()
    expect(page.locator(".detail").first).to_contain_text("so: contribution to angry: text")
    page.keyboard.press("End")
    expect(words.nth(4)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".word[aria-current]")).to_have_count(1)


def test_axe_finds_nothing_serious(open_page: OpenPage, address: str) -> None:
    page = open_page(address, color_scheme="light", reduced_motion="reduce")
    expect(page.locator("#examples button")).to_have_count(2)
    assert_accessible(page)
    upload(page)
    page.locator("details.provenance summary").click()
    assert_accessible(page)
    page.emulate_media(color_scheme="dark")
    assert_accessible(page)
    for width in (360, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_stay_as_chosen(open_page: OpenPage, address: str) -> None:
    page = open_page(address, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch to dark colours").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.get_by_role("button", name="Switch to light colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_small_and_under_a_strict_policy(open_page: OpenPage, address: str) -> None:
    page = open_page("about:blank")
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.unroute_all()
    response = page.goto(address)
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    expect(page.locator("#examples button")).to_have_count(2)
    assert 10_000 < sum(sizes) < LIMIT_BYTES


def _form_file(data: bytes) -> FilePayload:
    return {"name": "numbers.flac", "mimeType": "audio/flac", "buffer": data}
