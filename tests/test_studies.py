"""The figures of docs/studies.md and of its reports follow from the published predictions alone."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
import pandas as pd
import pytest

from tests.builders import ROOT
from tests.published import Published, short, signed, spread, table_of

PAGE: Final = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
FOLDS: Final = ["next-Ses01", "next-Ses02", "next-Ses03"]
REFERENCES: Final = {"front-ends": "can-mfcc", "sensitivity": "base", "asr": "reference"}
FRONT_ENDS: Final = {"MFCC": "mfcc", "encoder states": "encoder", "both": "both"}
TESTED: Final = {
    "WA, reference words": "reference",
    "WA, its words in test": "{}-test",
    "WA, its words in both": "{}-train-test",
}
SYSTEMS: Final = ("audio", "can-no-cross-attention", "can")


@cache
def published(name: str) -> Published:
    return Published(ROOT / "docs" / "reproduction" / name)


def interval(difference: Mapping[str, float | None]) -> str:
    """The mean and its interval, where there is one."""
    mean, low, high = (signed(value) for name in ("mean", "low", "high") if (value := difference[name]) is not None)
    return f"{mean}, {low} to {high}"


@pytest.mark.parametrize("name", REFERENCES)
def test_reports_follow_from_predictions(name: str) -> None:
    study = published(name)
    assert study.folds == FOLDS
    study.assert_consistent()
    study.assert_differences(REFERENCES[name])
    study.assert_parts_share_nothing(("session", "speaker"))


def test_page_has_the_front_ends() -> None:
    study = published("front-ends")
    for title, *cells, difference, p in table_of(PAGE, "front end"):
        front_end = FRONT_ENDS[title]
        assert cells == [spread(study.measure(f"{system}-{front_end}")["wa"]) for system in SYSTEMS]
        expected = study.difference(f"can-{front_end}", f"can-no-cross-attention-{front_end}")
        assert (difference, p) == (interval(expected), f"{expected['p']:.2g}")
    for title, *cells in table_of(PAGE, "carried by the audio"):
        assert cells == [short(correct_by_sound(study, f"{system}-{FRONT_ENDS[title]}")) for system in SYSTEMS]


def correct_by_sound(study: Published, row: str) -> float:
    """Share of correct predictions where the audio alone carries the label."""
    table = study.predictions(row)
    own = table[study.utterances.loc[table["utterance"], "kind"].to_numpy() == "sound"]
    return float((own["label"] == own["predicted"]).mean())


@pytest.mark.parametrize(("name", "heading"), [("sensitivity", "changed setting"), ("asr", "words")])
def test_page_has_the_rows_of_a_study(name: str, heading: str) -> None:
    study, reference = published(name), REFERENCES[name]
    plan = json.loads((study.folder / "plan.json").read_text(encoding="utf-8"))
    titles = {row["title"]: row["key"] for row in plan["rows"]}
    table = table_of(PAGE, heading)
    assert [titles[title] for title, *_ in table] == list(study.report["rows"])
    for title, wa, *differences in table:
        key = titles[title]
        assert wa == spread(study.measure(key)["wa"])
        if key == reference:
            assert differences == ["", "", ""]
        else:
            assert differences == cells_of(study.report[f"difference_to_{reference}"][key]["wa"])


def cells_of(difference: Mapping[str, float | None]) -> list[str]:
    """Difference, p and corrected p in the format of the page."""
    mean, p = difference["mean"], difference["p"]
    assert mean is not None
    if p is None:
        return [f"{signed(mean)} in each fold", "", ""]
    return [interval(difference), f"{p:.2g}", f"{difference['p_holm']:.2g}"]


def test_page_has_the_word_errors() -> None:
    study = published("asr")
    errors = pd.read_csv(study.folder / "word_errors.csv", index_col="utterance")
    for recogniser, overall, what, *cells in table_of(PAGE, "recogniser"):
        own = errors[errors["recogniser"] == recogniser]
        bins = np.searchsorted([0.0, 0.25, 0.5], own["errors"] / own["words"])
        assert overall == short(own["errors"].sum() / own["words"].sum())
        if what == "utterances":
            assert cells == [str((bins == each).sum()) for each in range(4)]
        else:
            table = study.predictions(TESTED[what].format(recogniser))
            by_bin = pd.Series(bins, own.index).loc[table["utterance"]].to_numpy()
            correct = (table["label"] == table["predicted"]).groupby(by_bin).mean()
            assert cells == [short(correct[each]) for each in range(4)]
