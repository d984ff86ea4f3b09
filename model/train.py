"""Retrain the network and rebuild the served weights: `python -m model.train --help`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer


def main(
    root: Annotated[Path, typer.Option(help="Folder with Session1, Session2, …")],
    out: Annotated[Path, typer.Option(help="Bundle to write; its folder's name is the bundle's name")],
    corpus: Annotated[Literal["iemocap"], typer.Option(help="Format of the corpus")] = "iemocap",
    glove: Annotated[Path | None, typer.Option(help="Word vectors in GloVe's text format")] = None,
    embeddings: Annotated[
        Literal["glove", "random"], typer.Option(help="`random` learns words from the corpus")
    ] = "glove",
    recipe: Annotated[str, typer.Option(help="Settings to start from: paper or starter")] = "paper",
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change one, e.g. network.dropout=0.2")] = None,
    folds: Annotated[Literal["10", "session"], typer.Option(help="Random folds, or no speaker in two parts")] = "10",
    fold: Annotated[
        int | None, typer.Option(min=0, help="Train and test this fold alone, and write its bundle")
    ] = None,
    skip_cv: Annotated[bool, typer.Option("--skip-cv", help="Train the weights to serve only")] = False,
    fold_bundles: Annotated[bool, typer.Option("--fold-bundles", help="Keep a bundle of every fold")] = False,
    runs: Annotated[Path, typer.Option(help="Where finished folds are kept")] = Path("runs"),
    cache: Annotated[
        Path | None, typer.Option(help="Where extracted features are kept; the user's cache folder if not given")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds side by side, one core each")] = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where folds train")] = "cpu",
    max_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random but the folds; 0 if not given")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged files instead of skipping them")] = False,
    trained_on: Annotated[
        str | None, typer.Option(help="The corpus in words, for the model card; known for IEMOCAP")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX identifier for the weights; known for IEMOCAP")] = None,
    vectors: Annotated[str, typer.Option(help="The word vectors in words, for the model card")] = "",
    notes: Annotated[list[str] | None, typer.Option("--note", help="A sentence for the model card")] = None,
) -> None:
    """Cross-validates the Cross Attention Network, then trains and exports the weights to serve."""
    # The exporter warns of types that it need not know, in C++; what it gets wrong the parity check finds.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from model.workflows.train import TrainOptions, train

    changes = list(settings or ())
    changes += [] if seed is None else [f"training.seed={seed}"]
    changes += [] if max_epochs is None else [f"training.max_epochs={max_epochs}"]
    options = TrainOptions(
        root=root, out=out, corpus=corpus, glove=glove, random_embeddings=embeddings == "random", recipe=recipe,
        settings=tuple(changes), by_session=folds == "session", fold=fold, skip_cv=skip_cv,
        fold_bundles=fold_bundles, runs=runs, cache=cache, jobs=jobs, device=device, strict=strict,
        trained_on=trained_on, licence=licence, vectors=vectors, notes=tuple(notes or ()),
    )  # fmt: skip
    raise typer.Exit(train(options))


if __name__ == "__main__":
    typer.run(main)
