"""Studies of one question each, on any corpus: `python -m model.study --help`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from model.config import FOLDS_HELP, FoldsName
from model.extras import TRAIN, require_extra
from model.options import parse_numbers, split_names


def main(
    name: Annotated[
        Literal["sensitivity", "asr", "front-ends"],
        typer.Argument(
            help="sensitivity: one setting changed at a time; asr: recognised words in test, or in training and test, "
            "by word error rate; front-ends: MFCC, encoder states and both, with and without cross attention"
        ),
    ],
    root: Annotated[Path, typer.Option(help="Folder with Session1, Session2, …")],
    out: Annotated[Path, typer.Option(help="Folder for folds and reports; an unfinished run in it is resumed")],
    corpus: Annotated[
        Literal["iemocap", "composite"], typer.Option(help="Corpus; composite: of model.corpora.composite")
    ] = "iemocap",
    glove: Annotated[Path | None, typer.Option(help="Word vectors in GloVe's text format")] = None,
    embeddings: Annotated[
        Literal["glove", "random"], typer.Option(help="`random` learns word vectors from the corpus")
    ] = "glove",
    recipe: Annotated[Literal["paper", "literal"], typer.Option(help="Settings that the study starts from")] = "paper",
    rows: Annotated[str, typer.Option(help="Comma-separated keys of rows of the study; default: all")] = "",
    folds: Annotated[FoldsName, typer.Option(help=FOLDS_HELP)] = "10",
    classes: Annotated[Literal["7", "4"], typer.Option(help="4: angry, happy with excited, sad, neutral")] = "7",
    subset: Annotated[Literal["all", "improvised", "scripted"], typer.Option(help="Dialogues to use")] = "all",
    strict: Annotated[bool, typer.Option("--strict", help="Fail on damaged files instead of skipping them")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of all rows, e.g. network.hidden=64")
    ] = None,
    limit_folds: Annotated[int | None, typer.Option(min=1, help="Only the first N folds")] = None,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of epochs; default: the recipe's")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds in parallel, one core each")] = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Training device")] = "cpu",
    seeds: Annotated[
        str, typer.Option("--seeds", "--seed", help="Comma-separated random seeds, one training of every fold each")
    ] = "",
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
