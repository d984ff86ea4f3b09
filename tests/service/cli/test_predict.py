import csv
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from alignment.errors import SilentAudioError
from model.bundle import Bundle
from service.cli.app import app
from tests.builders import encode, noise, speech, spoken_words
from tests.service.serving import words_of

WORDS = [{"word": "the", "start": 0.5, "end": 0.9}, {"word": "zumba", "start": 0.9, "end": 1.4}]


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and a words file; the environment selects the tiny bundle."""
    monkeypatch.setenv("CAN_BUNDLE", str(tiny_bundle.folder))
    (tmp_path / "a.wav").write_bytes(encode(noise(3.0)))
    (tmp_path / "silent.wav").write_bytes(encode(np.zeros(16_000, np.float32)))
    (tmp_path / "words.json").write_text(json.dumps(WORDS))
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, [str(argument) for argument in arguments])


def test_table(folder: Path) -> None:
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


def test_uncertain_emotion_is_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("predict", folder / "a.wav", "--words", folder / "words.json")
    monkeypatch.setenv("CAN_UNCERTAIN_BELOW", "1")
    assert re.search(r"^not sure: .*almost equally likely", run(*given).stdout, re.MULTILINE)
    assert re.match(r"\w+\? ", run(*given, "--brief").stdout)
    assert {row["uncertain"] for row in csv.DictReader(io.StringIO(run(*given, "--csv").stdout))} == {"true"}
    monkeypatch.setenv("CAN_UNCERTAIN_BELOW", "0")
    assert "not sure" not in run(*given).stdout
    assert re.match(r"\w+ ", run(*given, "--brief").stdout)


def test_explain_occlusion_prints_effects(folder: Path) -> None:
    given = ("predict", folder / "a.wav", "--words", folder / "words.json")
    table = run(*given, "--explain", "occlusion").stdout
    assert "text effect" in table
    assert "text effect" not in run(*given).stdout
    [utterance] = json.loads(run(*given, "--explain", "occlusion", "--json").stdout)["utterances"]
    for word in utterance["words"]:
        assert f"{word['effect']['audio']:+.2f}" in table


def test_json_equals_http_response(folder: Path, client: TestClient) -> None:
    result = run("predict", "--json", folder / "a.wav", "--words", folder / "words.json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    response = client.post("/predict", files={"file": encode(noise(3.0))}, data={"words": json.dumps(WORDS)})
    body = response.json()
    assert [line.pop("file") for line in lines] == [str(folder / "a.wav")]
    for result in (*lines, body):
        del result["timings_ms"]
    assert lines == [body]


def test_bad_file_does_not_stop_others(folder: Path) -> None:
    given = ("--words", folder / "words.json", "--json")
    result = run("predict", folder / "missing.wav", folder / "silent.wav", folder / "a.wav", *given)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert f"{folder / 'missing.wav'}: no such file or directory" in result.stderr
    assert f"{folder / 'silent.wav'}: {SilentAudioError(1.0)}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--transcript", "a", "--words", "words.json"), "--words"),
        (("--words", "none.json"), "none.json"),
        (("--bundle", "none"), "none/SHA256SUMS"),
        (("--aligner", "none"), "--aligner='none'"),
        (("--json", "--csv"), "--csv"),
        (("--csv", "--brief"), "--brief"),
        (("--speakers", "two"), "channels"),
        (("--explain", "no"), "occlusion"),
        (("--explain", "false", "--csv"), "--explain false"),
        (("--explain", "false", "--plot", "a.png"), "--explain false"),
        (("none/*.wav",), "holds no recording"),
        (("--csv", "out.csv"), "redirect them with > out.csv"),
        (("--json", "out.JSON"), "redirect them with > out.JSON"),
    ],
)
def test_invalid_arguments_are_explained(
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


def test_brief_prints_one_line_per_recording(folder: Path) -> None:
    (folder / "b.wav").write_bytes(encode(noise(3.0, seed=1)))
    result = run("predict", folder / "a.wav", folder / "b.wav", "--words", folder / "words.json", "--brief")
    lines = result.stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [str(folder / "a.wav"), str(folder / "b.wav")]
    assert all(re.match(r"\w+\?? +[█░]{10} 0\.\d\d +3\.00 s ", line) for line in lines)


def test_version() -> None:
    assert run("--version").stdout.split() == ["can-ser", version("can-ser")]


@pytest.mark.slow
def test_closed_pipe_is_no_error(folder: Path) -> None:
    predict = f"{sys.executable} -m service.cli.app predict --csv {folder}/a.wav --words {folder}/words.json"
    command = f"set -o pipefail; {predict} | true"
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_plots(folder: Path) -> None:
    given = ("--words", folder / "words.json", "--plot")
    assert run("predict", folder / "a.wav", *given, folder / "one.png").exit_code == 0
    assert run("predict", folder / "a.wav", folder / "silent.wav", *given, folder / "plots").exit_code == 1
    for plot in (folder / "one.png", folder / "plots" / "001-a.png"):
        assert plot.read_bytes().startswith(b"\x89PNG")


def test_invalid_plot_targets(folder: Path) -> None:
    given = ("--words", folder / "words.json", "--plot")
    for name in ("one.txt", "one.gif"):
        format_refused = run("predict", folder / "a.wav", *given, folder / name)
        assert format_refused.exit_code == 2
        formats = format_refused.stderr.split(f"{name}: use one of the suffixes ")[1].strip().split(", ")
        assert {"pdf", "png", "svg"} <= set(formats)
        assert "gif" not in formats
        assert format_refused.stdout == ""
    animation_for_two = run("predict", folder / "a.wav", folder / "silent.wav", *given, folder / "two.gif")
    assert (animation_for_two.exit_code, "need a folder" in animation_for_two.stderr) == (2, True)
    assert not (folder / "two.gif").exists()
    one_for_two = run("predict", folder / "a.wav", folder / "silent.wav", *given, folder / "one.png")
    assert (one_for_two.exit_code, "need a folder" in one_for_two.stderr) == (2, True)
    assert not (folder / "one.png").exists()


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


def test_words_file_encodings(folder: Path) -> None:
    (folder / "bom.json").write_text(json.dumps(WORDS), encoding="utf-8-sig")
    assert run("predict", "--json", folder / "a.wav", "--words", folder / "bom.json").exit_code == 0
    (folder / "utf16.json").write_text(json.dumps(WORDS), encoding="utf-16")
    refused = run("predict", folder / "a.wav", "--words", folder / "utf16.json")
    assert refused.exit_code == 2
    assert "UTF-8" in refused.stderr


def test_embedded_aligner_aligns_transcript(folder: Path) -> None:
    text = [word["word"] for word in spoken_words("numbers")]
    clip = folder / "numbers.flac"
    clip.write_bytes(speech("numbers"))
    result = run("predict", clip, "--transcript", " ".join(text), "--aligner", "moonshine", "--json")
    response = json.loads(result.stdout)
    assert response["aligner"]["name"] == "moonshine"
    assert [word["word"] for word in words_of(response)] == text


def test_serve_refuses_invalid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("serve", "--port", "99999")
    assert (refused.exit_code, "--port=99999" in refused.stderr) == (2, True)
    monkeypatch.setenv("CAN_BUNDEL", "starter")
    refused = run("serve")
    assert refused.exit_code == 2
    assert "CAN_BUNDLE" in refused.stderr


def test_name_that_is_not_text_does_not_end_the_run(folder: Path) -> None:
    """Each output is made by a process of its own, whose standard output has an encoding."""
    names = [b"caf\xe9.wav", b"\x1b[2Jevil\nname.wav"]
    for name in names:
        shutil.copy(folder / "a.wav", folder / os.fsdecode(name))
    (folder / "a.wav").unlink()
    (folder / "silent.wav").rename(folder / os.fsdecode(b"silent\xff.wav"))
    for option in ("--json", "--csv", "--brief"):
        command = [sys.executable, "-m", "service.cli.app", "predict", str(folder), option]
        given = ("--words", str(folder / "words.json"))
        done = subprocess.run([*command, *given], capture_output=True, check=False)
        assert done.returncode == 1, done.stderr
        assert b"caf\\udce9.wav" in done.stdout
        assert b"evil" in done.stdout
        assert b"silent\\udcff.wav: " in done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
    lines = subprocess.run([*command[:-1], "--json", *given], capture_output=True, check=False).stdout.splitlines()
    assert {os.fsencode(Path(json.loads(line)["file"]).name) for line in lines} == set(names)


def test_sparse_file_of_words_is_refused(folder: Path) -> None:
    with (folder / "words.json").open("wb") as file:
        file.truncate(2**40)
    result = run("predict", folder / "a.wav", "--words", folder / "words.json")
    assert result.exit_code == 2
    assert "larger than" in result.stderr


def test_sparse_file_is_not_loaded(folder: Path) -> None:
    with (folder / "huge.wav").open("wb") as file:
        file.truncate(2**40)
    given = ("--words", folder / "words.json")
    result = run("predict", folder / "huge.wav", folder / "a.wav", "--brief", *given)
    assert result.exit_code == 1
    assert "huge.wav" in result.stderr
    assert "a.wav" in result.stdout


def test_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "closed").mkdir()
    scan = os.scandir

    def scan_as_another_user(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_as_another_user)
    (folder / "silent.wav").unlink()
    for source in (folder, f"{folder}/**/*.wav"):
        result = run("predict", source, "--words", folder / "words.json", "--brief")
        assert result.exit_code == 0
        assert result.stderr == f"left out: {folder}/closed: permission denied\n"
        assert "a.wav" in result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full does not exist")
@pytest.mark.parametrize("option", ["--json", "--csv", "--brief"])
def test_full_disk_is_one_message_of_predict(folder: Path, option: str) -> None:
    command = [sys.executable, "-m", "service.cli.app", "predict", str(folder / "a.wav"), option]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*command, "--words", str(folder / "words.json")], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (2, b"the results cannot be written: no space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_words_do_not_control_the_terminal(folder: Path) -> None:
    """On a terminal they are escaped; a file has them as they were given."""
    word = "the\x1b[2J\x9b31m"
    (folder / "words.json").write_text(json.dumps([{"word": word, "start": 0.5, "end": 0.9}]))
    for option in ("--csv", "--json", "--brief", "--explain=true"):
        command = [sys.executable, "-m", "service.cli.app", "predict", str(folder / "a.wav"), option]
        shown = run_on_terminal([*command, "--words", str(folder / "words.json")])
        assert "[2J" in shown or option == "--brief"
        assert not {"\x1b[2J", "\x9b"} & {shown[at : at + size] for at in range(len(shown)) for size in (1, 4)}
    written = subprocess.run(
        [*command[:-1], "--csv", "--words", str(folder / "words.json")], capture_output=True, check=True
    ).stdout
    [row] = csv.DictReader(io.StringIO(written.decode()))
    assert row["word"] == word


def run_on_terminal(command: list[str]) -> str:
    """What a command writes to a pseudo-terminal."""
    import pty

    controller, terminal = pty.openpty()
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        pieces = []
        # At its end, Linux reports an error for the pseudo-terminal.
        with suppress(OSError):
            while piece := os.read(controller, 65_536):
                pieces.append(piece)
        assert process.stderr is not None
        errors = process.stderr.read()
    os.close(controller)
    assert process.returncode == 0, errors
    return b"".join(pieces).decode()
