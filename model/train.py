"""Retrain the network and rebuild the served weights: `python -m model.train --help`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from model.config import FOLDS_HELP
from model.extras import TRAIN, require_extra
from model.options import Device, Glove, Jobs, LimitFolds, MaxEpochs, Strict, Vectors


def main(
    out: Annotated[Path, typer.Option(help="Bundle to write; the name of the folder is the name of the bundle")],
    root: Annotated[
        Path | None, typer.Option(help="Folder with Session1, Session2, …, of iemocap and composite")
    ] = None,
    corpus: Annotated[
        Literal["iemocap", "composite", "table"],
        typer.Option(help="Corpus; composite: of model.corpora.composite; table: recordings and labels of a CSV file"),
    ] = "iemocap",
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns file, label and, where known, speaker, session, text, words, split"
        ),
    ] = None,
    aligner: Annotated[
        Literal["auto", "moonshine", "pocketsphinx", "whisperx"],
        typer.Option(help="Aligner of the recordings of a table that have no words with times, as for can-ser serve"),
    ] = "auto",
    language: Annotated[
        str | None, typer.Option(help="Language of these recordings, e.g. de; default: the aligner's")
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Bundle to begin with (fine-tuning): starter, starter-mfcc or a folder")
    ] = None,
    glove: Glove = None,
    embeddings: Vectors = "glove",
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Initial settings: paper, literal, starter or starter-mfcc; default: paper, or those for --init"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting, e.g. network.dropout=0.2")
    ] = None,
    folds: Annotated[
        Literal["auto", "10", "session", "loso", "loso-next", "speaker", "split"],
        typer.Option(
            help=f"{FOLDS_HELP}. Of a table, session, speaker and split are by its columns. auto: 10, of a table by "
            "split, else by speaker and session, as far as it has them"
        ),
    ] = "auto",
    classes: Annotated[
        Literal["9", "7", "4"],
        typer.Option(help="4: angry, happy with excited, sad, neutral; 9: also fearful and disgusted of IEMOCAP"),
    ] = "7",
    limit_folds: LimitFolds = None,
    fold: Annotated[int | None, typer.Option(min=0, help="Train and test only this fold, and write its bundle")] = None,
    skip_cv: Annotated[bool, typer.Option("--skip-cv", help="Train only the weights to serve")] = False,
    fold_bundles: Annotated[bool, typer.Option("--fold-bundles", help="Write a bundle of every fold")] = False,
    runs: Annotated[Path, typer.Option(help="Folder of finished folds")] = Path("runs"),
    cache: Annotated[
        Path | None, typer.Option(help="Folder of extracted features; default: the user's cache folder")
    ] = None,
    jobs: Jobs = 1,
    device: Device = "cpu",
    max_epochs: MaxEpochs = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed of everything except the folds; default: 0")
    ] = None,
    strict: Strict = False,
    trained_on: Annotated[
        str | None, typer.Option(help="Description of the corpus for the model card; known for IEMOCAP")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX identifier of the weights' licence; known for IEMOCAP")
    ] = None,
    vectors: Annotated[str, typer.Option(help="Description of the word vectors for the model card")] = "",
    notes: Annotated[list[str] | None, typer.Option("--note", help="A sentence for the model card")] = None,
) -> None:
    """Cross-validate the Cross Attention Network, then train and export the weights to serve."""
    # The exporter's C++ warnings about unknown types are noise: the parity check compares the results.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    require_extra("train", TRAIN)
    from model.workflows.sources import SourceOptions
    from model.workflows.train import TrainOptions, train

    changes = list(settings or ())
    changes += [] if seed is None else [f"training.seed={seed}"]
    changes += [] if max_epochs is None else [f"training.max_epochs={max_epochs}"]
    source = SourceOptions(
        corpus=corpus, root=root, table=table, aligner=aligner, language=language, folds=folds, classes=int(classes),
        limit_folds=limit_folds, skip_cv=skip_cv, strict=strict, cache=cache, jobs=jobs, trained_on=trained_on,
        licence=licence,
    )  # fmt: skip
    options = TrainOptions(
        source=source, out=out, init=init, glove=glove, random_embeddings=embeddings == "random", recipe=recipe,
        settings=tuple(changes), fold=fold, fold_bundles=fold_bundles, runs=runs, device=device, vectors=vectors,
        notes=tuple(notes or ()),
    )  # fmt: skip
    raise typer.Exit(train(options))


if __name__ == "__main__":
    typer.run(main)
