"""The figures of docs/reproduction.md and of its report follow from the published predictions alone."""

import json
import re
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, f1_score, recall_score

from tests.builders import ROOT

FOLDER: Final = ROOT / "docs" / "reproduction" / "loso-next"
PAGE: Final = ROOT / "docs" / "reproduction.md"
ROWS: Final = ("text", "audio", "yoon", "xu", "can", "can-no-cross-attention")
TITLES: Final = ("TextModel", "AudioModel", "Yoon et al.", "Xu et al.", "CAN", "− cross attention")
FOLDS: Final = [f"next-Ses{number:02d}" for number in range(1, 11)]


@pytest.fixture(scope="module")
def report() -> Any:
    return json.loads((FOLDER / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def utterances() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "utterances.csv", index_col="utterance", keep_default_na=False)


def predictions(row: str) -> pd.DataFrame:
    """Predictions of a row, with the class of the highest final probability as `predicted`."""
    table = pd.read_csv(FOLDER / f"{row}.csv.xz")
    final = table.filter(regex="^final:")
    table["predicted"] = [str(name).removeprefix("final:") for name in final.idxmax(axis=1)]
    return table


def measure(row: str) -> dict[str, list[float]]:
    """Metrics of each fold."""
    folds = [own for _, own in predictions(row).groupby("fold", sort=True)]
    true = [(own["label"], own["predicted"]) for own in folds]
    return {
        "wa": [accuracy_score(*pair) for pair in true],
        "ua": [recall_score(*pair, average="macro") for pair in true],
        "macro_f1": [f1_score(*pair, average="macro") for pair in true],
    }


def test_report_has_all_rows_and_folds(report: Any) -> None:
    assert {row: [fold["split"] for fold in own] for row, own in report["folds"].items()} == dict.fromkeys(ROWS, FOLDS)
    assert {path.name for path in FOLDER.glob("*.csv.xz")} == {f"{row}.csv.xz" for row in ROWS}


@pytest.mark.parametrize("row", ROWS)
def test_metrics_follow_from_predictions(report: Any, row: str) -> None:
    for name, values in measure(row).items():
        assert report["rows"][row][name] == pytest.approx(values), name


@pytest.mark.parametrize("row", ROWS)
def test_every_fold_tests_its_own_utterances(utterances: pd.DataFrame, row: str) -> None:
    table = predictions(row)
    for fold, own in table.groupby("fold"):
        assert set(own["utterance"]) == set(utterances.index[utterances[fold] == "test"])
    assert sorted(table["utterance"]) == sorted(utterances.index)
    assert (table["label"].to_numpy() == utterances.loc[table["utterance"], "label"]).all()


def test_parts_of_a_fold_share_no_session_speaker_or_text(utterances: pd.DataFrame) -> None:
    for fold in FOLDS:
        parts = [utterances[utterances[fold] == part] for part in ("train", "validation", "test")]
        for column in ("session", "speaker", "text"):
            assert sum(own[column].nunique() for own in parts) == utterances[column].nunique()


@pytest.mark.parametrize("row", [row for row in ROWS if row != "can"])
@pytest.mark.parametrize("metric", ["wa", "ua"])
def test_differences_follow_from_predictions(report: Any, utterances: pd.DataFrame, row: str, metric: str) -> None:
    """The corrected t-test is the paired one with (1/k + n_test/n_train) for 1/k (Nadeau and Bengio 2003)."""
    ours, base = measure(row)[metric], measure("can")[metric]
    share = np.mean([(utterances[fold] == "test").sum() / (utterances[fold] == "train").sum() for fold in FOLDS])
    statistic = ttest_rel(ours, base).statistic / np.sqrt(1 + len(FOLDS) * share)
    stored = report["difference_to_can"][row][metric]
    assert stored["mean"] == pytest.approx(np.mean(np.subtract(ours, base)))
    assert stored["p"] == pytest.approx(2 * student.sf(abs(statistic), len(FOLDS) - 1))


@pytest.mark.parametrize("row", ROWS)
def test_accuracy_by_kind_follows_from_predictions(report: Any, utterances: pd.DataFrame, row: str) -> None:
    table = predictions(row)
    correct = (table["label"] == table["predicted"]).groupby(utterances.loc[table["utterance"], "kind"].to_numpy())
    stored = {kind: own["wa"] for kind, own in report["by_kind"][row].items()}
    assert stored == pytest.approx(correct.mean().to_dict())


def table_of(page: str, first: str) -> list[list[str]]:
    """Rows of the table of the page whose header begins with `first`, without its header."""
    [block] = re.findall(rf"^\| {first} .*\n\|[-|]+\n((?:\|.*\n)+)", page, re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]


def short(value: float) -> str:
    """Three decimals without the zero."""
    return f"{value:.3f}".removeprefix("0")


def signed(value: float) -> str:
    """The same with a sign."""
    return f"{'−' if value < 0 else '+'}{short(abs(value))}"


def test_page_has_the_metrics_of_the_report(report: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    titles = {title: row for row, title in zip(ROWS, TITLES, strict=True)}
    for title, _, wa, f1, difference, _, _, epochs in table_of(page, "system"):
        row = titles[title]
        own = report["rows"][row]
        assert own["wa"] == pytest.approx(own["ua"])
        expected = [f"{short(np.mean(own[name]))} ± {short(np.std(own[name]))}" for name in ("wa", "macro_f1")]
        assert [wa, f1] == expected, title
        assert epochs == ", ".join(str(fold["best_epoch"]) for fold in report["folds"][row])
        if row != "can":
            stored = report["difference_to_can"][row]["wa"]
            assert difference == "{}, {} to {}".format(*(signed(stored[name]) for name in ("mean", "low", "high")))
    for title, *cells in table_of(page, "label carried by"):
        own = report["by_kind"][titles[title]]
        assert cells == [short(own[kind]["wa"]) for kind in ("both", "text", "sound")], title
