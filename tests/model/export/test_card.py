from pathlib import Path

from model.bundle import Bundle
from model.export.card import render_card
from tests.builders import write_tiny_bundle

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
CLIPS = {
    "clips": 10,
    "command": "python -m benchmarks.untouched_clips --ravdess DIR",
    "labels": ["ang", "hap"],
    "by_words": {
        "recognised words": {"wa": 0.5, "ua": 0.5, "refused": 1, "confusion": [[2, 3], [1, 3]]},
        "given transcript": {"wa": 0.6, "ua": 0.6, "refused": 0, "confusion": [[3, 2], [2, 3]]},
    },
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


def test_single_fold_is_described_as_one(tiny_bundle: Bundle) -> None:
    card = render_card(tiny_bundle.config, {"cross_validation": CROSS_VALIDATION | {"folds": 1}})
    assert "A single fold, by session" in card
    assert "every utterance is tested once" not in card


def test_rewritten_bundle_replaces_whole_folder(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    (folder / "stray").write_text("left over")
    write_tiny_bundle(folder)
    assert not (folder / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
