"""Render the report of a reproduction anew from its files: `python -m model.report --help`."""

from pathlib import Path
from typing import Annotated

import typer

from model.errors import TrainingError
from model.extras import TRAIN, require_extra


def main(
    run: Annotated[
        Path, typer.Argument(help="Folder of `python -m model.reproduce --out`, or of `model.study`, finished or not")
    ],
    reference: Annotated[
        str | None, typer.Option(help="Row that the others are compared with; default: that of the study")
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option(help="New folder for a copy of the report with the predictions of every fold, without weights"),
    ] = None,
) -> None:
    """Write report.md, report.html and report.json of a reproduction from its finished folds; nothing is trained."""
    require_extra("train", TRAIN)
    from model.report.publish import publish_report
    from model.report.write import write_report

    try:
        write_report(run, reference)
        if publish is not None:
            publish_report(run, publish)
    except (TrainingError, OSError) as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    typer.echo(f"wrote report.md, report.html and report.json to {run}", err=True)
    if publish is not None:
        typer.echo(f"copied them to {publish}, with plan.json, utterances.csv and the predictions", err=True)


if __name__ == "__main__":
    typer.run(main)
