"""Files of a study for publication: its report and everything that the figures follow from, without weights.

The predictions of a training, one file per fold in the output folder, become one compressed file, which
`pandas.read_csv` reads as it is.
"""

import lzma
from pathlib import Path
from shutil import copyfile
from typing import Final

from model.atomic import atomic_folder
from model.errors import TrainingError
from model.report.plan import PLAN, UTTERANCES, read_plan
from model.report.word_errors import WORD_ERRORS
from model.report.write import REPORTS
from model.runs.folder import Run
from model.runs.predictions import PREDICTIONS

_SUFFIX: Final = ".csv.xz"


def publish_report(out: Path, folder: Path) -> None:
    """Copy the report, the plan, the utterances, errors of a recogniser, and the predictions of a study.

    Args:
        out: Output folder of a reproduction or another study, with its report.
        folder: New folder; SYSTEM.csv.xz contains the predictions of all finished folds of a training.

    Raises:
        TrainingError: The folder exists already.
    """
    if folder.exists():
        raise TrainingError(f"{folder} exists already; choose another folder")
    plan = read_plan(out)
    with atomic_folder(folder, replace=False) as temporary:
        recognised = [WORD_ERRORS] if (out / WORD_ERRORS).exists() else []
        for name in (*REPORTS, PLAN, UTTERANCES, *recognised):
            copyfile(out / name, temporary / name)
        for run in (Run(out / planned.folder) for planned in plan.runs):
            parts = [run.folder(split) / PREDICTIONS for split in plan.splits]
            if finished := [part for part in parts if part.is_file()]:
                (temporary / f"{run.path.name}{_SUFFIX}").write_bytes(_join(finished))


def _join(parts: list[Path]) -> bytes:
    """Compressed content of several csv files with the same header."""
    header, _, _ = parts[0].read_bytes().partition(b"\n")
    rows = [part.read_bytes().partition(b"\n")[2] for part in parts]
    return lzma.compress(b"\n".join((header, b"".join(rows))), preset=9)
