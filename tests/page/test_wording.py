"""Warnings and reasons of the service in the language of the page."""

import re
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from alignment.quality import SoundQuality
from alignment.transcripts.warnings import alignment_warnings, recognition_warnings
from alignment.transcripts.words import TimedWord
from service.results.uncertainty import Evidence, assess, warn_of_doubtful_words, warn_of_unknown_text
from tests.builders import speech
from tests.page.actions import call, form_file, upload
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.slow

JARGON: Final = re.compile("weights|interpolat|transcript|kHz|signal-to-noise|dB|align|letter-to-sound|audio|segment")
POOR: Final = SoundQuality(level_db=-20.0, snr_db=3.0, band_hz=3_400.0)
EVIDENCE: Final = Evidence(0.5, 4, 0, POOR, distance=9.0, doubtful_words=4)
ALIGNED: Final = TimedWord("a", 0.0, 0.1, "aligned")
GUESSED: Final = TimedWord("b", 0.1, 0.2, "interpolated", guessed_pronunciation=True)
RECOGNISED: Final = TimedWord("c", 0.2, 0.3, "recognised")
MESSAGES: Final = {
    *assess({"sad": 0.3, "angry": 0.3, "happy": 0.4}, EVIDENCE, 0.5)["uncertain_reasons"],
    *assess({"sad": 0.4, "angry": 0.3}, Evidence(3.0, 0, 0), 0.5)["uncertain_reasons"],
    *warn_of_unknown_text(EVIDENCE),
    *warn_of_doubtful_words(EVIDENCE),
    *POOR.warnings,
    *recognition_warnings([ALIGNED, GUESSED, TimedWord("", 1.0, 2.0, "aligned")]),
    *alignment_warnings([GUESSED]),
    *alignment_warnings([ALIGNED, GUESSED]),
    *alignment_warnings([RECOGNISED, GUESSED]),
}


def test_messages_of_the_service_are_reworded_for_users(script_page: Page) -> None:
    assert len(MESSAGES) > 12
    # The words of the service, before they are reworded.
    assert JARGON.search(" ".join(MESSAGES))
    for message in sorted(MESSAGES):
        shown = call(script_page, "answer/wording", "explain", [f"channel 1: {message}"])
        assert not JARGON.search(shown), shown
        assert shown.startswith("Channel 1: ")
        assert shown.endswith(".")


def test_unknown_message_is_shown_as_it_is(script_page: Page) -> None:
    assert call(script_page, "answer/wording", "explain", ["a new warning", "b"]) == "A new warning; b."


def test_warning_of_a_response_is_reworded(open_page: OpenPage, address: str) -> None:
    """The response is that of the service, with a warning."""
    page = open_page(address)

    def answer(route: Route) -> None:
        response = page.request.post(
            f"{address}predict", multipart={"explain": "full", "file": form_file(speech("numbers"))}
        ).json()
        route.fulfill(json=response | {"warnings": list(POOR.warnings)})

    page.route("**/predict", answer)
    upload(page)
    expect(page.locator("#answer .note")).to_have_text(
        "The recording has no high tones, as over a telephone, which makes the result less reliable."
    )
