"""Reproduce the paper's Tables 2, 3 and 4: `python -m model.reproduce --help`."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

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

ROWS: Final = (
    *("text", "audio", "yoon", "xu", "can", "can-equal", "can-no-stop-gradient", "can-no-align-loss"),
    *("can-no-stop-gradient-no-align-loss", "can-no-cross-attention", "yoon-mha1", "yoon-mha3", "can-encoder"),
    *("can-moonshine", "can-pocketsphinx", "can-whisperx"),
)
"""Names of `model.training.systems.SYSTEMS`, which imports torch."""


def main(
    root: Root,
    out: Out,
    corpus: CorpusOption = "iemocap",
    glove: Glove = None,
    embeddings: Vectors = "glove",
    recipe: Annotated[
        Literal["paper", "literal"],
        typer.Option(help="`literal`: nothing that the paper does not state; `paper`: with this project's choices"),
    ] = "paper",
    rows: Annotated[
        str, typer.Option(help=f"Comma-separated names of systems, of {', '.join(ROWS)}; default: all of the paper")
    ] = "",
    folds: Annotated[FoldsName, typer.Option(help=FOLDS_HELP)] = "10",
    classes: Classes = "7",
    subset: Dialogues = "all",
    alignment: Annotated[
        Literal["corpus", "moonshine", "pocketsphinx", "whisperx"],
        typer.Option(help="A recogniser adds one system that uses its words and times"),
    ] = "corpus",
    strict: Strict = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting, e.g. network.heads=split")
    ] = None,
    limit_folds: LimitFolds = None,
    max_epochs: MaxEpochs = None,
    jobs: Jobs = 1,
    device: Device = "cpu",
    seeds: Seeds = "",
    alpha_sweep: Annotated[
        str,
        typer.Option(help="Comma-separated values of α, e.g. 0,.03,.1,.3,1: each fold takes the best by validation"),
    ] = "",
    cache: Annotated[
        Path | None, typer.Option(help="Folder of extracted features; default: the user's cache folder")
    ] = None,
) -> None:
    """Train and test the systems of the paper's tables under one protocol, and write a report."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    require_extra("train", TRAIN)
    from model.workflows.reproduce import reproduce
    from model.workflows.study import StudyOptions

    changes = list(settings or ())
    changes += [] if max_epochs is None else [f"training.max_epochs={max_epochs}"]
    options = StudyOptions(
        root=root, out=out, corpus=corpus, recipe=recipe, glove=glove, random_embeddings=embeddings == "random",
        folds=folds, classes=int(classes), subset=subset, strict=strict, settings=tuple(changes),
        seeds=parse_numbers("--seeds", seeds, int), alpha_sweep=parse_numbers("--alpha-sweep", alpha_sweep, float),
        limit_folds=limit_folds, jobs=jobs, device=device, cache=cache,
    )  # fmt: skip
    raise typer.Exit(reproduce(options, split_names(rows), alignment))


if __name__ == "__main__":
    typer.run(main)
