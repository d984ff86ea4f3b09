"""Exports of a real recording, read by other parsers: times inside the sound, no overlaps."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import textgrid

from can_ser_client.fields import ExportFormat
from can_ser_client.schemas import PredictOut
from service.errors import InvalidAnswerError
from service.exports.answers import read_answer, read_stored
from service.exports.formats import ExportRequest, write_export
from service.recogniser import EmotionRecogniser
from tests.builders import ROOT
from tests.service.exports.answers import cue_times, read_srt, read_vtt

JFK = ROOT / "service" / "static" / "examples" / "jfk.flac"


@pytest.fixture(scope="module")
def answer() -> PredictOut:
    with EmotionRecogniser(aligner="moonshine") as recogniser:
        return recogniser.recognise(JFK)


def export(answer: PredictOut, name: ExportFormat) -> bytes:
    return write_export(answer, ExportRequest(name), JFK.name)


def text_of(answer: PredictOut) -> str:
    return " ".join(utterance.text for utterance in answer.utterances)


def check_spans(spans: Sequence[tuple[float, float]], answer: PredictOut) -> None:
    assert spans
    assert all(0 <= start_s < end_s <= answer.audio.duration_s for start_s, end_s in spans)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))


def test_stored_response_is_read_as_it_was_written(answer: PredictOut) -> None:
    assert read_stored(answer.model_dump_json().encode()) == answer


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("utterances", 0, "words", 1, "start_s"), "utterances.0.words.1.start_s: "),
        (("utterances", 0, "text"), "utterances.0.text: "),
        (("audio", "duration_s"), "audio.duration_s: "),
        (("utterances",), "utterances: "),
    ],
)
def test_invalid_values_are_named_by_their_place(answer: PredictOut, change: tuple[str | int, ...], text: str) -> None:
    document = answer.model_dump(mode="json")
    *path, last = change
    parent: Any = document
    for key in path:
        parent = parent[key]
    parent[last] = {}
    for read in (read_stored, read_answer):
        with pytest.raises(InvalidAnswerError) as caught:
            read(json.dumps(document).encode())
        assert text in str(caught.value)


def test_subtitles(answer: PredictOut) -> None:
    srt = read_srt(export(answer, "srt"))
    vtt = read_vtt(export(answer, "vtt"))
    for cues in (srt, vtt):
        check_spans([cue_times(cue) for cue in cues], answer)
        assert " ".join(cue.text.replace("\n", " ") for cue in cues) == text_of(answer)


def test_textgrid(answer: PredictOut, tmp_path: Path) -> None:
    path = tmp_path / "jfk.TextGrid"
    path.write_bytes(export(answer, "textgrid"))
    grid = textgrid.TextGrid.fromFile(str(path))
    for tier in grid.tiers:
        check_spans([(interval.minTime, interval.maxTime) for interval in tier], answer)
    words, utterances, emotions = ([each.mark for each in tier if each.mark] for tier in grid.tiers)
    assert " ".join(words) == " ".join(utterances) == text_of(answer)
    assert emotions == [utterance.emotion for utterance in answer.utterances]


def test_rttm(answer: PredictOut, tmp_path: Path) -> None:
    database = pytest.importorskip("pyannote.database.util", reason="pyannote.database is not installed")
    path = tmp_path / "jfk.rttm"
    path.write_bytes(export(answer, "rttm"))
    annotation = database.load_rttm(path)["jfk"]
    check_spans([(round(turn.start, 3), round(turn.end, 3)) for turn in annotation.itersegments()], answer)
    assert annotation.labels() == ["speech"]


def test_tables(answer: PredictOut) -> None:
    rows = list(csv.DictReader(io.StringIO(export(answer, "words-csv").decode("utf-8-sig"))))
    assert " ".join(row["word"] for row in rows) == text_of(answer)
    header, *sheet = openpyxl.load_workbook(io.BytesIO(export(answer, "xlsx")))["utterances"].iter_rows(
        values_only=True
    )
    assert [row[header.index("emotion")] for row in sheet] == [each.emotion for each in answer.utterances]
    for row, each in zip(sheet, answer.utterances, strict=True):
        assert row[header.index("p_text_angry")] == pytest.approx(each.text_probabilities["angry"], abs=1e-4)
