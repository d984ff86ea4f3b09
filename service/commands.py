"""What the commands do; imported when one runs, so that `--help` is quick."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from rich.console import Console

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.app import create_app
from service.engine import AnalysisRequest, EmotionEngine
from service.errors import ConflictingFieldsError, InvalidWordsError, ServiceError
from service.fields import read_fields
from service.presentation import present
from service.settings import load_settings
from service.terminal import render

KNOWN_ERRORS = (AlignmentError, ModelError, ServiceError)
errors = Console(stderr=True, highlight=False)


def run_server(*, host: str | None, port: int | None, bundle: str | None, aligner: str | None) -> int:
    """Serves until stopped by SIGINT or SIGTERM, then 0; 2 when it cannot start or its models cannot be used."""
    try:
        settings = load_settings({"host": host, "port": port, "bundle": bundle, "aligner": aligner})
        application = create_app(settings)
    except KNOWN_ERRORS as exc:
        _complain(exc)
        return 2
    server = uvicorn.Server(
        uvicorn.Config(application, settings.host, settings.port, log_config=None, access_log=False)
    )
    # uvicorn raises the signal that stopped it once more; dying of it would leave semaphores of the workers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started and not application.state.lifecycle.failed else 2


def run_predict(
    files: Sequence[Path],
    *,
    as_json: bool,
    transcript: str | None,
    words_file: Path | None,
    bundle: str | None,
    aligner: str | None,
) -> int:
    """Prints one answer per file; 1 when some failed, 2 when it cannot start."""
    try:
        settings = load_settings({"bundle": bundle, "aligner": aligner})
        request = _read_request(transcript, words_file)
        engine = EmotionEngine(settings)
    except (*KNOWN_ERRORS, OSError) as exc:
        _complain(exc)
        return 2
    with _closing(engine):
        failed = [path for path in files if not _predict_one(path, request, engine, as_json=as_json)]
    return 1 if failed else 0


def _predict_one(path: Path, request: AnalysisRequest, engine: EmotionEngine, *, as_json: bool) -> bool:
    """Whether it went well."""
    try:
        answer = present(engine.analyse(path.read_bytes(), request), engine)
    except (*KNOWN_ERRORS, OSError) as exc:
        _complain(exc, f"{path}: ")
        return False
    if as_json:
        sys.stdout.write(answer.model_dump_json(exclude_unset=True) + "\n")
        sys.stdout.flush()
    else:
        Console(highlight=False).print(render(str(path), answer))
    return True


def _read_request(transcript: str | None, words_file: Path | None) -> AnalysisRequest:
    if transcript is not None and words_file is not None:
        raise ConflictingFieldsError("--transcript", "--words")
    try:
        # Windows' editors put a byte order mark before UTF-8.
        text = words_file.read_text(encoding="utf-8-sig") if words_file else None
    except UnicodeDecodeError as exc:
        raise InvalidWordsError(f"{words_file} is not UTF-8 ({exc.reason})") from exc
    return read_fields(transcript, text)


@contextmanager
def _closing(engine: EmotionEngine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.close()


def _complain(error: Exception, prefix: str = "") -> None:
    errors.print(f"{prefix}{error}", style="red", markup=False, soft_wrap=True)
