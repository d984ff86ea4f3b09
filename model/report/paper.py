"""Rows and tables of the paper as a report shows them."""

from collections.abc import Sequence
from typing import Any, Final

from model.report.rows import PlannedRun, Row
from model.training.systems import SYSTEMS

TITLE: Final = "Reproduction of the paper's tables"
REFERENCE: Final = "can"
_CAPTIONS: Final = {2: "Table 2: comparison of systems", 3: "Table 3: segmentation", 4: "Table 4: ablation"}
_ADDITIONAL: Final = "Additional systems"


def paper_row(name: str) -> Row:
    """Row of a system of `SYSTEMS`."""
    return Row(name, SYSTEMS[name].title, name, words=SYSTEMS[name].words)


def paper_tables(names: Sequence[str]) -> dict[str, list[str]]:
    """Systems of each table of the paper, by its caption, and additional ones last.

    A table without any system but the reference is left out, unless it is the only one.
    """
    tables = {caption: [n for n in names if number in SYSTEMS[n].tables] for number, caption in _CAPTIONS.items()}
    tables[_ADDITIONAL] = [name for name in names if not SYSTEMS[name].tables]
    compared = {caption: members for caption, members in tables.items() if {*members} - {REFERENCE}}
    return compared or {_CAPTIONS[2]: list(names)}


def upgrade_plan(record: dict[str, Any]) -> dict[str, Any]:
    """Content of a plan.json that lists systems only, as the first version wrote it, with everything that it lacks."""
    names = record["systems"]
    return record | {
        "title": TITLE,
        "rows": [paper_row(name) for name in names],
        "tables": paper_tables(names),
        "reference": REFERENCE,
        "runs": [PlannedRun(name, name, 0) for name in names],
    }
