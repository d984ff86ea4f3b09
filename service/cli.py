"""`can-ser serve` and `can-ser predict`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False)

BundleOption = Annotated[str | None, typer.Option(help="A shipped bundle's name, or a folder.  [default: starter]")]
AlignerOption = Annotated[str | None, typer.Option(help="auto, pocketsphinx or whisperx.  [default: auto]")]


@app.callback()
def describe() -> None:
    """Speech emotion recognition: a recording in, an emotion out, with the words and the reasons."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.  [default: 8000]")] = None,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Answers HTTP requests; every other setting is a CAN_* variable."""
    from service.commands import run_server

    raise typer.Exit(run_server(host=host, port=port, bundle=bundle, aligner=aligner))


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Recordings: wav, flac, ogg, mp3, m4a, mp4 or webm.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON answer per line, as over HTTP.")] = False,
    transcript: Annotated[str | None, typer.Option(help="What is said; its words are aligned.")] = None,
    words: Annotated[
        Path | None, typer.Option(help="JSON file of words with their times; nothing is recognised.")
    ] = None,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Prints the emotion of recordings. Exit status: 0, 1 when a file failed, 2 when nothing could start."""
    from service.commands import run_predict

    raise typer.Exit(
        run_predict(files, as_json=as_json, transcript=transcript, words_file=words, bundle=bundle, aligner=aligner)
    )


def main() -> None:
    """Entry point of the command `can-ser`."""
    app()


if __name__ == "__main__":
    main()
