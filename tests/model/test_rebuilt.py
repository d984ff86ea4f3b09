import pytest
import typer

from benchmarks.rebuilt import compare_clips, compare_folds

FIGURES = {
    "folds": 3,
    "protocol": "by session",
    "utterances": 30,
    "heads": {"joint": {"ua": [0.5, 0.6, 0.7]}},
}


def test_a_constant_gain_is_a_gain() -> None:
    better = FIGURES | {"heads": {"joint": {"ua": [0.6, 0.7, 0.8]}}}
    before, after, found = compare_folds(FIGURES, better)["joint"]
    assert [before, after] == pytest.approx([0.6, 0.7])
    assert found.low > 0


def test_other_folds_are_not_compared() -> None:
    with pytest.raises(typer.BadParameter, match="same folds"):
        compare_folds(FIGURES, FIGURES | {"utterances": 31})


def test_clips_worked_by_hand() -> None:
    """Recalls .5 and .5, then .8 and .5; each of 100: variances (.25 + .25) / 100 / 4 and (.16 + .25) / 100 / 4."""
    found = compare_clips([[50, 50], [50, 50]], [[80, 20], [50, 50]])
    assert found.mean == pytest.approx(0.15)
    assert found.high - found.mean == pytest.approx(1.96 * (0.00125 + 0.001025) ** 0.5)
