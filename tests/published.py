"""Published reports of docs/, and figures computed from their predictions without the project's metrics."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, f1_score, recall_score

_SUFFIX: Final = ".csv.xz"


@dataclass(frozen=True, eq=False)
class Published:
    """Folder that `python -m model.report RUN --publish FOLDER` wrote."""

    folder: Path

    @cached_property
    def report(self) -> Any:
        """Content of report.json."""
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """Utterances with their part in each fold."""
        return pd.read_csv(self.folder / "utterances.csv", index_col="utterance", keep_default_na=False)

    @property
    def rows(self) -> set[str]:
        """Rows with predictions."""
        return {path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")}

    @property
    def folds(self) -> list[str]:
        """Names of the folds of the first row, which all rows must have."""
        return [fold["split"] for fold in next(iter(self.report["folds"].values()))]

    def predictions(self, row: str) -> pd.DataFrame:
        """Predictions of a row, with the class of the highest final probability as `predicted`."""
        table = pd.read_csv(self.folder / f"{row}{_SUFFIX}")
        final = table.filter(regex="^final:")
        table["predicted"] = [str(name).removeprefix("final:") for name in final.idxmax(axis=1)]
        return table

    def measure(self, row: str) -> dict[str, list[float]]:
        """Metrics of each fold."""
        folds = [own for _, own in self.predictions(row).groupby("fold", sort=True)]
        true = [(own["label"], own["predicted"]) for own in folds]
        return {
            "wa": [accuracy_score(*pair) for pair in true],
            "ua": [recall_score(*pair, average="macro") for pair in true],
            "macro_f1": [f1_score(*pair, average="macro") for pair in true],
        }

    def difference(self, row: str, reference: str, metric: str = "wa") -> dict[str, float]:
        """Mean, 95 % interval and p of the paired t-test with (1/k + n_test/n_train) for 1/k.

        Only the mean where all folds have the same difference. Source: Nadeau and Bengio 2003.
        """
        ours, base = self.measure(row)[metric], self.measure(reference)[metric]
        mean = float(np.mean(np.subtract(ours, base)))
        if np.ptp(np.subtract(ours, base)) < 1e-12:
            return {"mean": mean}
        parts = self.utterances[self.folds]
        share = float(np.mean([(parts[fold] == "test").sum() / (parts[fold] == "train").sum() for fold in self.folds]))
        plain, wider = ttest_rel(ours, base), np.sqrt(1 + len(ours) * share)
        low, high = (mean + wider * (end - mean) for end in plain.confidence_interval(0.95))
        return {"mean": mean, "low": low, "high": high, "p": 2 * student.sf(abs(plain.statistic) / wider, plain.df)}

    def assert_consistent(self) -> None:
        """Assert that report.json follows from the predictions, and that every fold tests its own utterances."""
        assert self.rows == set(self.report["folds"]) == set(self.report["rows"])
        for row, folds in self.report["folds"].items():
            assert [fold["split"] for fold in folds] == self.folds
            table = self.predictions(row)
            for fold, own in table.groupby("fold"):
                assert set(own["utterance"]) == set(self.utterances.index[self.utterances[fold] == "test"])
            assert not table["utterance"].duplicated().any()
            assert (table["label"].to_numpy() == self.utterances.loc[table["utterance"], "label"]).all()
            for name, values in self.measure(row).items():
                assert self.report["rows"][row][name] == pytest.approx(values), (row, name)

    def assert_differences(self, reference: str) -> None:
        """Assert that the differences to a row, in report.json, follow from the predictions."""
        differences = self.report[f"difference_to_{reference}"]
        assert set(differences) == self.rows - {reference}
        for row, stored in differences.items():
            for metric in ("wa", "ua"):
                expected = self.difference(row, reference, metric)
                assert {name: stored[metric][name] for name in expected} == pytest.approx(expected), (row, metric)
                assert "p" in expected or stored[metric]["p"] in (None, 1.0)

    def assert_parts_share_nothing(self, columns: tuple[str, ...]) -> None:
        """Assert that the parts of a fold have no common value in these columns."""
        for fold in self.folds:
            parts = [self.utterances[self.utterances[fold] == part] for part in ("train", "validation", "test")]
            for column in columns:
                assert sum(own[column].nunique() for own in parts) == self.utterances[column].nunique()


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


def spread(values: list[float]) -> str:
    """Mean and population standard deviation."""
    return f"{short(float(np.mean(values)))} ± {short(float(np.std(values)))}"
