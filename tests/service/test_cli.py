import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from model.bundle import Bundle
from service.cli import app
from service.doctor import examine
from tests.builders import TINY_WHISPERX, encode, noise, speech, spoken_words

WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "zumba", "start": 0.9, "end": 1.4}]


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and a words file; the tiny bundle is what the environment names."""
    monkeypatch.setenv("CAN_BUNDLE", str(tiny_bundle.folder))
    (tmp_path / "a.wav").write_bytes(encode(noise(3.0)))
    (tmp_path / "silent.wav").write_bytes(encode(np.zeros(16_000, np.float32)))
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, [str(argument) for argument in arguments])


def test_a_table_for_people(folder: Path) -> None:
    result = run("predict", folder / "a.wav", "--words", folder / "words.json")
    assert result.exit_code == 0
    for piece in (
        "a.wav",
        "3.00 s",
        "angry",
        "█",
        "zumba [unknown]",
        "0.50",
        "0.90",
        "text attention",
        "tiny",
        "given",
    ):
        assert piece in result.stdout


def test_json_is_what_http_answers(folder: Path, client: TestClient) -> None:
    result = run("predict", "--json", folder / "a.wav", "--words", folder / "words.json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    response = client.post("/predict", files={"file": encode(noise(3.0))}, data={"words": json.dumps(WORDS)})
    over_http = response.json()
    assert [line.pop("file") for line in lines] == [str(folder / "a.wav")]
    for answer in (*lines, over_http):
        del answer["timings_ms"]
    assert lines == [over_http]


def test_one_bad_file_does_not_stop_the_others(folder: Path) -> None:
    given = ("--words", folder / "words.json", "--json")
    result = run("predict", folder / "missing.wav", folder / "silent.wav", folder / "a.wav", *given)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "missing.wav" in result.stderr
    assert "silent" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--transcript", "a", "--words", "words.json"), "--words"),
        (("--words", "none.json"), "none.json"),
        (("--bundle", "none"), "none"),
        (("--aligner", "none"), "CAN_ALIGNER"),
        (("--json", "--csv"), "--csv"),
        (("--speakers", "two"), "channels"),
        (("none/*.wav",), "holds no recording"),
    ],
)
def test_what_cannot_start_says_why(
    folder: Path, arguments: tuple[str, ...], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = run("predict", "a.wav", *arguments)
    assert result.exit_code == 2
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_folders_and_patterns(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "b.WAV").write_bytes(encode(noise(3.0, seed=1)))
    given = ("--words", folder / "words.json", "--csv")
    result = run("predict", folder, folder / "a.wav", *given)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [Path(row["file"]).name for row in rows] == ["a.wav", "a.wav", "b.WAV", "b.WAV"]
    assert [row["known"] for row in rows] == ["true", "false", "true", "false"]
    assert result.exit_code == 1
    assert "silent.wav" in result.stderr
    pattern = run("predict", folder / "**" / "?.[wW]*", *given)
    assert pattern.exit_code == 0
    assert pattern.stdout == result.stdout


def test_a_reader_that_has_read_enough(folder: Path) -> None:
    command = f"{sys.executable} -m service.cli predict --csv {folder} --words {folder}/words.json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Broken pipe" not in done.stderr


def test_pictures(folder: Path) -> None:
    given = ("--words", folder / "words.json", "--plot")
    assert run("predict", folder / "a.wav", *given, folder / "one.png").exit_code == 0
    assert run("predict", folder / "a.wav", folder / "silent.wav", *given, folder / "plots").exit_code == 1
    for picture in (folder / "one.png", folder / "plots" / "001-a.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_bundle_show_and_verify(tiny_bundle: Bundle, tmp_path: Path) -> None:
    shown = run("bundle", "show")
    assert "starter" in shown.stdout
    assert "CC-BY-NC-SA-4.0" in shown.stdout
    facts = json.loads(run("bundle", "show", "--json", tiny_bundle.folder).stdout)
    assert facts["version"] == tiny_bundle.version
    assert run("bundle", "verify").exit_code == 0
    altered = tmp_path / "altered"
    shutil.copytree(tiny_bundle.folder, altered)
    (altered / "vocabulary.txt").write_text("another\n")
    for command in ("show", "verify"):
        refused = run("bundle", command, altered)
        assert refused.exit_code == 1
        assert "vocabulary.txt" in refused.stderr


def doctor() -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status and findings by name."""
    result = run("doctor", "--json")
    return result.exit_code, {finding["name"]: finding for finding in json.loads(result.stdout)}


def test_doctor_without_weights_of_whisperx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(tmp_path))
    status, found = doctor()
    assert status == 0
    assert found["network"]["state"] == found["aligner"]["state"] == "ok"
    assert "starter" in found["network"]["detail"]
    assert "pocketsphinx" in found["aligner"]["detail"]
    assert found["whisperx"]["state"] == "missing"
    assert "can-ser fetch" in found["whisperx"]["detail"]
    monkeypatch.setenv("CAN_ALIGNER", "whisperx")
    status, found = doctor()
    assert (status, found["aligner"]["state"]) == (1, "broken")


def test_doctor_where_everything_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(TINY_WHISPERX))
    monkeypatch.setenv("CAN_WHISPERX__MODEL", "tiny-words")
    status, found = doctor()
    assert status == 0
    assert {finding["state"] for finding in found.values()} == {"ok"}
    assert "whisperx with tiny-words" in found["aligner"]["detail"]


def test_doctor_names_what_would_install_the_rest() -> None:
    findings = {finding.name: finding for finding in examine({"can-ser": "1.0"}.get)}
    for extra in ("train", "plots", "client"):
        assert findings[extra].state == "missing"
        assert f"make install-{extra}" in findings[extra].detail


def test_doctor_on_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_BUNDLE", "none")
    ill = run("doctor")
    assert ill.exit_code == 1
    assert "broken" in ill.stdout
    assert "none" in ill.stdout
    monkeypatch.setenv("CAN_BUNDEL", "none")
    assert "CAN_BUNDLE" in run("doctor").stdout


def test_words_as_windows_writes_them(folder: Path) -> None:
    (folder / "bom.json").write_text(json.dumps(WORDS), encoding="utf-8-sig")
    assert run("predict", "--json", folder / "a.wav", "--words", folder / "bom.json").exit_code == 0
    (folder / "utf16.json").write_text(json.dumps(WORDS), encoding="utf-16")
    refused = run("predict", folder / "a.wav", "--words", folder / "utf16.json")
    assert refused.exit_code == 2
    assert "UTF-8" in refused.stderr


def test_the_embedded_aligner_follows_a_transcript(folder: Path) -> None:
    text = [word["word"] for word in spoken_words("numbers")]
    clip = folder / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    result = run("predict", clip, "--transcript", " ".join(text), "--aligner", "pocketsphinx", "--json")
    answer = json.loads(result.stdout)
    assert answer["aligner"]["name"] == "pocketsphinx"
    assert [word["word"] for utterance in answer["utterances"] for word in utterance["words"]] == text


def test_serve_refuses_what_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "port" in run("serve", "--port", "99999").stderr.lower()
    monkeypatch.setenv("CAN_BUNDEL", "starter")
    refused = run("serve")
    assert refused.exit_code == 2
    assert "CAN_BUNDLE" in refused.stderr
