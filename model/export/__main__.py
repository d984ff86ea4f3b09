"""Render the model card of a bundle anew: `python -m model.export --help`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from model.atomic import atomic_folder
from model.bundle import CARD, read_bundle, read_metrics
from model.bundle_files import write_sums
from model.errors import ModelError
from model.export.card import render_card


def main(bundle: Annotated[Path, typer.Argument(help="Folder of the bundle")]) -> None:
    """Write MODEL_CARD.md from config.json and metrics.json, and SHA256SUMS: another version of the same network."""
    try:
        stored = read_bundle(bundle)
        card = render_card(stored.config, read_metrics(stored))
        with atomic_folder(bundle) as folder:
            shutil.copytree(bundle, folder, dirs_exist_ok=True)
            (folder / CARD).write_text(card, encoding="utf-8")
            write_sums(folder)
        version = read_bundle(bundle).version
    except (ModelError, OSError) as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    typer.echo(f"{bundle}: version {stored.version} is now {version}")


if __name__ == "__main__":
    typer.run(main)
