"""Command-line options that several commands have, and values that are lists."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

Root = Annotated[Path, typer.Option(help="Folder with Session1, Session2, …")]
Out = Annotated[Path, typer.Option(help="Folder for folds and reports; an unfinished run in it is resumed")]
CorpusOption = Annotated[
    Literal["iemocap", "composite"], typer.Option(help="Corpus; composite: of model.corpora.composite")
]
Glove = Annotated[Path | None, typer.Option(help="Word vectors in GloVe's text format")]
Vectors = Annotated[Literal["glove", "random"], typer.Option(help="`random` learns word vectors from the corpus")]
Classes = Annotated[Literal["7", "4"], typer.Option(help="4: angry, happy with excited, sad, neutral")]
Dialogues = Annotated[Literal["all", "improvised", "scripted"], typer.Option(help="Dialogues to use")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on damaged files instead of skipping them")]
LimitFolds = Annotated[int | None, typer.Option(min=1, help="Only the first N folds")]
MaxEpochs = Annotated[int | None, typer.Option(min=1, help="Maximum number of epochs; default: the recipe's")]
Jobs = Annotated[int, typer.Option(min=1, help="Folds in parallel, one core each")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Training device")]
Seeds = Annotated[
    str, typer.Option("--seeds", "--seed", help="Comma-separated random seeds, one training of every fold each")
]

Number = TypeVar("Number", int, float)


def split_names(value: str) -> tuple[str, ...]:
    """Names of a comma-separated list, without spaces around them and without empty ones."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def parse_numbers(option: str, value: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers of a comma-separated list.

    Raises:
        typer.BadParameter: One of them is not a number of this kind.
    """
    try:
        return tuple(kind(part) for part in split_names(value))
    except ValueError as exc:
        example = "1,2,3" if kind is int else "0,.03,.1"
        raise typer.BadParameter(f"{value!r} is not a list of numbers such as {example}", param_hint=option) from exc
