"""What commands print: text of others cannot control the terminal."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from alignment.printable import printable
from model.workflows.console import console as training_console
from model.workflows.console import print_line
from service.cli.console import error_console, json_line, output_console, print_error
from tests.builders import ROOT

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\x7f\udcff"
ESCAPED = r"\x1b[2J\x1b]0;title\x07\x9b31m\x7f\udcff"


def test_one_line_is_printable() -> None:
    assert printable(f"a{HOSTILE}b\nc\r") == rf"a{ESCAPED}b\x0ac\x0d"
    assert printable("Füße 日本 🎧") == "Füße 日本 🎧"


def test_no_renderable_controls_the_terminal() -> None:
    table = Table(title=HOSTILE)
    table.add_row(HOSTILE)
    markdown = Markdown(f"# {HOSTILE}\n\n[{HOSTILE}](http://x/{HOSTILE})\n\n```\n{HOSTILE}\n```")
    for console in (output_console(), error_console()):
        output = io.StringIO()
        console.file, console.width = output, 120
        for each in (HOSTILE, Text(HOSTILE), table, markdown):
            console.print(each, markup=False)
        printed = output.getvalue()
        assert ESCAPED[:20] in printed
        assert not {"\x1b", "\x07", "\x9b", "\x7f", "\udcff"} & set(printed)


def test_training_commands_do_not_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(training_console, "file", output)
    print_line(f"skipped {HOSTILE}")
    assert ESCAPED[:20] in output.getvalue()
    assert not {"\x1b", "\x07", "\x9b", "\x7f", "\udcff"} & set(output.getvalue())


@pytest.mark.parametrize("package", ["alignment", "model", "service"])
def test_every_console_is_safe(package: str) -> None:
    sources = [path for path in (ROOT / package).rglob("*.py") if path.name != "safe_console.py"]
    assert len(sources) > 10
    assert not [str(path) for path in sources if re.search(r"(?<!Safe)Console\(", path.read_text(encoding="utf-8"))]


def test_own_colours_are_kept() -> None:
    console = type(output_console())(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(HOSTILE, "red"))
    assert isinstance(console.file, io.StringIO)
    expected = ESCAPED.replace(r"\x07", "")  # rich removes it
    assert console.file.getvalue() == f"\x1b[31m{expected}\x1b[0m\n"


def test_json_shows_nothing_to_a_terminal() -> None:
    line = json_line({"file": HOSTILE})
    assert line.removesuffix("\n").replace("\udcff", "").isprintable()
    assert json.loads(line) == {"file": HOSTILE}


def test_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ValueError("bad \x1b[2J"), "a\nb.wav: ")
    print_error(MemoryError(), "c.wav: ")
    assert capsys.readouterr().err == "a\\x0ab.wav: bad \\x1b[2J\nc.wav: not enough memory\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full does not exist")
@pytest.mark.parametrize("command", [["key"], ["bundle", "show"], ["bundle", "show", "--json"]])
def test_full_disk_is_one_message_and_status_2(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli.app", *command], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (2, b"no space left on device\n")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_closed_pipe_is_no_error(option: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "service.cli.app", "bundle", "show", *option]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""
    assert done.returncode in (0, 1)  # click exits with 1 where it sees the error first
