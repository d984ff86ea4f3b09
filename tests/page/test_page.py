"""Use of the page: inputs, result, export, keyboard, accessibility, themes."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, Route, expect

from tests.builders import SPEECH, speech, spoken_words
from tests.page.actions import assert_accessible, bar_heights, download, form_file, upload
from tests.page.conftest import OpenPage, find_chromium

pytestmark = pytest.mark.slow

JFK = "Ask not"
ORDER = ("angry", "happy", "sad", "surprised", "neutral", "fearful", "disgusted")
LIMIT_BYTES = 300_000


def test_uncertain_emotion_is_stated_with_reasons(open_page: OpenPage, address: str) -> None:
    """The response is that of the service, with the fields of an uncertain emotion."""
    page = open_page(address)
    reasons = ["angry and happy are almost equally likely", "the speech is short (0.6 s)"]

    def answer(route: Route) -> None:
        response = page.request.post(
            f"{address}predict", multipart={"explain": "full", "file": form_file(speech("numbers"))}
        )
        result = response.json()
        for each in (result, *result["utterances"]):
            each |= {"confidence": 0.41, "uncertain": True, "uncertain_reasons": reasons}
        route.fulfill(json=result)

    page.route("**/predict", answer)
    upload(page)
    sentence = "Angry and happy are almost equally likely; the speech is short (0.6 s)."
    expect(page.locator(".overall h2")).to_contain_text(re.compile(r"^Not sure: \w+"))
    expect(page.locator(".overall .reasons")).to_have_text(sentence)
    expect(page.locator(".utterance h3")).to_contain_text(re.compile(r"Not sure: \w+"))
    expect(page.locator(".utterance .reasons")).to_have_text(sentence)
    expect(page.locator(".band")).to_have_text(re.compile(r"^\w+\?$"))
    assert_accessible(page)


def test_example_shows_contributions_to_every_emotion_and_attention(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_role("button", name=JFK).click()
    expect(page.locator(".utterance")).to_have_count(4)
    expect(page.locator(".band")).to_have_count(4)
    first = page.locator(".utterance").first
    predicted = bar_heights(page, "sound")
    first.get_by_role("button", name="sad").click()
    expect(first.locator(".explanation-title")).to_contain_text(
        re.compile(r"^Evidence for sad: .*the (voice|words) \([+−]\d")
    )
    assert bar_heights(page, "sound") != predicted
    expect(page.locator(".bar-key")).to_have_text(["The words", "The voice"])
    page.get_by_role("radio", name="Attention").check()
    expect(page.locator(".bar-key")).to_have_text(["Attention to the words", "Attention to the voice"])
    expect(first.locator(".explanation-title")).to_have_text("Attention to each word")
    expect(page.locator(".legend")).to_contain_text("Attention does not show whether a word raises or lowers a score")
    assert "transcript=And so my fellow Americans" in (page.locator(".command code").text_content() or "")


def test_bars_show_combined_words_and_voice_in_fixed_order(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_role("button", name="Thank you").click()
    expect(page.locator(".report")).to_be_visible()
    result = json.loads(download(page, "Download JSON"))
    [utterance] = result["utterances"]
    for title, probabilities in (
        ("combined", result["probabilities"]),
        ("words alone", utterance["text_probabilities"]),
        ("voice alone", utterance["audio_probabilities"]),
    ):
        best = max(probabilities, key=probabilities.__getitem__)
        expect(page.get_by_role("img", name=f"{title}: {best}")).to_be_visible()
        widths = (
            page.get_by_role("img", name=f"{title}:")
            .locator("i")
            .evaluate_all("parts => parts.map((part) => Number(part.style.flexGrow))")
        )
        assert widths == pytest.approx([probabilities[emotion] for emotion in ORDER], abs=1e-5)
    expect(page.locator(".explain span")).to_have_text(list(ORDER))


def test_bars_of_all_utterances_have_one_scale(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page, "garden")
    utterances = json.loads(download(page, "Download JSON"))["utterances"]
    assert len(utterances) == 2
    sides = [
        [side for word in utterance["words"] for side in word["contribution"].values()] for utterance in utterances
    ]
    spans = [span_of(value for side in each for value in side.values()) for each in sides]
    span = span_of(value for each in sides for side in each for value in side.values())
    # With a scale per utterance, the bars of one utterance at least would be higher.
    assert min(spans) < 0.98 * span
    for index, utterance in enumerate(utterances):
        for side, field in (("text", "text"), ("sound", "audio")):
            values = [word["contribution"][field][utterance["emotion"]] for word in utterance["words"]]
            heights = [100 * abs(value) / span for value in values]
            assert bar_heights(page, side, index) == pytest.approx(heights, abs=1e-3)


def span_of(values: Iterable[float]) -> float:
    """Distance between the lowest and the highest value, zero included."""
    known = [0.0, *values]
    return max(known) - min(known)


def test_meaning_of_a_result_is_explained(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    meaning = page.locator(".meaning dl")
    expect(meaning).to_be_hidden()
    page.get_by_text("What does this mean?").click()
    expect(meaning.locator("dt")).to_have_text(
        ["The emotion", "Words and voice", "The bars", "Doubtful words", "Limits"]
    )
    expect(meaning.locator("dd").last).to_contain_text("It does not measure what a person feels")
    for term in ("words alone", "voice alone", "combined"):
        expect(meaning).to_contain_text(re.compile(term, re.IGNORECASE))
        expect(page.get_by_role("img", name=f"{term}:")).to_be_visible()
    assert_accessible(page)
    page.get_by_text("What does this mean?").click()
    expect(meaning).to_be_hidden()


def test_misrecognised_words_are_corrected(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    recognised = page.locator(".word .spelling").all_inner_texts()
    page.get_by_role("button", name="Correct the words").click()
    field = page.get_by_label("The words of one recording")
    expect(field).to_be_focused()
    expect(field).to_have_value(" ".join(recognised))
    corrected = [word["word"] for word in spoken_words("numbers")]
    field.fill(" ".join(corrected))
    page.get_by_role("button", name="Analyse again").click()
    expect(page.locator(".word .spelling")).to_have_text(corrected)
    # The transcript does not apply to the next recording.
    expect(field).to_be_hidden()
    page.get_by_role("button", name="Correct the words").click()
    expect(field).to_have_value(" ".join(corrected))


def test_given_transcript_is_sent(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_text("Type what is said").click()
    page.locator("#transcript").fill("she's paid <b>forty</b>")
    upload(page)
    expect(page.locator(".word .spelling").first).to_have_text("she's")
    assert r"--form-string 'transcript=she'\''s paid <b>forty</b>'" in (
        page.locator(".command code").text_content() or ""
    )


RECORD_HIGHLIGHTED_WORDS = """
() => {
  window.highlighted = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.hasAttribute("aria-current")) window.highlighted.push(target.querySelector(".spelling").textContent);
    }
  }).observe(document.querySelector(".words"), { subtree: true, attributeFilter: ["aria-current"] });
}
"""


def test_current_word_is_highlighted_during_playback(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    words = page.locator(".word .spelling").all_inner_texts()
    page.evaluate(RECORD_HIGHLIGHTED_WORDS)
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(page.locator(".word[aria-current]")).to_have_count(0)
    highlighted = page.evaluate("window.highlighted")
    # A busy machine skips frames, and short words with them.
    assert len(highlighted) > len(words) / 2
    assert highlighted == [word for word in words if word in highlighted]


def test_microphone_recording_is_analysed(open_page: OpenPage, address: str) -> None:
    page = open_page(address, permissions=["microphone"])
    page.get_by_role("button", name="Record yourself").click()
    expect(page.locator("#elapsed")).to_have_text(re.compile(r"0:(0[5-9]|[1-5]\d)"))
    page.get_by_role("button", name="Stop and analyse").click()
    expect(page.locator(".report")).to_be_visible()
    expect(page.locator(".file-info")).to_contain_text("recording.wav")
    assert "dollars" in page.locator(".word .spelling").all_inner_texts()


def test_missing_microphone_is_reported(playwright: Playwright, address: str) -> None:
    with playwright.chromium.launch(executable_path=find_chromium(playwright), args=["--no-sandbox"]) as browser:
        page = browser.new_context(permissions=["microphone"]).new_page()
        page.goto(address)
        page.get_by_role("button", name="Record yourself").click()
        expect(page.get_by_role("alert")).to_contain_text("No microphone is connected")


def test_problem_shows_detail_code_and_request(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    page = open_page(address)
    (tmp_path / "notes.wav").write_text("no sound at all")
    page.locator("#file").set_input_files(tmp_path / "notes.wav")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The file is not a sound recording")
    expect(problem).to_contain_text("Choose a wav, mp3")
    expect(problem).to_contain_text("notes.wav")
    expect(problem.get_by_text("code not-audio · request")).to_be_hidden()
    problem.get_by_text("Details").click()
    expect(problem.get_by_text("code not-audio · request")).to_be_visible()
    expect(problem.get_by_text("send wav, flac")).to_be_visible()
    assert_accessible(page)
    upload(page)
    expect(problem).to_be_hidden()


def test_unreachable_service_offers_retry(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    expect(page.locator("#examples button")).to_have_count(3)
    page.context.set_offline(True)
    page.locator("#file").set_input_files(SPEECH / "numbers.flac")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".report")).to_be_visible()


def test_keyboard_reaches_examples_utterances_and_words(open_page: OpenPage, address: str) -> None:
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
    expect(page.locator(".detail").first).to_contain_text(
        re.compile("^so: .*(supports|opposes) angry|^so: hardly matters")
    )
    page.keyboard.press("End")
    expect(words.nth(4)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".word[aria-current]")).to_have_count(1)


def test_axe_reports_no_serious_violation(open_page: OpenPage, address: str) -> None:
    page = open_page(address, color_scheme="light", reduced_motion="reduce")
    expect(page.locator("#examples button")).to_have_count(3)
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


def test_chosen_theme_persists(open_page: OpenPage, address: str) -> None:
    page = open_page(address, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch to dark colours").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.get_by_role("button", name="Switch to light colours").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_page_is_small_and_has_strict_policy(open_page: OpenPage, address: str) -> None:
    page = open_page("about:blank")
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.unroute_all()
    response = page.goto(address)
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    expect(page.locator("#examples button")).to_have_count(3)
    assert 10_000 < sum(sizes) < LIMIT_BYTES
