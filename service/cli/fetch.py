"""`can-ser fetch`: download of the weights of WhisperX."""

from collections.abc import Sequence

from rich.console import Console

from alignment.aligners.weights.fetch import Sources, fetch_weights
from alignment.errors import AlignerError, AlignerUnavailableError
from service.cli.console import error_console, print_error
from service.cli.progress import track_downloads
from service.errors import SettingsError
from service.settings import load_settings


def run_fetch(
    *,
    model: str | None = None,
    languages: Sequence[str] = (),
    align_model: str | None = None,
    weights: str | None = None,
    diarize: bool = False,
    again: bool = False,
    optional: bool = False,
    sources: Sources | None = None,
    console: Console | None = None,
) -> int:
    """Download the weights that the settings and these options name; return 1 on failure, 2 when it cannot start.

    Args:
        model: Name of the Whisper model.
        languages: ISO 639-1 codes; empty for the language of the settings.
        align_model: Alignment model of the default language.
        weights: Folder of the weights.
        diarize: Also download the diarization models.
        again: Download files that exist, too.
        optional: Return 0 and print a warning on failure.
        sources: None for the default hosts.
        console: Console for progress and errors.
    """
    console = console or error_console()
    given = {"model": model, "align_model": align_model, "weights": weights}
    if len(languages) == 1:
        given["language"] = languages[0]
    try:
        settings = load_settings()
        group = settings.whisperx.model_dump() | {name: value for name, value in given.items() if value is not None}
        config = load_settings({"whisperx": group}).whisperx.config()
    except SettingsError as exc:
        print_error(exc, console=console)
        return 2
    try:
        with track_downloads(console) as report:
            languages = languages or [config.usual_language]
            fetched = fetch_weights(config, languages, report, sources, diarize=diarize, again=again)
    except (AlignerError, OSError) as exc:
        console.print(str(exc), style="yellow" if optional else "red", markup=False, soft_wrap=True)
        status = 2 if isinstance(exc, AlignerUnavailableError) else 1
        return 0 if optional else status
    summary = ", ".join(fetched) or "all files exist"
    console.print(f"{config.folder}: {summary}", markup=False, soft_wrap=True)
    return 0
