"""What commands print: text of others cannot control the terminal."""

import io
import json

import pytest
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from service.cli.console import error_console, json_line, output_console, print_error
from service.observability.printable import printable

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
