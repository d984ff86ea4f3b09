from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from alignment.features.encoded import FrontEnd
from alignment.features.extraction import FeatureSpec
from model.bundle import CARD, Bundle, locate_bundle, read_bundle, read_card, read_metrics
from model.bundle_files import write_sums
from model.export.__main__ import main
from model.export.card import render_card
from tests.builders import write_tiny_bundle

SHIPPED = ("starter", "starter-mfcc")
HEADS = {
    "both (Eq. 15)": {
        "wa": [0.5, 0.7],
        "ua": [0.4, 0.4],
        "weighted_precision": [0.5, 0.5],
        "macro_precision": [0.3, 0.3],
        "calibration_error": [0.1, 0.1],
    }
}
CROSS_VALIDATION = {
    "folds": 2,
    "protocol": "by session (no speaker in two parts)",
    "utterances": 40,
    "command": "python -m model.train --root DIR",
    "heads": HEADS,
    "by_kind": {"one of them is neutral": {"count": 20, "final": 0.61, "text": 0.5, "audio": 0.4}},
}
CLIPS: dict[str, Any] = {
    "clips": 10,
    "command": "python -m benchmarks.untouched_clips --ravdess DIR",
    "labels": ["ang", "hap"],
    "by_words": {
        "recognised words": {"wa": 0.5, "ua": 0.5, "refused": 1, "confusion": [[2, 3], [1, 3]]},
        "given transcript": {"wa": 0.6, "ua": 0.6, "refused": 0, "confusion": [[3, 2], [2, 3]]},
    },
}
FIVE: dict[str, Any] = {"labels": ["ang", "hap", "sad", "sur", "neu"], "ua": 0.7}
SEVEN_CLIPS: dict[str, Any] = CLIPS | {
    "labels": ["ang", "hap", "sad", "sur", "fea", "dis", "neu"],
    "by_words": {name: row | {"five": FIVE, "confusion": [[1] * 7] * 7} for name, row in CLIPS["by_words"].items()},
}
ROBUSTNESS: dict[str, Any] = {
    "command": "python -m benchmarks.robustness --ravdess DIR",
    "clips": 12,
    "conditions": {"telephone": {"ua5": 0.61, "ua7": 0.52, "refused": 1}},
}
OTHER_SPEECH: dict[str, Any] = {
    "Polish clips, unheard speakers": {
        "command": "python -m benchmarks.robustness --nemo DIR",
        "clips": 9,
        "labels": ["ang", "fea"],
        "ua": 0.55,
        "confusion": [[4, 1], [2, 2]],
    }
}
LEFT_OUT: dict[str, Any] = {
    "command": "python -m model.train --corpus composite",
    "corpora": {
        "nemo": {
            "trained_on": 30,
            "clips": 8,
            "labels": ["ang", "fea"],
            "ua": 0.4,
            "ua_sound": 0.45,
            "calibration_error_constant": 0.3,
            "calibration_error": 0.1,
        }
    },
}
REFERENCES: dict[str, Any] = {
    "command": "python -m benchmarks.references",
    "folds": 2,
    "rows": [{"task": "clips", "name": "SVM", "used": 6, "ua": [0.4, 0.6], "network": [0.7, 0.7]}],
}


def test_missing_metrics_are_reported_as_not_measured(tiny_bundle: Bundle) -> None:
    card = (tiny_bundle.folder / "MODEL_CARD.md").read_text()
    assert "Not measured" in card
    assert "nothing: random weights" in card
    assert "Licence of these weights: Apache-2.0" in card


def test_metrics_and_commands_are_included(tiny_bundle: Bundle) -> None:
    card = render_card(tiny_bundle.config, {"cross_validation": CROSS_VALIDATION, "untouched_clips": CLIPS})
    assert "| both (Eq. 15) | 0.600 ± 0.100 | 0.400 ± 0.000 |" in card
    assert "| one of them is neutral | 20 | 0.610 | 0.500 | 0.400 |" in card
    assert "| recognised words | 0.500 | 0.500 | 1 |" in card
    assert "| ang | 3 | 2 |" in card
    for metrics in (CROSS_VALIDATION, CLIPS):
        assert f"`{metrics['command']}`" in card
    assert "Not measured" not in card


def test_further_evaluation_is_included(tiny_bundle: Bundle) -> None:
    metrics = {
        "untouched_clips": SEVEN_CLIPS,
        "robustness": ROBUSTNESS,
        "other_speech": OTHER_SPEECH,
        "left_out": LEFT_OUT,
        "references": REFERENCES,
    }
    card = render_card(tiny_bundle.config, metrics)
    assert "| given transcript | 0.600 | 0.600 | 0.700 | 0 |" in card
    assert "clips of angry, happy, sad, surprised and neutral" in card
    assert "| telephone | 0.520 | 0.610 | 1 |" in card
    assert "| Polish clips, unheard speakers | 9 | 2 | 0.500 | 0.550 |" in card
    assert "| fea | 2 | 2 |" in card
    assert "| nemo | 30 | 8 | 0.500 | 0.400 | 0.450 | 0.300 | 0.100 |" in card
    assert "| clips | SVM | 6 | 0.500 ± 0.100 | 0.700 ± 0.000 |" in card
    for part in (ROBUSTNESS, LEFT_OUT, REFERENCES, *OTHER_SPEECH.values()):
        assert f"`{part['command']}`" in card


def test_limits_name_what_was_tested(tiny_bundle: Bundle) -> None:
    assert "noise were not tested" in render_card(tiny_bundle.config, {})
    card = render_card(tiny_bundle.config, {"robustness": ROBUSTNESS, "other_speech": OTHER_SPEECH})
    assert "noise were not tested" not in card
    assert "only Polish was tested" in card


@pytest.mark.parametrize(
    ("front_end", "expected"),
    [
        ("mfcc", "each word 40 MFCCs every 10 ms"),
        ("encoder", "tiny-en's encoder (SHA-256 0123456789ab…) every 24 ms at 16 kHz (segmentation"),
        ("both", "and beside each state 40 MFCCs"),
    ],
)
def test_front_end_is_described(tiny_bundle: Bundle, front_end: FrontEnd, expected: str) -> None:
    features = FeatureSpec(front_end=front_end, level_db=-26.0, encoder_sha256="0123456789abcdef")
    card = render_card(replace(tiny_bundle.config, features=features), {})
    assert expected in card
    assert "brought to -26 dB relative to full scale" in card


def test_licences_of_sources_are_stated(tiny_bundle: Bundle) -> None:
    origin = replace(tiny_bundle.config.origin, trained_on="RAVDESS speech joined to GoEmotions comments, and nEMO")
    card = render_card(replace(tiny_bundle.config, origin=origin), {})
    assert "- nEMO is licensed under CC BY-NC-SA 4.0." in card
    assert "- GoEmotions is licensed under Apache-2.0." in card
    assert "CC BY-NC-SA" not in render_card(tiny_bundle.config, {})


def test_single_fold_is_described_as_one(tiny_bundle: Bundle) -> None:
    card = render_card(tiny_bundle.config, {"cross_validation": CROSS_VALIDATION | {"folds": 1}})
    assert "A single fold, by session" in card
    assert "every utterance is tested once" not in card
    one = {head: {metric: values[:1] for metric, values in row.items()} for head, row in HEADS.items()}
    card = render_card(tiny_bundle.config, {"cross_validation": CROSS_VALIDATION | {"folds": 1, "heads": one}})
    assert "| both (Eq. 15) | 0.500 | 0.400 |" in card
    assert "±" not in card


def test_limited_folds_are_described_as_such(tiny_bundle: Bundle) -> None:
    card = render_card(tiny_bundle.config, {"cross_validation": CROSS_VALIDATION | {"limited": True}})
    assert "The first 2 folds by session" in card
    assert "every utterance is tested once" not in card


@pytest.mark.parametrize(
    ("trained_on", "speech"),
    [
        ("IEMOCAP (USC SAIL)", ": IEMOCAP (acted or elicited North American English)"),
        ("RAVDESS and nEMO speech", ": RAVDESS (acted North American English), nEMO (acted Polish)"),
        ("RAVDESS and calls to a German hotline", ": RAVDESS (acted North American English)"),
        ("nEMO", ": nEMO (acted Polish)"),
        ("calls to a German hotline, as in MyIEMOCAPs", ""),
    ],
)
def test_languages_are_those_of_each_named_corpus(tiny_bundle: Bundle, trained_on: str, speech: str) -> None:
    """A corpus of one language does not stand for all of the training data."""
    origin = replace(tiny_bundle.config.origin, trained_on=trained_on)
    card = render_card(replace(tiny_bundle.config, origin=origin), {})
    assert f"## Limits\n\nTraining data{speech}. " in card
    assert ("English" in card) == ("English" in speech)
    assert "shown in short speech like that of the training data" in card


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_card_is_the_one_that_is_rendered(name: str) -> None:
    """`python -m model.export BUNDLE` renders it again."""
    bundle = read_bundle(locate_bundle(name))
    assert read_card(bundle) == render_card(bundle.config, read_metrics(bundle))
    assert "nEMO (acted Polish)" in read_card(bundle)


def test_card_is_rendered_again(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    before = read_bundle(folder)
    stored = read_card(before)
    (folder / CARD).write_text("of an older version")
    write_sums(folder)
    result = render_again(folder)
    assert result.exit_code == 0, result.stderr
    assert read_card(read_bundle(folder)) == stored
    assert result.stdout.rstrip().endswith(f"is now {before.version}")


def test_card_of_a_damaged_bundle_is_not_rendered(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    (folder / CARD).write_text("changed")
    result = render_again(folder)
    assert result.exit_code == 1
    assert "BundleDamagedError" in result.stderr
    assert (folder / CARD).read_text() == "changed"


def render_again(folder: Path) -> Result:
    """Run `python -m model.export`."""
    app = typer.Typer()
    app.command()(main)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(folder)])


def test_rewritten_bundle_replaces_whole_folder(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    (folder / "stray").write_text("left over")
    write_tiny_bundle(folder)
    assert not (folder / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
