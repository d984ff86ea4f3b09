"""Values of command-line options that are lists."""

from collections.abc import Callable
from typing import TypeVar

import typer

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
