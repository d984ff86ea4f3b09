"""CSV and XLSX, read by the standard library and by openpyxl."""

import csv
import io
from typing import Any

import openpyxl
import pytest

from can_ser_client.schemas import COLUMNS, PredictOut
from service.errors import TableFullError
from service.exports.tables import UTTERANCE_COLUMNS, CsvTable, Kind
from service.exports.workbook import Workbook
from tests.service.exports.answers import EMOTIONS, make_answer, make_utterance, say

PROBABILITIES = [f"{prefix}{label}" for prefix in ("p_", "p_text_", "p_audio_") for label in EMOTIONS]
DOUBTFUL = make_utterance(say("=1+1", 1.0), speaker="speaker 1")
DOUBTFUL["words"][0]["doubtful"] = True
RESPONSE = make_answer(
    make_utterance(say('Grüße, "world"'), uncertain=True, uncertain_reasons=["short", "noisy"], confidence=1 / 3),
    DOUBTFUL,
)


def read_csv(kind: Kind, *responses: tuple[str, PredictOut]) -> list[dict[str, str]]:
    table = CsvTable(kind)
    for name, response in responses:
        table.add(name, response)
    data = table.finish()
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def read_sheet(data: bytes, name: str) -> list[dict[str, Any]]:
    header, *rows = openpyxl.load_workbook(io.BytesIO(data))[name].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def test_row_per_utterance() -> None:
    first, second = read_csv("utterances", ("a.wav", RESPONSE))
    assert list(first) == [*UTTERANCE_COLUMNS, *PROBABILITIES]
    assert first["text"] == 'Grüße, "world"'
    assert (first["confidence"], first["uncertain"], first["reasons"]) == ("0.3333", "true", "short; noisy")
    assert (first["doubtful_words"], second["doubtful_words"]) == ("0", "1")
    assert (first["words"], first["p_angry"], first["p_text_happy"]) == ("2", "0.7", "0.2")
    assert (second["speaker"], second["file"], second["utterance"]) == ("speaker 1", "a.wav", "2")


def test_row_per_word_of_several_recordings() -> None:
    rows = read_csv("words", ("a.wav", RESPONSE), ("b.wav", RESPONSE))
    assert list(rows[0]) == [*COLUMNS, *PROBABILITIES]
    assert [(row["file"], row["word"]) for row in rows[:3]] == [
        ("a.wav", "Grüße,"),
        ("a.wav", '"world"'),
        ("a.wav", "'=1+1"),
    ]
    assert [row["file"] for row in rows] == ["a.wav"] * 3 + ["b.wav"] * 3
    assert (rows[0]["audio_contribution"], rows[0]["known"], rows[0]["p_audio_neutral"]) == ("-0.1235", "true", "0.1")


def test_contributions_to_every_emotion_are_those_to_the_predicted_one() -> None:
    every = {"text": {"angry": 1.5, "happy": 0.0, "neutral": 0.0}, "audio": dict.fromkeys(EMOTIONS, -0.5)}
    utterance = make_utterance(say("a"))
    utterance["words"][0]["contribution"] = every
    [row] = read_csv("words", ("", make_answer(utterance)))
    assert (row["text_contribution"], row["audio_contribution"]) == ("1.5", "-0.5")


def test_answer_without_probabilities_of_text_and_sound() -> None:
    [row] = read_csv(
        "utterances",
        ("", make_answer(make_utterance(say("a"), text_probabilities={}, audio_probabilities={}, words=[]))),
    )
    assert (row["p_angry"], row["p_text_angry"], row["p_audio_angry"]) == ("0.7", "", "")


def test_workbook_has_numbers_texts_and_no_formulas() -> None:
    book = Workbook()
    book.add("a.wav", RESPONSE)
    data = book.finish()
    utterances, words = read_sheet(data, "utterances"), read_sheet(data, "words")
    assert list(words[0]) == [*COLUMNS, *PROBABILITIES]
    assert (utterances[0]["confidence"], utterances[0]["uncertain"]) == (0.3333, True)
    assert utterances[1]["text"] == "=1+1"
    sheet = openpyxl.load_workbook(io.BytesIO(data))["utterances"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert (sheet.freeze_panes, sheet["A1"].font.bold) == ("A2", True)
    assert utterances[0]["speaker"] is None


def test_cell_is_bounded_and_may_hold_control_characters() -> None:
    book = Workbook()
    book.add("a.wav", make_answer(make_utterance(say("a"), text="\x00" + "b" * 40_000)))
    [row] = read_sheet(book.finish(), "utterances")
    assert row["text"].endswith("b" * 32_000)


def test_full_sheet_is_an_error() -> None:
    book = Workbook(max_rows=4)
    book.add("a.wav", RESPONSE)
    with pytest.raises(TableFullError, match="3 rows"):
        book.add("b.wav", RESPONSE)
