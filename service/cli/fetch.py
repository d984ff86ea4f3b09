"""`can-ser fetch`: weights for WhisperX, with progress for people and for logs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from alignment.aligners.weights.download import Report
from alignment.aligners.weights.fetch import Sources, fetch_weights
from alignment.errors import AlignerError
from service.errors import SettingsError
from service.settings import load_settings

_LINE_EVERY_S = 5.0
_MEGABYTE = 1_000_000


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
    """Fetches what the settings and these options name; 0, or 1 where that fails, 2 where it makes no sense.

    Args:
        model: Whisper's name.
        languages: ISO 639-1 codes; none for the one of the settings.
        align_model: for the usual language.
        weights: the folder to fill.
        diarize: also what tells speakers apart.
        again: fetch also what is there.
        optional: 0 even where fetching fails, which is said.
        sources: None for the usual ones.
        console: for progress and for what went wrong.
    """
    console = console or Console(stderr=True, highlight=False)
    given = {"model": model, "align_model": align_model, "weights": weights}
    if len(languages) == 1:
        given["language"] = languages[0]
    try:
        settings = load_settings()
        group = settings.whisperx.model_dump() | {name: value for name, value in given.items() if value is not None}
        config = load_settings({"whisperx": group}).whisperx.config()
    except SettingsError as exc:
        console.print(str(exc), style="red", markup=False, soft_wrap=True)
        return 2
    try:
        with _progress(console) as report:
            languages = languages or [config.usual_language]
            fetched = fetch_weights(config, languages, report, sources, diarize=diarize, again=again)
    except (AlignerError, OSError) as exc:
        console.print(str(exc), style="yellow" if optional else "red", markup=False, soft_wrap=True)
        return 0 if optional else 1
    what = ", ".join(fetched) or "nothing was missing"
    console.print(f"{config.folder}: {what}", markup=False, soft_wrap=True)
    return 0


@contextmanager
def _progress(console: Console) -> Iterator[Report]:
    """A bar per file on a terminal; a line every few seconds in a log."""
    if not console.is_terminal:
        yield _Lines(console).report
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, there_bytes: int, total_bytes: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=there_bytes, total=total_bytes)

        yield report


class _Lines:
    """At a file's begin and end, and every few seconds between."""

    def __init__(self, console: Console) -> None:
        self._console, self._name, self._told_at = console, "", 0.0

    def report(self, name: str, there_bytes: int, total_bytes: int | None) -> None:
        """See `Report`."""
        if name == self._name and there_bytes != total_bytes and monotonic() - self._told_at < _LINE_EVERY_S:
            return
        self._name, self._told_at = name, monotonic()
        total = f" of {total_bytes / _MEGABYTE:,.1f}" if total_bytes else ""
        self._console.print(f"{name}: {there_bytes / _MEGABYTE:,.1f}{total} MB", markup=False, soft_wrap=True)
