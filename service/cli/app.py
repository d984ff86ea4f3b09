"""The command `can-ser`: what it takes; what it does is imported when it runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False)

bundles = typer.Typer(no_args_is_help=True)
app.add_typer(bundles, name="bundle", help="Looks at weights.")

BundleArgument = Annotated[str, typer.Argument(help="A shipped bundle's name, or a folder.")]
BundleOption = Annotated[str | None, typer.Option(help="A shipped bundle's name, or a folder.  [default: starter]")]


def _aligners(incomplete: str) -> list[str]:
    """What the shell proposes."""
    return [name for name in ("auto", "pocketsphinx", "whisperx") if name.startswith(incomplete)]


AlignerOption = Annotated[
    str | None,
    typer.Option(help="auto, pocketsphinx or whisperx.  [default: auto]", autocompletion=_aligners),
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"can-ser {version('can-ser')}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Speech emotion recognition: a recording in, an emotion out, with the words and the reasons."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.  [default: 8000]")] = None,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Answers HTTP requests; every other setting is a CAN_* variable."""
    # Matrices of features are too small to share out: threads of BLAS would only take the cores from other requests.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from service.cli.serve import run_server

    raise typer.Exit(run_server(host=host, port=port, bundle=bundle, aligner=aligner))


@app.command()
def predict(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders, or patterns such as 'clips/**/*.wav'.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON answer per line, as over HTTP, with the file's name.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One row per word, for spreadsheets and pandas.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One line per recording.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture of waveform, words, attention and emotion over time; a folder for several files."),
    ] = None,
    transcript: Annotated[str | None, typer.Option(help="What is said; its words are aligned.")] = None,
    words: Annotated[
        Path | None, typer.Option(help="JSON file of words with their times; nothing is recognised.")
    ] = None,
    speakers: Annotated[
        str | None, typer.Option(help="channels: each channel is a speaker; diarize: told apart by voice.")
    ] = None,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Prints the emotion of recordings. Exit status: 0, 1 when a file failed, 2 when nothing could start."""
    from service.cli.predict import PredictOptions, run_predict

    options = PredictOptions(recordings, as_json, as_csv, brief, plot, transcript, words, speakers, bundle, aligner)
    raise typer.Exit(run_predict(options))


@app.command()
def bulk(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Folders, files, patterns, or s3://, gs://, ... addresses.")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to make; its .parts are gone on with.")],
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Ray cluster: auto or HOST:PORT; local starts one for this run.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at most.  [default: one per core]")] = None,
    gpus: Annotated[float, typer.Option(min=0.0, help="Attribution of a GPU that each process takes.")] = 0.0,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Answers archives of recordings into one table, on one machine or many; run again, it goes on where it stopped.

    Exit status: 0; 1 when the table is complete and some recordings have a problem in it; 2 when nothing could start;
    130 when it was interrupted.
    """
    from service.cli.bulk import BulkOptions, run_bulk

    raise typer.Exit(run_bulk(BulkOptions(sources, out, address, workers, gpus, bundle, aligner)))


@bundles.command()
def show(
    name: BundleArgument = "starter",
    as_json: Annotated[bool, typer.Option("--json", help="Configuration and figures as JSON.")] = False,
) -> None:
    """Says what weights are, how good, and under which licence. Exit status: 0, 1 when they cannot be read."""
    from service.cli.bundle import run_bundle_show

    raise typer.Exit(run_bundle_show(name, as_json=as_json))


@bundles.command()
def verify(name: BundleArgument = "starter") -> None:
    """Checks every file and has the network answer once. Exit status: 0, 1 when something is wrong."""
    from service.cli.bundle import run_bundle_verify

    raise typer.Exit(run_bundle_verify(name))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False) -> None:
    """Says what is installed, what would run, what is missing. Exit status: 0, 1 when the service could not run."""
    from service.cli.bundle import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


@app.command()
def fetch(
    model: Annotated[str | None, typer.Option(help="Whisper: a name or OWNER/NAME.  [default: small.en]")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="ISO 639-1 code; may be given more than once.  [default: en]")
    ] = None,
    align_model: Annotated[str | None, typer.Option(help="OWNER/NAME, in place of the language's own.")] = None,
    weights: Annotated[str | None, typer.Option(help="Folder to fill.  [default: the user's cache]")] = None,
    diarize: Annotated[
        bool,
        typer.Option("--diarize", help="Also what tells speakers apart: gated, HF_TOKEN must hold a token."),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch also what is there.")] = False,
    optional: Annotated[bool, typer.Option("--optional", help="Exit with 0 even when fetching fails.")] = False,
) -> None:
    """Brings WhisperX's weights to this machine, checked; nothing else ever downloads. CAN_* variables count."""
    from service.cli.fetch import run_fetch

    raise typer.Exit(
        run_fetch(
            model=model,
            languages=language or (),
            align_model=align_model,
            weights=weights,
            diarize=diarize,
            again=again,
            optional=optional,
        )
    )


@app.command()
def key() -> None:
    """Makes an API key: the key for the client, and its digest for CAN_API_KEYS."""
    from service.http.middleware.keys import make_key

    made, digest = make_key()
    typer.echo(f"key     {made}\ndigest  {digest}")


def main() -> None:
    """Entry point of the command `can-ser`."""
    app()


if __name__ == "__main__":
    main()
