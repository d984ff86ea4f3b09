"""Studies, seeds and α chosen by validation, on a small corpus in IEMOCAP's format."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from model.errors import TrainingError
from model.report.plan import read_plan
from model.report.publish import publish_report
from model.reproduce import main as reproduce_main
from model.study import main as study_main
from model.training.recipes import LITERAL, PAPER, change
from model.workflows.studies import asr_mismatch, choose_rows, front_ends, sensitivity
from model.workflows.study import plan_runs
from tests.model.corpora.iemocap_fixture import write_sessions

pytestmark = pytest.mark.slow

LABELS = ("ang", "hap", "sad", "neu")
OPTIONS = (
    *("--root", "corpus", "--embeddings", "random", "--cache", "cache", "--folds", "loso", "--limit-folds", "2"),
    *("--max-epochs", "2", "--set", "network.hidden=4", "--set", "network.embedding_dim=6"),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sessions(tmp_path_factory.mktemp("study") / "corpus", 3, LABELS, each=1)


@pytest.fixture
def folder(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the corpus in it."""
    (tmp_path / "corpus").symlink_to(corpus)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: Callable[..., None], *options: str) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*OPTIONS, "--out", "out", *options])


def report(folder: Path) -> Any:
    return json.loads((folder / "out" / "report.json").read_text())


def test_seeds_give_the_spread_between_them(folder: Path) -> None:
    result = run(reproduce_main, "--rows", "text,can", "--seeds", "1,2,3")
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    folds = record["folds"]["can"]
    assert [(fold["seed"], fold["split"]) for fold in folds[:3]] == [
        (1, "loso-Ses01"),
        (2, "loso-Ses01"),
        (3, "loso-Ses01"),
    ]
    by_seed = np.array([fold["metrics"]["final"]["wa"] for fold in folds]).reshape(2, 3)
    assert record["rows"]["can"]["wa"] == pytest.approx(by_seed.mean(axis=1).tolist())
    spread = record["spread"]["can"]["wa"]
    assert spread["between_seeds"] == pytest.approx(np.sqrt(by_seed.var(axis=1, ddof=1).mean()))
    text = (folder / "out" / "report.md").read_text()
    assert "| CAN | 1, 2, 3 |" in text
    assert "one random seed" not in text
    assert "training.seed" not in text
    assert len({fold["folder"] for fold in folds}) == 6


def test_alpha_is_chosen_by_validation_in_every_fold(folder: Path) -> None:
    result = run(reproduce_main, "--rows", "text,can,can-no-align-loss", "--alpha-sweep", "0,.1,1")
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    sweep = record["alpha_sweep"]
    assert list(sweep) == ["can"]
    for number, fold in enumerate(record["folds"]["can"]):
        stored = [
            json.loads((folder / "out" / f"can-alpha-{alpha}" / fold["split"] / "result.json").read_text())
            for alpha in ("0", "0.1", "1")
        ]
        kept = [own["history"][own["best_epoch"] - 1] for own in stored]
        best = max(range(3), key=lambda i: (kept[i]["validation_wa"], -kept[i]["validation_loss"]))
        assert fold["alpha"] == [0, 0.1, 1][best]
        assert record["rows"]["can"]["wa"][number] == stored[best]["metrics"]["final"]["wa"]
    assert sum(own["chosen"] for own in sweep["can"]["by_alpha"].values()) == 2
    assert [len(own["test_wa"]) for own in sweep["can"]["by_alpha"].values()] == [2, 2, 2]
    text = (folder / "out" / "report.md").read_text()
    assert "α chosen by validation in every fold" in text
    assert "training.alpha" not in text


def test_report_states_protocol_and_shared_texts(folder: Path) -> None:
    result = run(reproduce_main, "--rows", "text", "--set", "training.class_weights=true", "--classes", "4")
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert record["experiments"]["text"]["training"]["class_weights"]
    # Two of three sessions test; 16 utterances of each, half of them scripted.
    assert record["overlap"] == {"tested": 32, "speaker": 0, "session": 0, "dialog": 0, "text": 16, "long_text": 4}
    text = (folder / "out" / "report.md").read_text()
    assert "the same text as 16 (50 %), 4 of these with at least 5 words" in text
    assert "a random tenth of the other sessions validates" in text
    assert "`training.class_weights=true` (literal: false)" in text


def test_sensitivity_is_one_command_that_resumes(folder: Path) -> None:
    rows = ("--rows", "padding-utterance,overlap-0.2,heads-projected")
    result = run(study_main, "sensitivity", *rows)
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert list(record["rows"]) == ["base", "heads-projected", "padding-utterance", "overlap-0.2"]
    assert set(record["difference_to_base"]) == {"heads-projected", "padding-utterance", "overlap-0.2"}
    assert all(own["wa"]["p_holm"] is not None for own in record["difference_to_base"].values())
    shutil.rmtree(folder / "out" / "overlap-0.2" / "loso-Ses02")
    resumed = run(study_main, "sensitivity", *rows)
    assert "7 of 8 folds are finished already" in resumed.stderr
    assert report(folder)["rows"] == {
        key: {name: pytest.approx(values) for name, values in own.items()} for key, own in record["rows"].items()
    }


def test_recognised_words_in_test_and_in_training(folder: Path) -> None:
    """The audio is noise, so that the words do not matter, only that the two rows differ in their networks."""
    rows = ("--rows", "pocketsphinx-test,pocketsphinx-train-test")
    result = run(study_main, "asr", *rows)
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert list(record["rows"]) == ["reference", "pocketsphinx-test", "pocketsphinx-train-test"]
    reference, tested, trained = (record["folds"][key][0] for key in record["rows"])
    assert tested["history"] == reference["history"]
    assert trained["history"] != reference["history"]
    errors = record["word_errors"]["pocketsphinx"]
    assert errors["word_error_rate"] > 0.5
    assert sum(errors["utterances"]) == 48
    assert set(errors["wa"]) == {"reference", "pocketsphinx-test", "pocketsphinx-train-test"}
    assert "WA by word error rate of the utterance: pocketsphinx" in (folder / "out" / "report.md").read_text()
    publish_report(folder / "out", folder / "published")
    assert (folder / "published" / "word_errors.csv").read_bytes() == (folder / "out" / "word_errors.csv").read_bytes()
    (folder / "out" / "pocketsphinx-test" / "loso-Ses01" / "result.json").unlink()
    assert "3 of 4 folds are finished already" in run(study_main, "asr", *rows).stderr


def test_front_ends_with_encoder_states(folder: Path) -> None:
    result = run(study_main, "front-ends", "--rows", "can-both", "--limit-folds", "1")
    assert result.exit_code == 0, result.stderr
    record = report(folder)
    assert list(record["rows"]) == ["can-mfcc", "can-both"]
    assert record["experiments"]["can-both"]["features"]["front_end"] == "both"
    assert not [setting for setting in record["deviations"]["settings"] if "frame_size" in setting]


def test_every_factor_changes_one_setting_of_the_recipe() -> None:
    for recipe in (PAPER, LITERAL):
        study = sensitivity(recipe)
        keys = [row.key for row in study.rows]
        assert len(set(keys)) == len(keys)
        assert all(change(recipe, row.settings) != recipe for row in study.rows[1:])
        names = {row.settings[0].split("=")[0].rsplit(".", 1)[-1] for row in study.rows[1:]}
        assert {"hidden", "heads", "padding", "fillers", "overlap", "pre_emphasis", "normalise"} <= names


def test_front_ends_compare_three_systems() -> None:
    assert [row.key for row in front_ends().rows] == [
        f"{system}-{front}"
        for front in ("mfcc", "encoder", "both")
        for system in ("can", "audio", "can-no-cross-attention")
    ]


def test_recognisers_have_two_rows_each() -> None:
    study = asr_mismatch(["moonshine", "whisperx"])
    assert [(row.key, row.words, row.trained_on) for row in study.rows[1:3]] == [
        ("moonshine-test", "moonshine", "corpus"),
        ("moonshine-train-test", "moonshine", ""),
    ]
    assert len(study.rows) == 5


def test_unknown_row_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TrainingError, match="can-encoder"):
        choose_rows(front_ends(), ["can-mel"])


def test_only_rows_with_unimodal_heads_are_swept() -> None:
    study = choose_rows(front_ends(), ["audio-mfcc", "can-no-cross-attention-mfcc"])
    runs = plan_runs(study.rows, (0,), (0.0, 0.1))
    assert [run.folder for run in runs] == [
        "can-mfcc-alpha-0",
        "can-mfcc-alpha-0.1",
        "audio-mfcc",
        "can-no-cross-attention-mfcc",
    ]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--seeds", "1,1"), "--seeds 1,1: needs different values"),
        (("--seeds", "one"), "list of numbers"),
        (("--alpha-sweep", "-1,0"), "--alpha-sweep"),
        (("--folds", "speakers"), "speaker"),
    ],
)
def test_invalid_lists_are_refused(folder: Path, options: tuple[str, ...], hint: str) -> None:
    result = run(reproduce_main, *options)
    assert result.exit_code != 0
    assert hint in result.stderr


def test_first_version_of_a_plan_is_read(folder: Path) -> None:
    assert run(reproduce_main, "--rows", "text").exit_code == 0
    path = folder / "out" / "plan.json"
    record = json.loads(path.read_text())
    for name in ("title", "rows", "tables", "reference", "runs"):
        del record[name]
    path.write_text(json.dumps(record | {"systems": ["text"]}))
    plan = read_plan(folder / "out")
    assert [(run.row, run.folder) for run in plan.runs] == [("text", "text")]
    assert plan.tables == {"Table 2: comparison of systems": ["text"]}
