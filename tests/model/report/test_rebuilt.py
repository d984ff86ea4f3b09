import pytest
import typer

from benchmarks.rebuilt import compare_clips, compare_folds

METRICS = {"folds": 3, "protocol": "by session", "utterances": 30, "heads": {"joint": {"ua": [0.5, 0.6, 0.7]}}}


def test_steady_gain_is_significant() -> None:
    better = METRICS | {"heads": {"joint": {"ua": [0.6, 0.71, 0.79]}}}
    before, after, difference = compare_folds(METRICS, better)["joint"]
    assert [before, after] == pytest.approx([0.6, 0.7])
    assert difference.low > 0


def test_different_folds_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="same folds"):
        compare_folds(METRICS, METRICS | {"utterances": 31})


def test_clips_by_hand() -> None:
    """Recalls .5 and .5, then .8 and .5; each of 100: variances (.25 + .25) / 100 / 4 and (.16 + .25) / 100 / 4."""
    difference = compare_clips([[50, 50], [50, 50]], [[80, 20], [50, 50]])
    assert difference.mean == pytest.approx(0.15)
    assert difference.high - difference.mean == pytest.approx(1.96 * (0.00125 + 0.001025) ** 0.5)
