import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from model.reproduce import main
from model.training.systems import SYSTEMS
from tests.model.corpora.iemocap_fixture import write_iemocap
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

PAPER_SYSTEMS = [name for name, system in SYSTEMS.items() if system.tables]
OPTIONS = (
    *("--root", "corpus", "--out", "out", "--embeddings", "random", "--cache", "cache", "--folds", "session"),
    *("--limit-folds", "2", "--max-epochs", "2", "--set", "network.hidden=4", "--set", "network.embedding_dim=6"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a small corpus in IEMOCAP's format in it."""
    write_iemocap(tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reproduce(*options: str) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*OPTIONS, *options])


def report(folder: Path) -> Any:
    return json.loads((folder / "out" / "report.json").read_text())


def test_all_systems_of_the_paper(folder: Path) -> None:
    result = reproduce()
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert list(record["rows"]) == PAPER_SYSTEMS
    assert all(len(row["wa"]) == len(row["ua"]) == 2 for row in record["rows"].values())
    assert record["corpus"]["labelled"] == 10
    assert record["corpus"]["kept"] == 7
    text = (folder / "out" / "report.md").read_text()
    assert list(record["difference_to_can"]) == [row for row in PAPER_SYSTEMS if row != "can"]
    assert set(record["difference_to_can"]["text"]) == {"wa", "ua"}
    assert [len(folds) for folds in record["folds"].values()] == [2] * len(PAPER_SYSTEMS)
    for caption in ("Table 2", "Table 3", "Table 4", "0.579 ± 0.019", "− cross attention", "by session"):
        assert caption in text
    assert str(folder) not in text
    page = (folder / "out" / "report.html").read_text()
    assert page.count("<polyline") == len(PAPER_SYSTEMS)
    assert "<table>" in page


def test_systems_can_be_chosen_and_settings_are_recorded(folder: Path) -> None:
    result = reproduce("--rows", "can,yoon-mha3", "--set", "network.heads=split", "--classes", "4")
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert list(record["rows"]) == ["can", "yoon-mha3"]
    assert record["experiments"]["can"]["network"]["heads"] == "split"
    text = (folder / "out" / "report.md").read_text()
    for setting in ("network.hidden=4", "network.heads=split", "training.max_epochs=2"):
        assert f"`{setting}` (literal:" in text
    assert record["experiments"]["can"]["labels"] == ["ang", "hap", "sad", "neu"]


def test_setting_overridden_by_one_system_is_reported(folder: Path) -> None:
    result = reproduce("--rows", "text,can", "--limit-folds", "1", "--set", "features.segmentation=equal")
    assert result.exit_code == 0, result.stderr
    text = (folder / "out" / "report.md").read_text()
    assert "`features.segmentation=equal`" in text
    assert "(one fold, or" in text
    assert "± 0.000" not in text
    assert report(folder)["difference_to_can"]["text"]["wa"]["p"] is None


def test_help_lists_every_system() -> None:
    """In order; `can` must be listed apart from `can-equal`."""
    printed = re.sub(r"[│\s]+", " ", reproduce("--help").stdout)
    [listed] = re.findall(r"names of systems, of (.+?); default", printed)
    assert listed.split(", ") == list(SYSTEMS)


def test_report_without_can_has_no_differences(folder: Path) -> None:
    assert reproduce("--rows", "text", "--limit-folds", "1").exit_code == 0
    assert report(folder)["difference_to_can"] == {}
    assert "`can` not trained" in (folder / "out" / "report.md").read_text()


def test_recognised_words_add_one_system(folder: Path) -> None:
    """The fixture's audio is noise: the recognised words do not matter, only that the recogniser runs."""
    result = reproduce("--rows", "can", "--alignment", "pocketsphinx", "--limit-folds", "1")
    assert result.exit_code == 0, result.stderr
    assert list(report(folder)["rows"]) == ["can", "can-pocketsphinx"]
    assert "CAN, words from PocketSphinx" in (folder / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--rows", "can,cannot"), "can-equal"),
        (("--rows", "can-pocketsphinx"), "--alignment pocketsphinx"),
        (("--subset", "scripted", "--root", "corpus/Session1"), "Session*"),
    ],
)
def test_invalid_options_are_refused_with_hint(folder: Path, options: tuple[str, ...], hint: str) -> None:
    result = reproduce(*options)
    assert result.exit_code == 1
    assert hint in result.stderr


def test_killed_run_resumes_to_identical_tables(folder: Path) -> None:
    assert reproduce("--rows", "text,can").exit_code == 0
    uninterrupted = report(folder)["rows"]
    (folder / "out").rename(folder / "whole")
    command = [sys.executable, "-m", "model.reproduce", *OPTIONS, "--rows", "text,can"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_until(lambda: any((folder / "out").glob("*/*/result.json")) or process.poll() is not None, 120)
        os.killpg(process.pid, signal.SIGKILL)
    finished = len(list((folder / "out").glob("*/*/result.json")))
    assert finished >= 1
    resumed = reproduce("--rows", "text,can", "--jobs", "2")
    assert resumed.exit_code == 0, resumed.stderr
    assert f"{finished} of 4 folds are finished already" in resumed.stderr
    assert report(folder)["rows"] == {
        row: {figure: pytest.approx(values) for figure, values in own.items()} for row, own in uninterrupted.items()
    }
