"""Output of `can-ser` on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from model.bundle import Bundle
from service.inference.engine import EmotionEngine
from service.results.serialisation import to_response
from service.results.terminal import render, render_brief
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two recordings and a file without audio, with words for all of them."""
    (tmp_path / "clips").mkdir()
    for number in range(2):
        (tmp_path / "clips" / f"{number}.wav").write_bytes(encode(noise(3.0, seed=number)))
    (tmp_path / "clips" / "notes.wav").write_text("no audio")
    (tmp_path / "words.json").write_text(json.dumps([{"word": "the", "start": 0.5, "end": 0.9}]))
    return tmp_path


def run_on_terminal(folder: Path, bundle: Bundle, *arguments: str, into: Path | None = None) -> str:
    """Output of `can-ser predict` to a terminal of 80 columns; its standard output may go to a file instead."""
    command = [sys.executable, "-m", "service.cli.app", "predict", "clips", "--words", "words.json", *arguments]
    environment = os.environ | {"CAN_BUNDLE": str(bundle.folder), "COLUMNS": "80", "TERM": "xterm-256color"}
    parent, child = pty.openpty()
    with (into or Path(os.devnull)).open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=child, stdout=file if into else child, stdin=child
        )
    os.close(child)
    output = b""
    try:
        while piece := os.read(parent, 4096):
            output += piece
    except OSError:
        pass  # Linux raises it when the other end of a terminal is closed.
    assert process.wait(60) == 1
    os.close(parent)
    return output.decode()


def visible_lines(output: str) -> list[str]:
    """Lines that remain on the screen, without colours and erased text."""
    plain = re.sub(r"\x1b\[[\d;?]*[mhl]", "", output)
    return [re.split(r"\r|\x1b\[\d*[KA]", line.rstrip("\r"))[-1] for line in plain.split("\n")]


def test_coloured_bars_and_progress(clips: Path, tiny_bundle: Bundle) -> None:
    output = run_on_terminal(clips, tiny_bundle, "--brief")
    assert "analysing" in output
    assert "0/3" in output
    assert re.search(r"\x1b\[1;3\dm", output)
    lines = [line for line in visible_lines(output) if line]
    assert [line.split()[-1] for line in lines if "█" in line] == ["clips/0.wav", "clips/1.wav"]
    assert any(line.startswith("clips/notes.wav: the file cannot be read") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_redirected_results_leave_progress_on_terminal(clips: Path, tiny_bundle: Bundle, form: str) -> None:
    output = run_on_terminal(clips, tiny_bundle, form, into=clips / "results")
    assert "analysing" in output
    assert "clips/notes.wav: the file cannot be read" in output
    results = (clips / "results").read_text()
    assert [name for name in ("clips/0.wav", "clips/1.wav") if name in results] == ["clips/0.wav", "clips/1.wav"]
    assert "\x1b" not in results


def test_json_on_terminal_is_complete(clips: Path, tiny_bundle: Bundle) -> None:
    output = run_on_terminal(clips, tiny_bundle, "--json")
    assert "analysing" not in output
    lines = [line for line in visible_lines(output) if line.startswith("{")]
    assert [json.loads(line)["file"] for line in lines] == ["clips/0.wav", "clips/1.wav"]


def test_doubtful_words_and_confidence(tiny_bundle: Bundle) -> None:
    aligner = FakeAligner()
    aligner.doubtful = {"children"}
    engine = EmotionEngine(Settings(bundle=str(tiny_bundle.folder)), aligner=aligner)
    response = to_response(engine.analyse(encode(noise(3.0))), engine)
    console = Console(width=140, file=StringIO(), record=True)
    console.print(render("a.wav", response))
    console.print(render_brief("a.wav", response))
    *table, brief = console.export_text().splitlines()
    assert f"{response.emotion} {response.confidence:.2f}" in table[0]
    assert [line.split()[:2] for line in table if "[doubtful" in line] == [["children", "[doubtful]"]]
    assert any(line.startswith("note: 1 of 2 words are doubtful") for line in table)
    assert brief.endswith("a.wav  1 of 2 words doubtful")
