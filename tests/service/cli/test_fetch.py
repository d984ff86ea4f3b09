from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.cli.app import app
from service.cli.fetch import run_fetch
from tests.builders import TINY_WHISPERX
from tests.local_hub import run_hub


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is printed as lines where there is no terminal."""
    console = Console(file=StringIO(), force_terminal=False)
    with run_hub() as hub:
        hub.add_repository("Systran/faster-whisper-tiny", TINY_WHISPERX / "whisper" / "tiny-words")
        hub.add_repository("me/align", TINY_WHISPERX / "align" / "en")
        hub.add_punkt(TINY_WHISPERX / "nltk_data" / "tokenizers" / "punkt_tab")

        def fetch(model: str, *, optional: bool = False) -> int:
            return run_fetch(
                model=model,
                align_model="me/align",
                weights=str(tmp_path),
                optional=optional,
                sources=hub.sources,
                console=console,
            )

        assert fetch("tiny") == 0
        assert fetch("missing/model") == 1
        assert fetch("missing/model", optional=True) == 0
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue()
    size = f"{(TINY_WHISPERX / 'whisper' / 'tiny-words' / 'model.bin').stat().st_size / 1e6:.1f}"
    assert f"model.bin: {size} of {size} MB" in lines
    assert "Systran/faster-whisper-tiny, me/align, punkt_tab" in lines
    assert "missing/model could not be fetched" in lines
    monkeypatch.setenv("CAN_WHISPERX__MODLE", "x")
    assert CliRunner().invoke(app, ["fetch"]).exit_code == 2
