import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from model.atomic import exclusive_lock
from model.bundle import read_bundle
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


def test_from_a_corpus_to_a_bundle_that_answers(folder: Path) -> None:
    result = train("--folds", "session", "--fold-bundles")
    assert result.exit_code == 0, result.stderr
    assert WITHOUT_WDSEG in result.stderr
    bundle = read_bundle(folder / "bundles" / "mine")
    EmotionClassifier(bundle).warm_up()
    figures = json.loads((bundle.folder / "metrics.json").read_text())["cross_validation"]
    assert figures["folds"] == 4
    assert figures["protocol"].startswith("by session")
    assert "Licence of these weights: CC0-1.0" in (bundle.folder / "MODEL_CARD.md").read_text()
    assert str(folder) not in (bundle.folder / "metrics.json").read_text()
    for fold in ("Ses01F", "Ses01M", "Ses02F", "Ses02M"):
        EmotionClassifier(read_bundle(folder / "runs" / "mine" / fold / "bundle")).warm_up()


def test_finished_folds_are_not_trained_again_unless_a_setting_changes(folder: Path) -> None:
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
    assert "kept in runs/mine-before-1" in other.stderr.replace("\n", " ")
    assert (folder / "runs" / "mine-before-1" / "Ses01F" / "result.json").is_file()


def test_other_word_vectors_of_the_same_name_are_another_run(folder: Path) -> None:
    for value in ("0.5", "0.25"):
        (folder / "vectors.txt").write_text("".join(f"{word} {value} {value}\n" for word in ("excuse", "me")))
        frozen = ("--set", "training.embedding_rate=0", "--set", "network.embedding_dim=2")
        result = train("--folds", "session", "--embeddings", "glove", "--glove", "vectors.txt", *frozen)
        assert result.exit_code == 0, result.stderr
        # What was neither given nor trained is no word of the bundle.
        assert read_bundle(folder / "bundles" / "mine").vocabulary.words == ("excuse", "me")
    assert "mine-before-1" in result.stderr
    assert "1 words of the corpus are not in vectors.txt: ++laughter++" in result.stderr


def test_one_fold_alone(folder: Path) -> None:
    result = train("--folds", "session", "--fold", "1")
    assert result.exit_code == 0, result.stderr
    assert "Ses01M" in result.stderr
    figures = json.loads((folder / "bundles" / "mine" / "metrics.json").read_text())["cross_validation"]
    assert figures["folds"] == 1


def test_weights_of_an_unknown_corpus_need_a_licence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.model.test_train.MADE", ())
    result = train("--folds", "session")
    assert result.exit_code == 1
    assert "--licence" in result.stderr


def test_notes_stand_in_the_card(folder: Path) -> None:
    assert train("--skip-cv", "--note", "It was noise.").exit_code == 0
    card = (folder / "bundles" / "mine" / "MODEL_CARD.md").read_text()
    assert "- It was noise." in card
    assert "Not measured" in card
    assert "none was fitted" in card


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
        (("--set", "training.augmentation.speeds=0.9,1"), "first speed"),
        (("--set", "network.head_count=3", "--set", "network.heads=split"), "evenly"),
        (("--set", "features.segmentation=whole", "--folds", "session"), "one segment per word"),
        (("--set", "network.n_mfcc=20"), "features.mfcc.n_mfcc"),
        (("--set", "training.batch_size=0"), "greater than 0"),
        (("--set", "features.mfcc.n_mfcc=41"), "at most n_mels"),
        (("--set", "training.learning_rate=nan"), "finite"),
        (("--glove", "vectors.txt", "--folds", "session"), "--embeddings random makes no use of --glove"),
        (("--fold", "0", "--skip-cv"), "leave one of them out"),
        (("--out", "corpus"), "is no bundle"),
        (("--out", "corpus/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"), "is no bundle"),
        (("--out", "runs/x/x", "--runs", "runs/x"), "a folder outside it"),
        (("--cache", "/dev/null/cache", "--folds", "session"), "Not a directory"),
    ],
)
def test_what_cannot_work_says_why(folder: Path, options: tuple[str, ...], hint: str) -> None:
    result = train(*options)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_said_of_the_weights_can_be_mended_without_training_again(folder: Path) -> None:
    assert train("--skip-cv", "--licence", "MIT").exit_code == 0
    made = read_bundle(folder / "bundles" / "mine").config.origin.created
    again = train("--skip-cv", "--licence", "CC-BY-4.0", "--vectors", "none to speak of")
    assert "finished already" in again.stderr
    origin = read_bundle(folder / "bundles" / "mine").config.origin
    assert (origin.licence, origin.vectors, origin.created) == ("CC-BY-4.0", "none to speak of", made)


def test_a_run_is_of_one_command_at_a_time(folder: Path) -> None:
    with exclusive_lock(folder / "runs" / "mine", RuntimeError):
        result = train("--skip-cv")
    assert result.exit_code == 1
    assert "another command is using runs/mine" in result.stderr
    assert train("--skip-cv").exit_code == 0


def test_what_differs_from_the_run_that_was_there_is_told(folder: Path) -> None:
    assert train("--skip-cv").exit_code == 0
    other = train("--skip-cv", "--seed", "3")
    assert "held another run (training.seed was 0, is 3" in other.stderr


def test_the_same_corpus_by_another_path_is_the_same_run(folder: Path) -> None:
    assert train("--skip-cv").exit_code == 0
    again = train("--skip-cv", "--root", str(folder / "corpus"))
    assert "1 of 1 folds are finished already" in again.stderr


def test_folds_of_other_code_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train("--skip-cv").exit_code == 0
    monkeypatch.setattr("model.runs.folds.training_code", lambda: "another")
    assert "1 of them were trained by another version of this code" in train("--skip-cv").stderr
