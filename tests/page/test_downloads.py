"""Files that the page offers: responses, tables, formats of other tools."""

import io
import json
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import expect

from can_ser_client.schemas import COLUMNS
from tests.builders import speech
from tests.page.actions import assert_accessible, bar_heights, download, form_file, read_csv, upload
from tests.page.conftest import OpenPage
from tests.service.exports.answers import read_srt

pytestmark = pytest.mark.slow


def test_result_is_downloaded_in_formats_of_other_tools(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    response: dict[str, Any] = json.loads(download(page, "Download JSON"))
    text = response["utterances"][0]["text"]
    [cue] = read_srt(download(page, "Download SRT"))
    assert cue.text.replace("\n", " ") == text
    page.get_by_label("emotions in subtitles").check()
    assert f"[{response['emotion']}" in download(page, "Download WebVTT").decode()
    assert download(page, "Download TextGrid").startswith(b'File type = "ooTextFile"')
    expect(page.get_by_role("button", name="Download RTTM")).to_have_count(0)
    book = openpyxl.load_workbook(io.BytesIO(download(page, "Download XLSX")))
    header, *rows = book["words"].iter_rows(values_only=True)
    assert {row[header.index("file")] for row in rows} == {"numbers.flac"}
    assert len(rows) == len(response["utterances"][0]["words"])
    assert_accessible(page)


def test_refused_download_is_explained(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    problem = {"title": "Busy", "detail": "retry in 5 s", "code": "busy"}
    page.route("**/export?*", lambda route: route.fulfill(status=503, json=problem))
    page.get_by_role("button", name="Download SRT").click()
    expect(page.locator(".report [role=alert]")).to_contain_text("SRT: The service is busy.")
    page.unroute("**/export?*")
    assert download(page, "Download SRT").startswith(b"1\n")
    expect(page.locator(".report [role=alert]")).to_be_hidden()


def test_upload_shows_and_exports_response(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    upload(page)
    exported: dict[str, Any] = json.loads(download(page, "Download JSON"))
    response = page.request.post(
        f"{address}predict", multipart={"explain": "full", "file": form_file(speech("numbers"))}
    ).json()
    del exported["timings_ms"], response["timings_ms"]
    assert exported == response
    expect(page.locator(".overall .emotion")).to_have_text(response["emotion"])
    [utterance] = response["utterances"]
    expect(page.locator(".word .spelling")).to_have_text([word["word"] for word in utterance["words"]])

    rows = read_csv(download(page, "Download CSV per word"))
    assert [row["word"] for row in rows] == [word["word"] for word in utterance["words"]]
    assert list(rows[0])[: len(COLUMNS)] == list(COLUMNS)
    assert {(float(row["confidence"]), row["uncertain"]) for row in rows} == {
        (round(utterance["confidence"], 4), str(utterance["uncertain"]).lower())
    }
    command = page.locator(".command code").text_content()
    assert command == f"curl -F file=@numbers.flac -F explain=full {address}predict"

    emotion = utterance["emotion"]
    values = {
        side: [word["contribution"][field][emotion] for word in utterance["words"]]
        for side, field in (("text", "text"), ("sound", "audio"))
    }
    assert [float(row["audio_contribution"]) for row in rows] == [round(value, 4) for value in values["sound"]]
    all_values = [
        value for word in utterance["words"] for side in word["contribution"].values() for value in side.values()
    ]
    span = max(0, *all_values) - min(0, *all_values)
    for side in ("text", "sound"):
        assert bar_heights(page, side) == pytest.approx([100 * abs(value) / span for value in values[side]], abs=1e-3)
