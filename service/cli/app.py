"""The command `can-ser`: its options; each command imports its implementation when it runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False)

bundles = typer.Typer(no_args_is_help=True)
app.add_typer(bundles, name="bundle", help="Inspect weights.")

_EXPORTS = "Exports"
_EACH = "a file; a folder for several recordings."
BundleArgument = Annotated[str, typer.Argument(help="A shipped bundle's name, or a folder.")]
BundleOption = Annotated[str | None, typer.Option(help="A shipped bundle's name, or a folder.  [default: starter]")]
BundlesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle",
        help="A shipped bundle's name, or a folder; several by repetition, the default first.  [default: starter]",
    ),
]


def _aligners(incomplete: str) -> list[str]:
    """Completions of the shell."""
    return [name for name in ("auto", "moonshine", "pocketsphinx", "whisperx") if name.startswith(incomplete)]


AlignerOption = Annotated[
    str | None,
    typer.Option(help="auto, moonshine, pocketsphinx or whisperx.  [default: auto]", autocompletion=_aligners),
]


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"can-ser {version('can-ser')}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Speech emotion recognition: emotions of recordings, with their words and contributions."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.  [default: 8000]")] = None,
    bundle: BundlesOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Serve HTTP requests; all other settings are CAN_* variables."""
    # Feature matrices are too small for BLAS threads, which would only compete with other requests.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from service.cli.serve import run_server

    raise typer.Exit(run_server(host=host, port=port, bundles=bundle or (), aligner=aligner))


@app.command()
def predict(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders, or patterns such as 'clips/**/*.wav'.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON response per line, as over HTTP, with the name of the file.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One row per word, for spreadsheets and pandas.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One line per recording.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Plot of waveform, words, attention and emotion over time; a folder for several files."),
    ] = None,
    srt: Annotated[Path | None, typer.Option(help=f"SubRip subtitles: {_EACH}", rich_help_panel=_EXPORTS)] = None,
    vtt: Annotated[Path | None, typer.Option(help=f"WebVTT subtitles: {_EACH}", rich_help_panel=_EXPORTS)] = None,
    subtitle_emotions: Annotated[
        str | None,
        typer.Option(
            help="prefix: subtitles begin with the emotion, as in \\[angry]; class: WebVTT has it as <c.angry>.",
            rich_help_panel=_EXPORTS,
        ),
    ] = None,
    textgrid: Annotated[Path | None, typer.Option(help=f"Praat TextGrid: {_EACH}", rich_help_panel=_EXPORTS)] = None,
    rttm: Annotated[
        Path | None, typer.Option(help=f"RTTM, a line per utterance: {_EACH}", rich_help_panel=_EXPORTS)
    ] = None,
    utterances_csv: Annotated[
        Path | None, typer.Option(help="CSV file of all recordings, one row per utterance.", rich_help_panel=_EXPORTS)
    ] = None,
    words_csv: Annotated[
        Path | None, typer.Option(help="CSV file of all recordings, one row per word.", rich_help_panel=_EXPORTS)
    ] = None,
    xlsx: Annotated[
        Path | None, typer.Option(help="Workbook of all recordings: utterances and words.", rich_help_panel=_EXPORTS)
    ] = None,
    transcript: Annotated[str | None, typer.Option(help="Transcript; its words are aligned.")] = None,
    words: Annotated[
        Path | None, typer.Option(help="JSON file of words with their times; nothing is recognised.")
    ] = None,
    speakers: Annotated[
        str | None, typer.Option(help="channels: one speaker per channel; diarize: separated by voice.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            help="occlusion: also the effect of leaving out each word (slow); full: contributions to every emotion; "
            "false: no words.  [default: true]"
        ),
    ] = None,
    bundle: BundlesOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Print the emotions of recordings, and write them to files.

    Exit status: 0; 1 when a file failed; 2 when the command could not start or the results not be written.
    """
    from can_ser_client.fields import ExportFormat
    from service.cli.predict import Format, PredictOptions, run_predict

    requested: dict[Format, bool] = {"json": as_json, "csv": as_csv, "brief": brief}
    formats = [name for name, value in requested.items() if value]
    fields = {"transcript": transcript, "speakers": speakers, "explain": explain}
    targets: dict[ExportFormat, Path | None] = {
        "srt": srt,
        "vtt": vtt,
        "textgrid": textgrid,
        "rttm": rttm,
        "utterances-csv": utterances_csv,
        "words-csv": words_csv,
        "xlsx": xlsx,
    }
    exports = {name: target for name, target in targets.items() if target}
    options = PredictOptions(
        recordings, fields, words, formats, plot, exports, subtitle_emotions, bundle or (), aligner
    )
    raise typer.Exit(run_predict(options))


@app.command()
def bulk(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Folders, files, patterns, or s3://, gs://, ... addresses.")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write; a run resumes from its .parts folder.")],
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Ray cluster: auto or HOST:PORT; local starts one for this run.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of processes.  [default: one per core]")
    ] = None,
    gpus: Annotated[float, typer.Option(min=0.0, help="Share of a GPU for each process.")] = 0.0,
    bundle: BundleOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Analyse archives of recordings into one table, on one machine or many; a further run resumes.

    Exit status: 0; 1 when the table is complete and some recordings have a problem; 2 when the command could not start
    or the table not be written; 130 when it was interrupted.
    """
    from service.cli.bulk import BulkOptions, run_bulk

    raise typer.Exit(run_bulk(BulkOptions(sources, out, address, workers, gpus, bundle, aligner)))


@app.command()
def mcp(
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder whose recordings may be read; may be given more than once.  [default: the current one]"
        ),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve http://127.0.0.1:PORT/mcp in place of standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of --http.")] = 8765,
    url: Annotated[
        str | None, typer.Option(help="Running service that analyses the recordings; no models are loaded here.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="CANSER_KEY", help="API key of --url.", show_envvar=True)] = None,
    bundle: BundlesOption = None,
    aligner: AlignerOption = None,
) -> None:
    """Serve tools for agents (Model Context Protocol): analyse and explain the recordings that a user names.

    Exit status: 0; 2 when the command could not start.
    """
    from service.cli.mcp import AgentOptions, run_agent_server

    raise typer.Exit(run_agent_server(AgentOptions(folder or (), http, port, url, key, bundle or (), aligner)))


@bundles.command()
def show(
    name: BundleArgument = "starter",
    as_json: Annotated[bool, typer.Option("--json", help="Configuration and metrics as JSON.")] = False,
) -> None:
    """Show weights: configuration, metrics, licence.

    Exit status: 0; 1 when they cannot be read; 2 when a CAN_* variable is wrong.
    """
    from service.cli.bundle import run_bundle_show

    raise typer.Exit(run_bundle_show(name, as_json=as_json))


@bundles.command()
def verify(name: BundleArgument = "starter") -> None:
    """Verify every checksum and run the network once.

    Exit status: 0; 1 on a fault; 2 when a CAN_* variable is wrong.
    """
    from service.cli.bundle import run_bundle_verify

    raise typer.Exit(run_bundle_verify(name))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the installation and the configuration.

    Exit status: 0; 1 when the service could not run; 2 when a CAN_* variable is wrong.
    """
    from service.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=as_json))


@app.command()
def fetch(
    model: Annotated[str | None, typer.Option(help="Whisper model: a name or OWNER/NAME.  [default: small.en]")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="ISO 639-1 code; may be given more than once.  [default: en]")
    ] = None,
    align_model: Annotated[
        str | None, typer.Option(help="Alignment model OWNER/NAME, in place of the default of the language.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Folder of the weights.  [default: the cache folder of the user]")
    ] = None,
    diarize: Annotated[
        bool, typer.Option("--diarize", help="Also the diarization models; they are gated, HF_TOKEN must hold a token.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Download existing files again.")] = False,
    optional: Annotated[bool, typer.Option("--optional", help="Exit with 0 even when the download fails.")] = False,
) -> None:
    """Download and verify the weights of WhisperX; no other command downloads. CAN_* variables apply."""
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
def key(
    callback: Annotated[
        bool, typer.Option("--callback", help="Create a secret for CAN_JOBS__CALLBACK_SECRET instead.")
    ] = False,
) -> None:
    """Create an API key: the key for the client, and the line with its digest for the service."""
    from service.cli.key import run_callback_key, run_key

    raise typer.Exit(run_callback_key() if callback else run_key())


def main() -> None:
    """Entry point of the command `can-ser`."""
    from service.cli.console import accept_any_text, writing_output

    accept_any_text()
    with writing_output():
        app()


if __name__ == "__main__":
    main()
