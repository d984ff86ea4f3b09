"""The figures of docs/reproduction.md and of its report follow from the published predictions alone."""

from typing import Final

import pytest

from tests.builders import ROOT
from tests.published import Published, short, signed, spread, table_of

PAGE: Final = ROOT / "docs" / "reproduction.md"
ROWS: Final = ("text", "audio", "yoon", "xu", "can", "can-no-cross-attention")
TITLES: Final = ("TextModel", "AudioModel", "Yoon et al.", "Xu et al.", "CAN", "− cross attention")
FOLDS: Final = [f"next-Ses{number:02d}" for number in range(1, 11)]


@pytest.fixture(scope="module")
def published() -> Published:
    return Published(ROOT / "docs" / "reproduction" / "loso-next")


def test_report_has_all_rows_and_folds(published: Published) -> None:
    assert (published.rows, published.folds) == (set(ROWS), FOLDS)


def test_metrics_follow_from_predictions(published: Published) -> None:
    published.assert_consistent()


def test_every_utterance_is_tested(published: Published) -> None:
    for row in ROWS:
        assert sorted(published.predictions(row)["utterance"]) == sorted(published.utterances.index)


def test_parts_of_a_fold_share_no_session_speaker_or_text(published: Published) -> None:
    published.assert_parts_share_nothing(("session", "speaker", "text"))


def test_differences_follow_from_predictions(published: Published) -> None:
    published.assert_differences("can")


@pytest.mark.parametrize("row", ROWS)
def test_accuracy_by_kind_follows_from_predictions(published: Published, row: str) -> None:
    table = published.predictions(row)
    kinds = published.utterances.loc[table["utterance"], "kind"].to_numpy()
    correct = (table["label"] == table["predicted"]).groupby(kinds)
    stored = {kind: own["wa"] for kind, own in published.report["by_kind"][row].items()}
    assert stored == pytest.approx(correct.mean().to_dict())


def test_page_has_the_metrics_of_the_report(published: Published) -> None:
    report, page = published.report, PAGE.read_text(encoding="utf-8")
    titles = {title: row for row, title in zip(ROWS, TITLES, strict=True)}
    for title, _, wa, f1, difference, _, _, epochs in table_of(page, "system"):
        row = titles[title]
        own = report["rows"][row]
        assert own["wa"] == pytest.approx(own["ua"])
        assert [wa, f1] == [spread(own[name]) for name in ("wa", "macro_f1")], title
        assert epochs == ", ".join(str(fold["best_epoch"]) for fold in report["folds"][row])
        if row != "can":
            stored = report["difference_to_can"][row]["wa"]
            assert difference == "{}, {} to {}".format(*(signed(stored[name]) for name in ("mean", "low", "high")))
    for title, *cells in table_of(page, "label carried by"):
        own = report["by_kind"][titles[title]]
        assert cells == [short(own[kind]["wa"]) for kind in ("both", "text", "sound")], title
