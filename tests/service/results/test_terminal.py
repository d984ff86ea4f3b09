"""`can-ser` as a person sees it: standard output and standard error on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from model.bundle import Bundle
from tests.builders import encode, noise


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two recordings and one that is none, with the words of all."""
    (tmp_path / "clips").mkdir()
    for number in range(2):
        (tmp_path / "clips" / f"{number}.wav").write_bytes(encode(noise(3.0, seed=number)))
    (tmp_path / "clips" / "notes.wav").write_text("no sound")
    (tmp_path / "words.json").write_text(json.dumps([{"word": "the", "start": 0.5, "end": 0.9}]))
    return tmp_path


def on_terminal(folder: Path, bundle: Bundle, *arguments: str, into: Path | None = None) -> str:
    """What a terminal of 80 columns gets, from `can-ser predict` whose answers go there too or into a file."""
    command = [sys.executable, "-m", "service.cli.app", "predict", "clips", "--words", "words.json", *arguments]
    environment = os.environ | {"CAN_BUNDLE": str(bundle.folder), "COLUMNS": "80", "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    with (into or Path(os.devnull)).open("w") as file:
        running = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=theirs, stdout=file if into else theirs, stdin=theirs
        )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:
        pass  # How Linux says that the other end of a terminal was closed.
    assert running.wait(60) == 1
    os.close(ours)
    return seen.decode()


def shown(written: str) -> list[str]:
    """Lines that stay on the screen: without colours, and without what was erased."""
    plain = re.sub(r"\x1b\[[\d;?]*[mhl]", "", written)
    return [re.split(r"\r|\x1b\[\d*[KA]", line.rstrip("\r"))[-1] for line in plain.split("\n")]


def test_bars_in_colour_beside_progress(clips: Path, tiny_bundle: Bundle) -> None:
    written = on_terminal(clips, tiny_bundle, "--brief")
    assert "analysing" in written
    assert "0/3" in written
    assert re.search(r"\x1b\[1;3\dm", written)
    lines = [line for line in shown(written) if line]
    assert [line.split()[-1] for line in lines if "█" in line] == ["clips/0.wav", "clips/1.wav"]
    assert any(line.startswith("clips/notes.wav: the file cannot be read") for line in lines)


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_file_gets_the_answers_and_the_terminal_the_progress(clips: Path, tiny_bundle: Bundle, form: str) -> None:
    written = on_terminal(clips, tiny_bundle, form, into=clips / "answers")
    assert "analysing" in written
    assert "clips/notes.wav: the file cannot be read" in written
    answers = (clips / "answers").read_text()
    assert [name for name in ("clips/0.wav", "clips/1.wav") if name in answers] == ["clips/0.wav", "clips/1.wav"]
    assert "\x1b" not in answers


def test_json_on_a_terminal_is_whole(clips: Path, tiny_bundle: Bundle) -> None:
    written = on_terminal(clips, tiny_bundle, "--json")
    assert "analysing" not in written
    lines = [line for line in shown(written) if line.startswith("{")]
    assert [json.loads(line)["file"] for line in lines] == ["clips/0.wav", "clips/1.wav"]
