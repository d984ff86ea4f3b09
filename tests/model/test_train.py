import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from model.bundle import read_bundle
from model.runtime import EmotionClassifier
from model.train import main
from tests.model.corpora.iemocap_fixture import WITHOUT_WDSEG, write_iemocap

SMALL = ("--set", "network.hidden=4", "--set", "network.embedding_dim=6", "--set", "training.max_epochs=2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a small corpus in IEMOCAP's format in it."""
    write_iemocap(tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*options: str) -> Result:
    app = typer.Typer()
    app.command()(main)
    command = ["--root", "corpus", "--out", "bundles/mine", "--embeddings", "random", "--cache", "cache", *SMALL]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, *options])


def test_from_a_corpus_to_a_bundle_that_answers(folder: Path) -> None:
    result = train("--folds", "session", "--fold-bundles")
    assert result.exit_code == 0, result.stderr
    assert WITHOUT_WDSEG in result.stderr
    bundle = read_bundle(folder / "bundles" / "mine")
    EmotionClassifier(bundle).warm_up()
    figures = json.loads((bundle.folder / "metrics.json").read_text())["cross_validation"]
    assert figures["folds"] == 4
    assert figures["protocol"].startswith("by session")
    assert "Licence of these weights: LicenseRef-IEMOCAP" in (bundle.folder / "MODEL_CARD.md").read_text()
    assert str(folder) not in (bundle.folder / "metrics.json").read_text()
    for fold in ("Ses01F", "Ses01M", "Ses02F", "Ses02M"):
        EmotionClassifier(read_bundle(folder / "runs" / "mine" / fold / "bundle")).warm_up()


def test_finished_folds_are_not_trained_again_unless_a_setting_changes(folder: Path) -> None:
    assert train("--folds", "session").exit_code == 0
    result_file = folder / "runs" / "mine" / "Ses01F" / "result.json"
    first = result_file.stat().st_mtime_ns
    again = train("--folds", "session")
    assert "4 of 4 folds are finished already" in again.stderr
    assert result_file.stat().st_mtime_ns == first
    other = train("--folds", "session", "--set", "training.alpha=0.2")
    assert "finished already" not in other.stderr
    assert result_file.stat().st_mtime_ns > first


def test_one_fold_alone(folder: Path) -> None:
    result = train("--folds", "session", "--fold", "1")
    assert result.exit_code == 0, result.stderr
    assert "Ses01M" in result.stderr
    figures = json.loads((folder / "bundles" / "mine" / "metrics.json").read_text())["cross_validation"]
    assert figures["folds"] == 1


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--folds", "10"), "use fewer folds"),
        (("--set", "network.nothing=1"), "network.hidden"),
        (("--glove", "missing.txt", "--embeddings", "glove"), "missing.txt"),
        (("--recipe", "soup"), "starter"),
        (("--root", "missing"), "missing"),
    ],
)
def test_what_cannot_work_says_why(folder: Path, options: tuple[str, ...], hint: str) -> None:
    result = train(*options)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert "Traceback" not in result.stderr
