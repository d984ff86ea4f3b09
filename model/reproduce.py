"""The paper's Tables 2, 3 and 4 with ours beside them: `python -m model.reproduce --help`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer


def main(
    root: Annotated[Path, typer.Option(help="Folder with Session1, Session2, …")],
    out: Annotated[Path, typer.Option(help="Folder for folds and reports; an unfinished run in it goes on")],
    corpus: Annotated[Literal["iemocap"], typer.Option(help="Format of the corpus")] = "iemocap",
    glove: Annotated[Path | None, typer.Option(help="Word vectors in GloVe's text format")] = None,
    embeddings: Annotated[
        Literal["glove", "random"], typer.Option(help="`random` learns words from the corpus")
    ] = "glove",
    rows: Annotated[str, typer.Option(help="Names of rows with commas between; all of the paper's if not given")] = "",
    folds: Annotated[Literal["10", "session"], typer.Option(help="Random folds, or no speaker in two parts")] = "10",
    classes: Annotated[Literal["7", "4"], typer.Option(help="4: angry, happy with excited, sad, neutral")] = "7",
    subset: Annotated[Literal["all", "improvised", "scripted"], typer.Option(help="Dialogues to keep")] = "all",
    alignment: Annotated[
        Literal["corpus", "pocketsphinx", "whisperx"],
        typer.Option(help="A recogniser: one more row, with what it hears"),
    ] = "corpus",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged files instead of skipping them")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change one, e.g. network.heads=split")] = None,
    limit_folds: Annotated[int | None, typer.Option(min=1, help="The first so many folds only")] = None,
    max_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds side by side, one core each")] = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where folds train")] = "cpu",
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random but the folds; 0 if not given")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where extracted features are kept; the user's cache folder if not given")
    ] = None,
) -> None:
    """Trains and tests every row of the paper's tables under one protocol, and writes the report."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from model.workflows.reproduce import ReproduceOptions, reproduce

    changes = list(settings or ())
    changes += [] if seed is None else [f"training.seed={seed}"]
    changes += [] if max_epochs is None else [f"training.max_epochs={max_epochs}"]
    options = ReproduceOptions(
        root=root, out=out, corpus=corpus, glove=glove, random_embeddings=embeddings == "random",
        rows=tuple(name.strip() for name in rows.split(",") if name.strip()), by_session=folds == "session",
        classes=int(classes), subset=subset, alignment=alignment, strict=strict, settings=tuple(changes),
        limit_folds=limit_folds, jobs=jobs, device=device, cache=cache,
    )  # fmt: skip
    raise typer.Exit(reproduce(options))


if __name__ == "__main__":
    typer.run(main)
