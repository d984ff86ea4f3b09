"""Studies of one question each, on any corpus: `python -m model.study --help`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from model.config import FOLDS_HELP, FoldsName
from model.extras import TRAIN, require_extra
from model.options import (
    Classes,
    CorpusOption,
    Device,
    Dialogues,
    Glove,
    Jobs,
    LimitFolds,
    MaxEpochs,
    Out,
    Root,
    Seeds,
    Strict,
    Vectors,
    parse_numbers,
    split_names,
)


def main(
    name: Annotated[
        Literal["sensitivity", "asr", "front-ends"],
        typer.Argument(
            help="sensitivity: one setting changed at a time; asr: recognised words in test, or in training and test, "
            "by word error rate; front-ends: MFCC, encoder states and both, with and without cross attention"
        ),
    ],
    root: Root,
    out: Out,
    corpus: CorpusOption = "iemocap",
    glove: Glove = None,
    embeddings: Vectors = "glove",
    recipe: Annotated[Literal["paper", "literal"], typer.Option(help="Settings that the study starts from")] = "paper",
    rows: Annotated[str, typer.Option(help="Comma-separated keys of rows of the study; default: all")] = "",
    folds: Annotated[FoldsName, typer.Option(help=FOLDS_HELP)] = "10",
    classes: Classes = "7",
    subset: Dialogues = "all",
    strict: Strict = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of all rows, e.g. network.hidden=64")
    ] = None,
    limit_folds: LimitFolds = None,
    max_epochs: MaxEpochs = None,
    jobs: Jobs = 1,
    device: Device = "cpu",
    seeds: Seeds = "",
    cache: Annotated[
        Path | None, typer.Option(help="Folder of features and recognised words; default: the user's cache folder")
    ] = None,
) -> None:
    """Train and test the rows of a study under one protocol, and write a report with their differences."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    require_extra("train", TRAIN)
    from model.workflows.studies import run_study
    from model.workflows.study import StudyOptions

    changes = [*(settings or ()), *([] if max_epochs is None else [f"training.max_epochs={max_epochs}"])]
    options = StudyOptions(
        root=root, out=out, corpus=corpus, recipe=recipe, glove=glove, random_embeddings=embeddings == "random",
        folds=folds, classes=int(classes), subset=subset, strict=strict, settings=tuple(changes),
        seeds=parse_numbers("--seeds", seeds, int), alpha_sweep=(),
        limit_folds=limit_folds, jobs=jobs, device=device, cache=cache,
    )  # fmt: skip
    raise typer.Exit(run_study(name, options, split_names(rows)))


if __name__ == "__main__":
    typer.run(main)
