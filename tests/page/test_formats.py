"""Formats of recordings that the page offers and names: those that the service decodes."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
import soundfile
from playwright.sync_api import expect

import service
from service.sources import SUFFIXES
from tests.builders import SPEECH, encode_with_ffmpeg
from tests.page.conftest import OpenPage

STATIC: Final = Path(service.__file__).parent / "static"


def accepted_types() -> set[str]:
    """Entries of `accept` of the file chooser."""
    entries: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "input" and "accept" in dict(attrs):
                entries.update((dict(attrs)["accept"] or "").split(","))

    Reader().feed((STATIC / "index.html").read_text(encoding="utf-8"))
    return entries


def test_chooser_offers_every_suffix_of_a_recording() -> None:
    assert {entry for entry in accepted_types() if entry.startswith(".")} == SUFFIXES
    assert accepted_types() - SUFFIXES == {"audio/*", "video/*"}


def test_named_formats_are_the_same_and_are_decoded() -> None:
    hint = re.search(r"Sound or video: (.*?) and others", (STATIC / "index.html").read_text(encoding="utf-8"))
    advice = re.search(r'FORMATS = "(.*?)"', (STATIC / "js/intake/problems.js").read_text(encoding="utf-8"))
    assert hint
    assert advice
    named = hint[1].split(", ")
    assert named == re.split(", | or ", advice[1])
    assert {f".{name}" for name in named} <= SUFFIXES
    assert {"mov", "3gp", "mkv", "aac"} <= set(named)


@pytest.mark.slow
def test_recordings_of_phones_are_analysed(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    page = open_page(address)
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    files = []
    for suffix, container, codec in (
        ("mov", "mov", "aac"),
        ("3gp", "3gp", "aac"),
        ("mkv", "matroska", "libopus"),
        ("aac", "adts", "aac"),
    ):
        files.append(tmp_path / f"phone.{suffix}")
        files[-1].write_bytes(encode_with_ffmpeg(samples, container, codec, rate_hz))
    page.locator("#file").set_input_files(files)
    expect(page.locator(".summary")).to_have_text("4 of 4 recordings analysed.")
