"""`python -m model.train --corpus table`: from a table to a served bundle."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from alignment.features.extraction import UtteranceFeatures
from model.bundle import locate_bundle, read_bundle, read_card
from model.data.features import FeatureSet
from model.data.prepared import to_ragged
from model.data.splits import Split
from model.errors import DivergenceError
from model.network import load
from model.runs.folder import FoldResult, Run
from model.runs.folds import Fold, run_fold
from model.runs.predictions import PREDICTIONS, read_predictions
from model.runtime import EmotionClassifier
from model.scores import log_softmax
from model.train import main
from model.training.loop import Epoch, predict
from tests.model.corpora.table_fixture import LABELS, make_rows, write_table

SMALL = ("--set", "network.hidden=4", "--set", "network.embedding_dim=6", "--max-epochs", "2")
SCRATCH = ("--embeddings", "random", *SMALL)
TUNED = ("--init", "starter-mfcc", "--max-epochs", "1")
MADE = ("--trained-on", "tones and noise", "--licence", "CC0-1.0")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Rows of four speakers; the working directory contains their recordings."""
    monkeypatch.chdir(tmp_path)
    return make_rows(tmp_path)


def train(rows: Sequence[dict[str, Any]], *options: str) -> Result:
    write_table(Path("own.csv"), rows)
    app = typer.Typer()
    app.command()(main)
    command = ["--corpus", "table", "--table", "own.csv", "--out", "bundles/own", "--cache", "cache", *MADE]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, *options])


def section(name: str) -> Any:
    return json.loads(Path("bundles/own/metrics.json").read_text())[name]


def test_bundle_of_a_table_has_its_labels_and_a_complete_card(rows: list[dict[str, Any]]) -> None:
    result = train(rows, *SCRATCH)
    assert result.exit_code == 0, result.stderr
    assert "16 rows, 16 used (calm-ish 8, keen 8)" in result.stderr
    bundle = read_bundle(Path("bundles/own"))
    assert bundle.config.labels == LABELS
    EmotionClassifier(bundle).warm_up()
    assert section("cross_validation")["folds"] == 4
    assert section("cross_validation")["protocol"] == "by speaker (no speaker in two parts)"
    assert section("table")["words"] == {"given with times": 16}
    card = read_card(bundle)
    for text in (
        "16 of 16 rows",
        "calm-ish 8, keen 8",
        "4 speakers",
        "given with times 16",
        "tones and noise",
        "CC0-1.0",
    ):
        assert text in card
    assert "no temperature is fitted: 16 held-out recordings" in result.stderr
    assert bundle.sound is None


def test_calibration_and_sound_are_included_where_data_suffice(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    result = train(make_rows(tmp_path, speakers=4, each=4), *SCRATCH)
    assert result.exit_code == 0, result.stderr
    bundle = read_bundle(Path("bundles/own"))
    assert bundle.sound is not None
    assert bundle.config.calibration.temperature != 1.0
    assert "fitted on the held-out parts" in read_card(bundle)


def test_left_out_recordings_are_counted_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "damaged.wav").write_bytes(b"RIFF")
    with_damaged = [*rows, {**rows[0], "file": "damaged.wav"}]
    result = train(with_damaged, *SCRATCH)
    assert result.exit_code == 0, result.stderr
    assert "1 left out: 1 unusable audio" in result.stderr
    assert "left out: row 18 (damaged.wav): " in result.stderr
    assert section("table")["left_out"] == {"unusable audio": 1}
    assert "16 of 17 rows of a table; left out: unusable audio 1" in read_card(read_bundle(Path("bundles/own")))
    strict = train(with_damaged, *SCRATCH, "--strict")
    assert strict.exit_code == 1
    assert "row 18 (damaged.wav): " in strict.stderr


def test_split_of_the_table_gives_one_fold_whose_weights_are_served(rows: list[dict[str, Any]]) -> None:
    parts = {"voice 0": "train", "voice 1": "train", "voice 2": "validation", "voice 3": "test"}
    result = train([{**row, "split": parts[row["speaker"]]} for row in rows], *SCRATCH)
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in Path("runs/own").iterdir() if path.is_dir()) == ["split"]
    assert section("cross_validation")["utterances"] == 4
    assert "A single fold, by the column split of the table" in read_card(read_bundle(Path("bundles/own")))


def test_table_without_evaluation(rows: list[dict[str, Any]]) -> None:
    assert train(rows, *SCRATCH, "--skip-cv").exit_code == 0
    assert section("table")["folds"] == "none"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--root", "."), "no --root"),
        (("--classes", "4"), "--classes 4 is for IEMOCAP"),
        (("--corpus", "iemocap"), "--table own.csv: add --corpus table"),
        (("--folds", "split"), "no column 'split'"),
        (("--init", "starter-mfcc", "--set", "network.hidden=8"), "network.hidden=8: --init starter-mfcc has 64"),
        (("--init", "starter-mfcc", "--set", "features.overlap=0.3"), "reads features of its own"),
        (("--init", "starter-mfcc", "--recipe", "starter"), "--recipe starter reads 'both'"),
        (("--init", "starter-mfcc", "--recipe", "soup"), "choose one of paper"),
        (("--init", "nowhere"), "nowhere/SHA256SUMS does not exist"),
        (("--init", "starter-mfcc", "--embeddings", "random"), "--init keeps the word vectors"),
        (("--recipe", "starter"), "or --init starter to begin with those of a bundle"),
    ],
)
def test_invalid_options_are_refused_with_hint(rows: list[dict[str, Any]], options: tuple[str, ...], hint: str) -> None:
    result = train(rows, *options)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_corpus_in_folders_needs_root(rows: list[dict[str, Any]]) -> None:
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["--out", "bundles/own"])
    assert result.exit_code == 1
    assert "--corpus iemocap needs --root" in result.stderr


def test_fine_tuning_keeps_encoders_and_vectors_and_begins_new_heads(rows: list[dict[str, Any]]) -> None:
    """At a learning rate of almost zero, the trained network is the initial one."""
    still = ("--set", "training.learning_rate=1e-12", "--skip-cv")
    relabelled = [{**row, "label": {"calm-ish": "sad", "keen": "keen"}[row["label"]]} for row in rows]
    result = train(relabelled, *TUNED, *still)
    assert result.exit_code == 0, result.stderr
    bundle, initial = read_bundle(Path("bundles/own")), read_bundle(locate_bundle("starter-mfcc"))
    assert bundle.config.labels == ("sad", "keen")
    assert bundle.config.normalisation == initial.config.normalisation
    assert bundle.vocabulary.words == initial.vocabulary.words
    before, after = (load(each).network.state_dict() for each in ("starter-mfcc", "bundles/own"))
    heads = ("joint_head", "text_head", "audio_head")
    for name in (name for name in before if name.split(".")[0] not in heads):
        np.testing.assert_allclose(after[name].numpy(), before[name].numpy(), atol=1e-6, err_msg=name)
    sad = initial.config.labels.index("sad")
    for head in heads:
        kept, new = after[f"{head}.weight"].numpy()
        np.testing.assert_allclose(kept, before[f"{head}.weight"][sad].numpy(), atol=1e-6)
        assert np.abs(new - before[f"{head}.weight"].numpy()).max(axis=1).min() > 1e-3
    assert section("initial")["labels_kept"] == ["sad"]
    assert section("initial")["labels_new"] == ["keen"]
    assert f"Training began with the bundle starter-mfcc {initial.version}" in read_card(bundle)
    assert "whose licence is CC-BY-NC-SA-4.0; --licence states CC0-1.0" in result.stderr


def test_new_words_begin_as_the_unknown_word(rows: list[dict[str, Any]]) -> None:
    words = json.dumps([{"word": "good", "start": 0.3, "end": 0.6}, {"word": "zzyzx", "start": 0.6, "end": 1.1}])
    spoken = [{**row, "words": words} for row in rows]
    trained = ("--set", "training.embedding_rate=1", "--set", "training.learning_rate=1e-12", "--skip-cv")
    assert "1 words of the corpus are not in the vocabulary of starter-mfcc" in train(spoken, *TUNED, *trained).stderr
    own, initial = load("bundles/own"), load("starter-mfcc")
    assert own.vocabulary.words == (*initial.vocabulary.words, "zzyzx")
    table = own.network.state_dict()["text_encoder.embedding.weight"]
    unknown = initial.network.state_dict()["text_encoder.embedding.weight"][1]
    np.testing.assert_allclose(table[-1].numpy(), unknown.numpy(), atol=1e-6)
    assert section("initial")["words_new"] == 1


def test_other_initial_weights_are_another_run(rows: list[dict[str, Any]]) -> None:
    assert train(rows, *TUNED, "--skip-cv").exit_code == 0
    assert "1 of 1 folds are finished already" in train(rows, *TUNED, "--skip-cv").stderr
    other = train(rows, "--init", "bundles/own", "--max-epochs", "1", "--skip-cv")
    assert "other initial weights" in other.stderr
    assert section("initial")["labels_kept"] == list(LABELS)


@pytest.mark.parametrize(
    "options",
    [
        SCRATCH,
        pytest.param(TUNED, marks=pytest.mark.slow),
        pytest.param(("--init", "starter", "--max-epochs", "1"), marks=pytest.mark.slow),
    ],
)
def test_torch_network_and_bundle_reproduce_stored_predictions(
    rows: list[dict[str, Any]], options: tuple[str, ...]
) -> None:
    assert train(rows, *options, "--fold-bundles").exit_code == 0
    run = Run(Path("runs/own"))
    data, nothing = run.data(), np.zeros(0, np.int64)
    for name in ("fold-00", "fold-03"):
        indices, stored = run.logits(Split(name, nothing, nothing, nothing), "test")
        loaded = load(run.path / name)
        ragged = to_ragged(data.by_speed[0], data.embeddings, data.labels, loaded.description.normalisation)
        repeated = predict(loaded.network, ragged, indices)
        for head, logits in stored.heads.items():
            np.testing.assert_allclose(log_softmax(repeated.heads[head]), log_softmax(logits), atol=1e-5)
        classifier = EmotionClassifier(read_bundle(run.path / name / "bundle"))
        scores = classifier.classify(utterances_of(data.by_speed[0], indices.tolist()))
        written = read_predictions(run.path / name / PREDICTIONS)
        assert written.utterances == tuple(data.names[index] for index in indices)
        for head, logits in repeated.heads.items():
            np.testing.assert_allclose(np.exp(log_softmax(logits)), written.probabilities[head], atol=1e-5)
        np.testing.assert_allclose([each.probabilities for each in scores], written.probabilities["final"], atol=1e-5)
    assert load(run.path).description.labels == LABELS


def utterances_of(features: FeatureSet, indices: Sequence[int]) -> list[UtteranceFeatures]:
    """Features of some utterances, as the service computes them."""
    lasts = np.cumsum(features.segment_counts)
    edges = np.concatenate(([0], np.cumsum(features.frame_counts)))
    return [
        UtteranceFeatures(
            features.words[index],
            np.array(
                features.frames[edges[lasts[index] - features.segment_counts[index]] : edges[lasts[index]]], np.float32
            ),
            np.array(features.frame_counts[lasts[index] - features.segment_counts[index] : lasts[index]]),
        )
        for index in indices
    ]


def test_diverged_fold_leaves_the_others_finished(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge_once(fold: Fold, on_epoch: Callable[[Epoch], None]) -> FoldResult:
        if fold.split.name == "fold-01":
            raise DivergenceError(3, float("nan"), 0.001)
        return run_fold(fold, on_epoch)

    monkeypatch.setattr("model.runs.folds.run_fold", diverge_once)
    result = train(rows, *SCRATCH)
    assert result.exit_code == 1
    assert "1 of 5 folds diverged, the others are finished: own fold-01: training diverged in epoch 3" in result.stderr
    finished = sorted(path.parent.name for path in Path("runs/own").glob("*/result.json"))
    assert finished == ["fold-00", "fold-02", "fold-03", "served"]
    assert not Path("bundles/own").exists()
    monkeypatch.setattr("model.runs.folds.run_fold", run_fold)
    again = train(rows, *SCRATCH)
    assert again.exit_code == 0
    assert "4 of 5 folds are finished already" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_divergence_in_every_fold_names_the_setting(rows: list[dict[str, Any]], jobs: str) -> None:
    result = train(rows, *SCRATCH, "--jobs", jobs, "--set", "training.learning_rate=1e12")
    assert result.exit_code == 1
    assert "5 of 5 folds diverged, the others are finished" in result.stderr
    assert "training diverged in epoch" in result.stderr
    assert "reduce --set training.learning_rate=1e+12" in result.stderr
    assert not Path("bundles/own").exists()
