"""Logs on a terminal; tests/service/cli/test_console.py tests what commands print."""

import logging

import pytest
import structlog

from service.observability.logs import configure_logs


@pytest.mark.parametrize("terminal", [True, False])
def test_log_controls_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    try:
        configure_logs("info")
        structlog.stdlib.get_logger("service").info("ready\x1b[2J", bundle="a\x1b]0;b\x07\x9b")
        logging.getLogger("uvicorn.error").info("path %s", "\x1b[2J")
    finally:
        root.handlers = handlers
        root.setLevel(level)
    lines = capsys.readouterr().err
    assert lines.count("x1b[2J") == 2
    assert not {"\x07", "\x9b"} & set(lines)
    assert "\x1b[2J" not in lines
