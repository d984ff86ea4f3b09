"""`can-ser predict`: recordings in, tables, JSON lines, CSV and pictures out."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from rich.console import Console

from alignment.audio import decode_audio
from alignment.errors import AlignmentError
from model.errors import ModelError
from service.cli.console import answers, complain, complaints, with_progress
from service.cli.pictures import plan_pictures
from service.errors import ConflictingFieldsError, InvalidWordsError, ServiceError, SettingsError
from service.inference.engine import EmotionEngine
from service.inference.request import read_fields
from service.inference.result import AnalysisRequest, Speakers
from service.recordings import find_recordings
from service.results.plots import draw_answer
from service.results.schemas import PredictOut
from service.results.serialisation import present
from service.results.tables import write_csv
from service.results.terminal import render, render_brief
from service.settings import Settings, load_settings

KNOWN_ERRORS: Final = (AlignmentError, ModelError, ServiceError)


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What was asked for.

    Attributes:
        files: paths, folders, patterns.
        as_json: one JSON answer per line.
        as_csv: one row per word.
        brief: one line per recording.
        plot: a file, or for several recordings a folder.
        transcript: what is said.
        words_file: JSON, what is said and when.
        speakers: "channels" for one speaker on each channel, "diarize" to tell them apart by voice.
        bundle: name or folder.
        aligner: by name.
    """

    files: Sequence[str]
    as_json: bool = False
    as_csv: bool = False
    brief: bool = False
    plot: Path | None = None
    transcript: str | None = None
    words_file: Path | None = None
    speakers: str | None = None
    bundle: str | None = None
    aligner: str | None = None


def run_predict(options: PredictOptions) -> int:
    """Prints one answer per recording; 1 when some failed, 2 when it cannot start."""
    try:
        _refuse_two_forms(options)
        settings = load_settings({"bundle": options.bundle, "aligner": options.aligner})
        request = _read_request(options)
        paths = find_recordings(options.files)
        pictures = plan_pictures(options.plot, paths)
        engine = EmotionEngine(settings)
    except (*KNOWN_ERRORS, OSError) as exc:
        complain(exc)
        return 2
    printer = _Printer(options)
    worker = _Worker(engine, request, settings, printer)
    with _closing(engine):
        try:
            jobs = with_progress(list(zip(paths, pictures, strict=True)), "listening", printer.beside)
            results = [worker.answer(*job) for job in jobs]
        except BrokenPipeError:
            # Whoever read has read enough, as `head` does; Python must not write there once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    return 0 if all(results) else 1


@dataclass(frozen=True, slots=True)
class _Worker:
    """Answers one recording after the other."""

    engine: EmotionEngine
    request: AnalysisRequest
    settings: Settings
    printer: "_Printer"

    def answer(self, path: Path, picture: Path | None) -> bool:
        """Whether it went well; what did not is said."""
        try:
            data = path.read_bytes()
            answer = present(self.engine.analyse(data, self.request), self.engine)
            if picture is not None:
                waveform = decode_audio(data, self.settings.max_audio_s)
                title = f"{path.name}: {answer.emotion} {answer.probabilities[answer.emotion]:.2f}"
                draw_answer(answer, waveform, title).savefig(picture, dpi=150)
        except (*KNOWN_ERRORS, OSError) as exc:
            complain(exc, f"{path}: ", self.printer.beside)
            return False
        self.printer.print(path, answer)
        return True


class _Printer:
    """Writes answers as they come.

    Attributes:
        beside: draws the progress and takes complaints: the answers' own console where both are on one terminal; None
            where a bar would tear apart JSON or CSV that goes there.
    """

    def __init__(self, options: PredictOptions) -> None:
        self._options = options
        self._heading = True
        self._console = answers()
        self.beside: Console | None = complaints()
        if self._console.is_terminal:
            self.beside = None if options.as_json or options.as_csv else self._console

    def print(self, path: Path, answer: PredictOut) -> None:
        if self._options.as_json:
            # A recording that failed has no line: each says whose it is.
            body = {"file": str(path)} | answer.model_dump(mode="json", exclude_unset=True)
            sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
        elif self._options.as_csv:
            write_csv(sys.stdout, str(path), answer, heading=self._heading)
            self._heading = False
        else:
            shown = render_brief if self._options.brief else render
            self._console.print(shown(str(path), answer), soft_wrap=self._options.brief)
        sys.stdout.flush()


def _refuse_two_forms(options: PredictOptions) -> None:
    forms = {"--json": options.as_json, "--csv": options.as_csv, "--brief": options.brief}
    wanted = [name for name, value in forms.items() if value]
    if len(wanted) > 1:
        raise ConflictingFieldsError(*wanted[:2])


def _read_request(options: PredictOptions) -> AnalysisRequest:
    path = options.words_file
    if options.transcript is not None and path is not None:
        raise ConflictingFieldsError("--transcript", "--words")
    speakers = next((known for known in get_args(Speakers) if known == options.speakers), None)
    if speakers != options.speakers:
        known = " or ".join(f"`{each}`" for each in get_args(Speakers))
        raise SettingsError(f"--speakers {options.speakers} is not known; it takes {known}, or leave it out")
    try:
        # Windows' editors put a byte order mark before UTF-8.
        text = path.read_text(encoding="utf-8-sig") if path else None
    except UnicodeDecodeError as exc:
        raise InvalidWordsError(f"{path} is not UTF-8 ({exc.reason})") from exc
    return read_fields(options.transcript, text, speakers=speakers)


@contextmanager
def _closing(engine: EmotionEngine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.close()
