"""The Python examples of docs/openai.md, against a running server."""

import re
from pathlib import Path

import pytest

from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import run_server
from tests.test_documents import read_document

EXAMPLES = re.findall(r"^```py\n(.*?)^```", read_document("docs/openai.md"), re.M | re.S)


def test_examples_run(
    settings: Settings,
    aligner: FakeAligner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording.wav").write_bytes(encode(noise(3.0)))
    assert len(EXAMPLES) == 2
    names: dict[str, object] = {}
    with run_server(settings, aligner) as server:
        for example in EXAMPLES:
            assert "http://127.0.0.1:8000" in EXAMPLES[0]
            exec(example.replace("http://127.0.0.1:8000", server.url), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("the children ")
    assert lines[-1].endswith(" the children")
    assert len(lines) == 5
