"""`can-ser predict`: tables, JSON lines, CSV, plots and exports of recordings."""

import csv
import mimetypes
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TextIO, get_args

from rich.console import Console

from alignment.audio import Waveform, decode_audio
from alignment.errors import CanSerError
from alignment.printable import printable
from can_ser_client.fields import ExportFormat
from can_ser_client.schemas import COLUMNS, PredictOut
from service.cli.console import (
    discard_output,
    error_console,
    json_line,
    output_console,
    print_error,
    print_left_out,
    print_warnings,
)
from service.cli.exports import Exporter, output_file, plan_exports
from service.cli.progress import track
from service.errors import ConflictingFieldsError, InvalidWordsError, OutputNameError, SettingsError
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest, Explain, Speakers
from service.results.plots import draw_response, require_matplotlib, summarise
from service.results.serialisation import to_response
from service.results.terminal import render, render_brief
from service.settings import Settings, load_settings, name_bundles
from service.sources import find_recordings, read_special

_MAX_WORDS_BYTES: Final = 16_000_000
# A moving image of one frame, and formats that only other programs of matplotlib read.
_NOT_DRAWN: Final = frozenset({"gif", "raw", "rgba", "pgf"})
Format = Literal["table", "json", "csv", "brief"]


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Options of the command.

    Attributes:
        files: Paths, folders and patterns.
        fields: Fields of the request: transcript, speakers, explain.
        words_file: JSON file with words and their times.
        formats: Requested output formats, at most one; none for a table.
        plot: File of the plot, or folder for several recordings.
        exports: File or folder by format; see `service.cli.exports.plan_exports`.
        subtitle_emotions: How subtitles show emotions.
        bundles: Names or folders; all of them score each recording.
        aligner: Name.
    """

    files: Sequence[str]
    fields: dict[str, str | None] = field(default_factory=dict)
    words_file: Path | None = None
    formats: Sequence[Format] = ()
    plot: Path | None = None
    exports: Mapping[ExportFormat, Path] = field(default_factory=dict)
    subtitle_emotions: str | None = None
    bundles: Sequence[str] = ()
    aligner: str | None = None


def run_predict(options: PredictOptions) -> int:
    """Print the result of each recording; return 1 when some failed, 2 when the command cannot start or write."""
    try:
        if len(options.formats) > 1:
            raise ConflictingFieldsError(*(f"--{name}" for name in options.formats[:2]))
        _refuse_output_names(options)
        settings = load_settings({"aligner": options.aligner, **name_bundles(options.bundles)})
        request = read_request(options)
        paths = find_recordings(options.files, print_left_out)
        plots = plan_plots(options.plot, paths)
        inputs = [options.words_file] if options.words_file else []
        exporter = plan_exports(options.exports, options.subtitle_emotions, paths, inputs)
        engine = EmotionEngine(settings)
        if len(options.bundles) > 1:
            request = request.model_copy(update={"bundle": ",".join(engine.by_bundle)})
    except (CanSerError, OSError) as exc:
        print_error(exc)
        return 2
    printer = _Printer(options.formats[0] if options.formats else "table")
    predictor = _Predictor(engine, request, settings, printer, exporter)
    with closing(engine):
        try:
            pairs = track(list(zip(paths, plots, strict=True)), "analysing", printer.error_console)
            succeeded = [predictor.predict(number, *pair) for number, pair in enumerate(pairs)]
            exporter.finish()
        except BrokenPipeError:
            # The reader has closed the pipe, as `head` does.
            discard_output()
            return 0
        except OSError as exc:
            print_error(exc, "the results cannot be written: ")
            discard_output()
            return 2
    return 0 if all(succeeded) else 1


def _refuse_output_names(options: PredictOptions) -> None:
    """Refuse `--csv out.csv`: the option takes no file, so that the name would be that of a recording.

    Raises:
        OutputNameError: A file of that format is named and does not exist.
    """
    for name in options.files:
        for chosen in options.formats:
            if name.lower().endswith(f".{chosen}") and not os.path.lexists(name):
                raise OutputNameError(name, f"--{chosen}")


@dataclass(frozen=True, slots=True)
class _Predictor:
    """Analyses one recording after the other."""

    engine: EmotionEngine
    request: AnalysisRequest
    settings: Settings
    printer: "_Printer"
    exporter: Exporter

    def predict(self, number: int, path: Path, plot: Path | None) -> bool:
        """Print and export the result of a recording, or print its error; return whether it succeeded.

        Raises:
            OSError: An output cannot be written.
        """
        try:
            data = read_special(path)
            response = to_response(self.engine.analyse(data, self.request), self.engine, self.request.explain)
            waveform = None if plot is None else decode_audio(data, self.settings.max_audio_s)
        except (CanSerError, OSError, MemoryError) as exc:
            print_error(exc, f"{path}: ", self.printer.error_console)
            return False
        try:
            if plot is not None and waveform is not None:
                save_plot(plot, response, waveform, printable(path.name))
            self.exporter.add(number, printable(str(path)), response)
        except (CanSerError, MemoryError) as exc:
            print_error(exc, f"{path}: ", self.printer.error_console)
            return False
        self.printer.print(path, response)
        return True


class _Printer:
    """Prints results as they arrive.

    Attributes:
        error_console: Console of the progress bar and of errors: that of the results where both use one terminal; None
            where a bar would break JSON or CSV on the terminal.
    """

    def __init__(self, output: Format) -> None:
        self._output = output
        self._needs_header = True
        self._console = output_console()
        self.error_console: Console | None = error_console()
        if self._console.is_terminal:
            self.error_console = None if output in ("json", "csv") else self._console

    def print(self, path: Path, response: PredictOut) -> None:
        """Print the result of one recording."""
        if self._output == "json":
            # A failed recording has no line: each line names its file.
            line = {"file": str(path)} | response.model_dump(mode="json", exclude_unset=True)
            sys.stdout.write(json_line(line))
        elif self._output == "csv":
            write_csv(sys.stdout, printable(str(path)), response, header=self._needs_header)
            self._needs_header = False
        else:
            brief = self._output == "brief"
            self._console.print((render_brief if brief else render)(printable(str(path)), response), soft_wrap=brief)
        sys.stdout.flush()
        if self._output in ("csv", "brief"):
            print_warnings(response.warnings, f"{path}: warning: ", self.error_console)


def save_plot(plot: Path, response: PredictOut, waveform: Waveform, name: str) -> None:
    """Draw a response and write the image, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    figure = draw_response(response, waveform, f"{name}: {summarise(response)}")
    with output_file(plot) as part:
        figure.savefig(part, dpi=150, format=plot.suffix[1:].lower())


def write_csv(stream: TextIO, name: str, response: PredictOut, *, header: bool) -> None:
    """Write the word rows of a response, after a header row where `header` is true.

    On a terminal, control characters of words are escaped; files and pipes get the words as they were given.
    """
    on_terminal = stream.isatty()
    writer = csv.DictWriter(stream, [*COLUMNS, *(f"p_{label}" for label in response.probabilities)])
    if header:
        writer.writeheader()
    for row in response.word_rows(name):
        cells = row | {name: str(row[name]).lower() for name in ("uncertain", "known")}
        if on_terminal:
            cells = {key: printable(cell) if isinstance(cell, str) else cell for key, cell in cells.items()}
        writer.writerow(cells)


def read_request(options: PredictOptions) -> AnalysisRequest:
    """The request of the options.

    Raises:
        SettingsError: `--speakers` or `--explain` is unknown.
        ConflictingFieldsError: Two options exclude each other; a plot and CSV of words need words.
        InvalidWordsError, MalformedFormError: The file of words cannot be used.
        OSError: It cannot be read.
    """
    for name, known in (("speakers", get_args(Speakers)), ("explain", get_args(Explain))):
        value = options.fields.get(name)
        if value is not None and value not in known:
            choices = " or ".join(f"`{each}`" for each in known)
            raise SettingsError(f"--{name} {value} is unknown; use {choices}, or omit it")
    given = {"--plot": options.plot, "--csv": "csv" in options.formats, "--words-csv": "words-csv" in options.exports}
    needs_words = next((option for option, value in given.items() if value), None)
    if needs_words and options.fields.get("explain") == "false":
        raise ConflictingFieldsError(needs_words, "--explain false")
    fields: dict[str, Any] = {**options.fields, "words": options.words_file and _read_text(options.words_file)}
    try:
        return AnalysisRequest(**fields)
    except ConflictingFieldsError as exc:
        raise ConflictingFieldsError(f"--{exc.first}", f"--{exc.second}") from exc


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_WORDS_BYTES + 1)
    if len(data) > _MAX_WORDS_BYTES:
        raise InvalidWordsError(f"{path} is larger than {_MAX_WORDS_BYTES:,} bytes")
    try:
        # Editors on Windows write a byte order mark before UTF-8.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidWordsError(f"{path} is not UTF-8 ({exc.reason})") from exc


def plan_plots(plot: Path | None, recordings: Sequence[Path]) -> list[Path | None]:
    """The plot of each recording: the named file, or files named after the recordings in the named folder.

    Args:
        plot: None for no plots; a file for one recording, a folder for one or more. Missing folders are created.
        recordings: Recordings, in order.

    Raises:
        MissingPackageError: matplotlib is not installed.
        SettingsError: A file is named for several recordings, or its suffix is not an image format.
        OSError: A folder cannot be created.
    """
    if plot is None:
        return [None] * len(recordings)
    require_matplotlib()
    if len(recordings) == 1 and not plot.is_dir():
        if plot.suffix and plot.suffix[1:].lower() not in _image_formats():
            raise SettingsError(f"--plot {plot}: use one of the suffixes {', '.join(sorted(_image_formats()))}")
        plot.parent.mkdir(parents=True, exist_ok=True)
        return [plot if plot.suffix else plot.with_name(f"{plot.name}.png")]
    if _names_image(plot) and not plot.is_dir():
        raise SettingsError(f"--plot {plot}: the plots of {len(recordings)} recordings need a folder, not a file")
    plot.mkdir(parents=True, exist_ok=True)
    return [plot / f"{number:03d}-{path.stem}.png" for number, path in enumerate(recordings, start=1)]


def _names_image(path: Path) -> bool:
    """Whether the suffix is that of an image, drawn here or not."""
    kind, _ = mimetypes.guess_type(path.name)
    return path.suffix[1:].lower() in _image_formats() or (kind or "").startswith("image/")


def _image_formats() -> frozenset[str]:
    from matplotlib.backend_bases import FigureCanvasBase

    return frozenset(FigureCanvasBase.get_supported_filetypes()) - _NOT_DRAWN
