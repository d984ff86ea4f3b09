"""Files of `can-ser predict`."""

import csv
import json
from pathlib import Path

import openpyxl
import pytest
import textgrid
from typer.testing import Result

from model.bundle import Bundle
from tests.builders import encode, noise
from tests.service.cli.test_predict import run
from tests.service.exports.answers import read_srt, read_vtt

WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 0.9, "end": 1.4}]


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and a words file in the current folder; the environment selects the tiny bundle."""
    monkeypatch.setenv("CAN_BUNDLE", str(tiny_bundle.folder))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    for name in ("a.wav", "b.wav", "deep/a.wav"):
        (tmp_path / name).write_bytes(encode(noise(3.0)))
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    return tmp_path


def predict(*arguments: str) -> Result:
    return run("predict", *arguments, "--words", "words.json", "--brief")


def test_files_of_one_recording(folder: Path) -> None:
    exports = ("--srt", "new/a.srt", "--vtt", "a.vtt", "--textgrid", "a.TextGrid", "--rttm", "a.rttm")
    result = predict("a.wav", *exports, "--subtitle-emotions", "prefix")
    assert result.exit_code == 0, result.stderr
    [cue] = read_srt((folder / "new" / "a.srt").read_bytes())
    assert (cue.start, cue.text.endswith("] the garden")) == ("00:00:00.500", True)
    assert len(read_vtt((folder / "a.vtt").read_bytes())) == 1
    assert [tier.name for tier in textgrid.TextGrid.fromFile("a.TextGrid")] == ["words", "utterances", "emotions"]
    assert (folder / "a.rttm").read_text().startswith("SPEAKER a 1 ")
    assert "a.wav" in result.stdout


def test_files_of_several_recordings_are_named_after_them(folder: Path) -> None:
    result = predict("a.wav", "b.wav", "deep/a.wav", "--srt", "out", "--textgrid", "out")
    assert result.exit_code == 0, result.stderr
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {f"{stem}.{suffix}" for stem in ("a", "b", "a-2") for suffix in ("srt", "TextGrid")}


def test_tables_hold_all_recordings(folder: Path) -> None:
    (folder / "broken.wav").write_bytes(b"no sound")
    tables = ("--xlsx", "all.xlsx", "--words-csv", "words.csv", "--utterances-csv", "utterances.csv")
    assert predict("a.wav", "broken.wav", "b.wav", *tables).exit_code == 1
    with (folder / "words.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["file"], row["word"]) for row in csv.DictReader(file)] == [
            (name, word) for name in ("a.wav", "b.wav") for word in ("the", "garden")
        ]
    with (folder / "utterances.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ["the garden"] * 2
    book = openpyxl.load_workbook(folder / "all.xlsx")
    assert [cell.value for cell in book["words"]["A"]] == ["file", "a.wav", "a.wav", "b.wav", "b.wav"]


def test_nothing_is_written_where_no_recording_succeeds(folder: Path) -> None:
    (folder / "broken.wav").write_bytes(b"no sound")
    assert predict("broken.wav", "--xlsx", "all.xlsx", "--srt", "broken.srt").exit_code == 1
    assert not list(folder.glob("*.xlsx")) + list(folder.glob("*.srt"))


def test_existing_file_is_replaced(folder: Path) -> None:
    (folder / "a.srt").write_text("old")
    assert predict("a.wav", "--srt", "a.srt").exit_code == 0
    assert "the garden" in (folder / "a.srt").read_text()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("a.wav", "--srt", "a.wav"), "--srt a.wav: name a file that ends with .srt"),
        (("a.wav", "--srt", "a.txt"), "ends with .srt"),
        (("a.wav", "b.wav", "--srt", "a.srt"), "2 recordings need a folder"),
        (("a.wav", "b.wav", "--vtt", "words.json"), "2 recordings need a folder"),
        (("a.wav", "--xlsx", "deep"), "--xlsx deep: name a file that ends with .xlsx"),
        (("a.wav", "--words-csv", "x.csv", "--utterances-csv", "./x.csv"), "would be written twice"),
        (("a.wav", "--subtitle-emotions", "prefix"), "no effect without --srt or --vtt"),
        (("a.wav", "--srt", "a.srt", "--subtitle-emotions", "class"), "needs WebVTT"),
        (("a.wav", "--srt", "a.srt", "--subtitle-emotions", "x"), "omit or prefix or class"),
        (("a.wav", "--words-csv", "x.csv", "--explain", "false"), "--words-csv"),
    ],
)
def test_invalid_targets_are_explained(folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = predict(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert hint in result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_input_is_never_overwritten(folder: Path) -> None:
    (folder / "talk.srt").write_bytes((folder / "a.wav").read_bytes())
    (folder / "link.srt").symlink_to("talk.srt")
    for target in ("talk.srt", "link.srt"):
        result = predict("talk.srt", "--srt", target)
        assert (result.exit_code, "is an input" in result.stderr) == (2, True)
    (folder / "words.csv").write_text((folder / "words.json").read_text())
    refused = run("predict", "a.wav", "--words", "words.csv", "--words-csv", "words.csv")
    assert (refused.exit_code, "is an input" in refused.stderr) == (2, True)


def test_full_disk_is_reported(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.srt").mkdir()
    result = predict("a.wav", "--srt", "out", "--xlsx", "all.xlsx")
    assert result.exit_code == 1
    assert "a.wav: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("output", ["--csv", "--brief"])
def test_warnings_are_printed_where_the_output_has_no_place_for_them(folder: Path, output: str) -> None:
    (folder / "cut.wav").write_bytes(encode(noise(3.0))[:-20_000])
    result = run("predict", "cut.wav", "--words", "words.json", output, "--srt", "cut.srt", "--xlsx", "cut.xlsx")
    assert result.exit_code == 0, result.stderr
    assert "cut.wav: warning: the wav file is truncated" in result.stderr
    assert "truncated" not in result.stdout + (folder / "cut.srt").read_text()
    sheet = openpyxl.load_workbook("cut.xlsx")["warnings"]
    [heading, *rows] = sheet.iter_rows(values_only=True)
    assert heading == ("file", "warning")
    assert any(row[0] == "cut.wav" and "truncated" in str(row[1]) for row in rows)
