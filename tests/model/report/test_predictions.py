"""The figures of a report follow from predictions.csv alone."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score
from typer.testing import CliRunner, Result

from model.report import __main__ as report_command
from model.reproduce import main
from model.runs.predictions import read_predictions
from tests.model.corpora.iemocap_fixture import write_iemocap

OPTIONS = (
    *("--root", "corpus", "--out", "out", "--embeddings", "random", "--cache", "cache", "--folds", "session"),
    *("--max-epochs", "2", "--set", "network.hidden=4", "--set", "network.embedding_dim=6", "--rows", "text,can"),
)


def run(command: Any, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a reproduction on a small corpus."""
    folder = tmp_path_factory.mktemp("finished")
    write_iemocap(folder / "corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = run(main, *OPTIONS)
    assert result.exit_code == 0, result.stderr
    return folder / "out"


def test_report_follows_from_predictions(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    for system in ("text", "can"):
        for number, fold in enumerate(report["folds"][system]):
            own = read_predictions(finished / system / fold["split"] / "predictions.csv")
            true, predicted = own.true_classes(), own.probabilities["final"].argmax(axis=1)
            rows = {name: values[number] for name, values in report["rows"][system].items()}
            present = np.unique(true)
            assert rows["wa"] == pytest.approx(accuracy_score(true, predicted))
            assert rows["ua"] == pytest.approx(recall_score(true, predicted, labels=present, average="macro"))
            assert rows["macro_f1"] == pytest.approx(f1_score(true, predicted, labels=present, average="macro"))
            assert rows["weighted_precision"] == pytest.approx(
                precision_score(true, predicted, average="weighted", zero_division=0)
            )
            expected = confusion_matrix(true, predicted, labels=np.arange(len(own.classes)))
            assert fold["metrics"]["final"]["confusion"] == expected.tolist()


def test_final_probability_is_equation_15(finished: Path) -> None:
    alpha = json.loads((finished / "report.json").read_text())["experiments"]["can"]["training"]["alpha"]
    heads = read_predictions(next(finished.glob("can/*/predictions.csv"))).probabilities
    product = heads["joint"] * heads["text"] ** alpha * heads["audio"] ** alpha
    np.testing.assert_allclose(heads["final"], product / product.sum(axis=1, keepdims=True), atol=1e-7)


def test_predictions_name_fold_utterance_and_label(finished: Path) -> None:
    with (finished / "text" / "Ses01F" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["fold"] for row in rows} == {"Ses01F"}
    assert {row["utterance"]: row["label"] for row in rows} == {"Ses01F_impro01_F000": "neu"}
    assert not [name for name in rows[0] if name.startswith("audio:")]  # the text system has one head
    assert sum(float(rows[0][f"joint:{label}"]) for label in ("ang", "hap", "exc", "sad", "neu")) == pytest.approx(1)


def test_report_is_rendered_anew_from_files(finished: Path) -> None:
    before = {name: (finished / name).read_text() for name in ("report.json", "report.md", "report.html")}
    for name in before:
        (finished / name).unlink()
    removed = next(finished.glob("can/*/predictions.csv"))
    removed.unlink()
    result = run(report_command.main, str(finished))
    assert result.exit_code == 0, result.stderr
    assert {name: (finished / name).read_text() for name in before} == before
    assert removed.is_file()


def test_published_report_has_the_predictions_of_every_fold(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    result = run(report_command.main, str(finished), "--publish", str(folder))
    assert result.exit_code == 0, result.stderr
    tables = {"text.csv.xz", "can.csv.xz"}
    files = {"report.md", "report.html", "report.json", "plan.json", "utterances.csv"}
    assert {path.name for path in folder.iterdir()} == files | tables
    for name in files:
        assert (folder / name).read_bytes() == (finished / name).read_bytes()
    for name in tables:
        published = pd.read_csv(folder / name)
        parts = [pd.read_csv(path) for path in sorted(finished.glob(f"{name.partition('.')[0]}/*/predictions.csv"))]
        pd.testing.assert_frame_equal(published, pd.concat(parts, ignore_index=True))
    again = run(report_command.main, str(finished), "--publish", str(folder))
    assert (again.exit_code, "exists already; choose another folder" in again.stderr) == (1, True)


def test_unfinished_run_has_a_report(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("plan.json", "utterances.csv", "text", "can"):
        (copy / name).symlink_to(finished / name) if name != "can" else (copy / name).mkdir()
    for path in (finished / "can").iterdir():
        if path.name != "Ses02M":
            (copy / "can" / path.name).symlink_to(path)
    assert run(report_command.main, str(copy)).exit_code == 0
    record = json.loads((copy / "report.json").read_text())
    assert (len(record["rows"]["text"]["wa"]), len(record["rows"]["can"]["wa"])) == (4, 3)
    assert "**Not finished**: can (3 of 4 folds)" in (copy / "report.md").read_text()
    text, can = (record["rows"][name]["wa"] for name in ("text", "can"))
    assert record["difference_to_can"]["text"]["wa"]["mean"] == pytest.approx(np.mean(np.subtract(text[:3], can)))


def test_report_compares_with_the_chosen_row(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    assert run(report_command.main, str(copy), "--reference", "text").exit_code == 0
    compared, usual = (json.loads((folder / "report.json").read_text()) for folder in (copy, finished))
    expected = usual["difference_to_can"]["text"]["wa"]["mean"]
    assert compared["difference_to_text"]["can"]["wa"]["mean"] == pytest.approx(-expected)
    assert "Δ WA to text" in (copy / "report.md").read_text()
    refused = run(report_command.main, str(copy), "--reference", "audio")
    assert (refused.exit_code, "--reference 'audio': choose from text, can" in refused.stderr) == (1, True)


def test_other_folder_is_refused_with_hint(tmp_path: Path) -> None:
    result = run(report_command.main, str(tmp_path))
    assert result.exit_code == 1
    assert "model.reproduce" in result.stderr


def test_environment_and_deviations_are_recorded(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    [environment] = report["environments"]
    assert {"python", "packages", "processor", "cores", "threads", "commit", "device"} <= set(environment)
    assert {"torch", "numpy", "onnxruntime"} <= set(environment["packages"])
    text = (finished / "report.md").read_text()
    assert "`network.hidden=4` (literal: 128)" in text
    assert "`training.normalise=true` (literal: false)" in text
    assert "one random seed for all folds" in text
    assert f"torch {environment['packages']['torch']}" in text
    assert all(fold["history"] and fold["best_epoch"] for fold in report["folds"]["can"])
