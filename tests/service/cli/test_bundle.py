"""`can-ser bundle show` and `can-ser bundle verify`: one line and exit status 1 for every fault."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model.bundle import CARD, CONFIG, METRICS, VOCABULARY, Bundle
from model.bundle_files import SUMS, write_sums
from service.cli.bundle import run_bundle_show, run_bundle_verify

COMMANDS: tuple[Callable[[str], int], ...] = (
    run_bundle_verify,
    lambda name: run_bundle_show(name, as_json=False),
    lambda name: run_bundle_show(name, as_json=True),
)


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.folder, tmp_path / "copy"))


def test_intact_bundle_is_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bundle_verify(str(copy)) == 0
    assert "6 files match SHA256SUMS" in capsys.readouterr().out


@pytest.mark.parametrize("name", [CONFIG, METRICS])
@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"", b"[]"])
def test_broken_json_is_one_line(copy: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / name).write_bytes(content)
    write_sums(copy)
    for command in COMMANDS:
        assert command(str(copy)) == 1
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        assert name in printed


@pytest.mark.parametrize("name", [CARD, VOCABULARY, SUMS])
def test_text_in_another_encoding_is_one_line(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / name).write_text("für  dich\n", encoding="latin-1")
    if name != SUMS:
        write_sums(copy)
    for command in COMMANDS:
        assert command(str(copy)) == 1
        printed = capsys.readouterr().err
        assert "UTF-8" in printed
        assert printed.count("\n") == 1


def test_graphs_that_do_not_match_are_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (copy / VOCABULARY).read_text().splitlines()
    (copy / VOCABULARY).write_text("\n".join(words[:-1]) + "\n")
    write_sums(copy)
    assert run_bundle_verify(str(copy)) == 1
    assert "9 words" in capsys.readouterr().err
