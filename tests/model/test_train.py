import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from model.atomic import exclusive_lock
from model.bundle import read_bundle
from model.corpora.iemocap import read_iemocap
from model.corpora.pairing import CLIP, FOREIGN, Sentence, write_sentences
from model.corpora.readers import COMPOSITE_LABELS
from model.runtime import EmotionClassifier
from model.train import main
from tests.model.corpora.iemocap_fixture import WITHOUT_WDSEG, write_iemocap

SMALL = ("--set", "network.hidden=4", "--set", "network.embedding_dim=6", "--set", "training.max_epochs=2")
MADE = ("--trained-on", "noise", "--licence", "CC0-1.0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a small corpus in IEMOCAP's format in it."""
    write_iemocap(tmp_path / "corpus")
    (tmp_path / "two.txt").write_text("me 0.5 0.25\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*options: str) -> Result:
    app = typer.Typer()
    app.command()(main)
    command = ["--root", "corpus", "--out", "bundles/mine", "--embeddings", "random", "--cache", "cache", *SMALL, *MADE]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, *options])


def test_train_writes_bundle_that_classifies(folder: Path) -> None:
    result = train("--folds", "session", "--fold-bundles")
    assert result.exit_code == 0, result.stderr
    assert WITHOUT_WDSEG in result.stderr
    bundle = read_bundle(folder / "bundles" / "mine")
    EmotionClassifier(bundle).warm_up()
    metrics = json.loads((bundle.folder / "metrics.json").read_text())["cross_validation"]
    assert metrics["folds"] == 4
    assert metrics["protocol"].startswith("by session")
    assert "Licence of these weights: CC0-1.0" in (bundle.folder / "MODEL_CARD.md").read_text()
    assert str(folder) not in (bundle.folder / "metrics.json").read_text()
    for fold in ("Ses01F", "Ses01M", "Ses02F", "Ses02M"):
        EmotionClassifier(read_bundle(folder / "runs" / "mine" / fold / "bundle")).warm_up()


def test_corpora_are_left_out_and_calibrate_the_bundle(folder: Path) -> None:
    """A corpus of two sources: session 1 was recorded elsewhere than session 2."""
    names = [utterance.name for utterance in read_iemocap(folder / "corpus", COMPOSITE_LABELS).utterances]
    sources = [FOREIGN if name.startswith("Ses01") else CLIP for name in names]
    write_sentences(
        folder / "corpus",
        [Sentence(name, "sound", "", "ang", "1", source, "clean") for name, source in zip(names, sources, strict=True)],
    )
    result = train("--corpus", "composite", "--folds", "session", "--set", "training.patience=0")
    assert result.exit_code == 0, result.stderr
    bundle = read_bundle(folder / "bundles" / "mine")
    assert bundle.sound is not None
    metrics = json.loads((bundle.folder / "metrics.json").read_text())
    corpora = metrics["left_out"]["corpora"]
    assert {name: row["trained_on"] for name, row in corpora.items()} == {
        "nemo": sources.count(CLIP),
        "ravdess": sources.count(FOREIGN),
    }
    assert "fitted on the held-out parts of the folds below" in (bundle.folder / "MODEL_CARD.md").read_text()
    assert metrics["cross_validation"]["calibration_error_after"] is not None


@pytest.mark.slow
def test_finished_folds_are_reused_unless_a_setting_changes(folder: Path) -> None:
    assert train("--folds", "session").exit_code == 0
    result_file = folder / "runs" / "mine" / "Ses01F" / "result.json"
    first = result_file.stat().st_mtime_ns
    again = train("--folds", "session")
    assert "5 of 5 folds are finished already" in again.stderr
    assert result_file.stat().st_mtime_ns == first
    bundles = train("--folds", "session", "--fold-bundles")
    assert "1 of 5 folds are finished already" in bundles.stderr
    other = train("--folds", "session", "--set", "training.alpha=0.2")
    assert "finished already" not in other.stderr
    assert "moved to runs/mine-before-1" in other.stderr
    assert (folder / "runs" / "mine-before-1" / "Ses01F" / "result.json").is_file()


@pytest.mark.slow
def test_other_word_vectors_with_same_name_start_new_run(folder: Path) -> None:
    for value in ("0.5", "0.25"):
        (folder / "vectors.txt").write_text("".join(f"{word} {value} {value}\n" for word in ("excuse", "me")))
        frozen = ("--set", "training.embedding_rate=0", "--set", "network.embedding_dim=2")
        result = train("--folds", "session", "--embeddings", "glove", "--glove", "vectors.txt", *frozen)
        assert result.exit_code == 0, result.stderr
        # A word whose vector was neither given nor trained is pruned.
        assert read_bundle(folder / "bundles" / "mine").vocabulary.words == ("excuse", "me")
    assert "mine-before-1" in result.stderr
    assert "1 words of the corpus are not in vectors.txt: ++laughter++" in result.stderr


def test_single_fold(folder: Path) -> None:
    result = train("--folds", "session", "--fold", "1")
    assert result.exit_code == 0, result.stderr
    assert "Ses01M" in result.stderr
    metrics = json.loads((folder / "bundles" / "mine" / "metrics.json").read_text())["cross_validation"]
    assert metrics["folds"] == 1


def test_limited_folds_and_four_classes(folder: Path) -> None:
    result = train("--folds", "session", "--limit-folds", "2", "--classes", "4")
    assert result.exit_code == 0, result.stderr
    bundle = read_bundle(folder / "bundles" / "mine")
    assert bundle.config.labels == ("ang", "hap", "sad", "neu")
    metrics = json.loads((bundle.folder / "metrics.json").read_text())["cross_validation"]
    assert metrics["folds"] == 2
    assert "The first 2 folds by session" in (bundle.folder / "MODEL_CARD.md").read_text()


def test_labels_that_are_not_trained_on_are_explained(folder: Path) -> None:
    result = train("--skip-cv")
    assert "2 skipped because of their label (fea 1, xxx 1); trained on are ang, exc, hap" in result.stderr
    assert "`model.train --classes 9` adds fea; xxx: no class has this label" in result.stderr
    nine = train("--skip-cv", "--classes", "9", "--out", "bundles/nine")
    assert nine.exit_code == 0, nine.stderr
    assert "1 skipped because of their label (xxx 1)" in nine.stderr
    assert "fea" in read_bundle(folder / "bundles" / "nine").config.labels


def test_unknown_corpus_requires_licence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.model.test_train.MADE", ())
    result = train("--folds", "session")
    assert result.exit_code == 1
    assert "--licence" in result.stderr


def test_notes_are_included_in_card(folder: Path) -> None:
    assert train("--skip-cv", "--note", "It was noise.").exit_code == 0
    card = (folder / "bundles" / "mine" / "MODEL_CARD.md").read_text()
    assert "- It was noise." in card
    assert "Not measured" in card
    assert "not fitted" in card


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--folds", "10"), "use --folds session"),
        (("--set", "network.nothing=1"), "network.hidden"),
        (("--glove", "missing.txt", "--embeddings", "glove", "--folds", "session"), "missing.txt"),
        (("--recipe", "soup"), "starter"),
        (("--glove", "two.txt", "--embeddings", "glove", "--folds", "session"), "vectors in two.txt have 2 values"),
        (("--root", "missing"), "missing"),
        (("--folds", "session", "--fold", "4"), "there are 4 folds"),
        (("--folds", "session", "--fold", "1", "--limit-folds", "2"), "--limit-folds needs several folds"),
        (("--skip-cv", "--limit-folds", "2"), "--limit-folds needs several folds"),
        (("--set", "training.augmentation.speeds=0.9,1"), "first speed"),
        (("--set", "network.head_count=3", "--set", "network.heads=split"), "evenly"),
        (("--set", "features.segmentation=whole", "--folds", "session"), "one segment per word"),
        (("--set", "network.frame_size=20"), "features.front_end"),
        (("--set", "training.batch_size=0"), "greater than 0"),
        (("--set", "features.mfcc.n_mfcc=41"), "at most n_mels"),
        (("--set", "training.learning_rate=nan"), "finite"),
        (("--glove", "vectors.txt", "--folds", "session"), "--embeddings random does not use --glove"),
        (("--fold", "0", "--skip-cv"), "omit one of them"),
        (("--out", "corpus"), "is not a bundle"),
        (("--out", "corpus/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"), "is not a bundle"),
        (("--out", "runs/x/x", "--runs", "runs/x"), "a folder outside it"),
        (("--cache", "/dev/null/cache", "--folds", "session"), "Not a directory"),
    ],
)
def test_invalid_options_are_refused_with_hint(folder: Path, options: tuple[str, ...], hint: str) -> None:
    result = train(*options)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_origin_can_be_changed_without_training_again(folder: Path) -> None:
    assert train("--skip-cv", "--licence", "MIT").exit_code == 0
    made = read_bundle(folder / "bundles" / "mine").config.origin.created
    again = train("--skip-cv", "--licence", "CC-BY-4.0", "--vectors", "no vectors")
    assert "finished already" in again.stderr
    origin = read_bundle(folder / "bundles" / "mine").config.origin
    assert (origin.licence, origin.vectors, origin.created) == ("CC-BY-4.0", "no vectors", made)


def test_run_is_locked_by_one_command(folder: Path) -> None:
    with exclusive_lock(folder / "runs" / "mine", RuntimeError):
        result = train("--skip-cv")
    assert result.exit_code == 1
    assert "another command is using runs/mine" in result.stderr
    assert train("--skip-cv").exit_code == 0


def test_differences_to_previous_run_are_printed(folder: Path) -> None:
    assert train("--skip-cv").exit_code == 0
    other = train("--skip-cv", "--seed", "3")
    assert "held a different run (training.seed was 0, is 3" in other.stderr


def test_same_corpus_at_other_path_is_same_run(folder: Path) -> None:
    assert train("--skip-cv").exit_code == 0
    again = train("--skip-cv", "--root", str(folder / "corpus"))
    assert "1 of 1 folds are finished already" in again.stderr


def test_folds_of_other_code_version_are_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train("--skip-cv").exit_code == 0
    monkeypatch.setattr("model.runs.folds.training_code", lambda: "another")
    assert "1 of them were trained by another version of this code" in train("--skip-cv").stderr
