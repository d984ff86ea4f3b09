"""Heavy libraries stay home."""

import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import service.app", {"torch", "whisperx", "librosa", "sklearn", "pandas", "transformers"}),
        ("import service.cli", {"torch", "fastapi", "numpy", "onnxruntime"}),
        ("import alignment.pipeline", {"torch", "whisperx", "librosa", "fastapi", "model", "service"}),
        ("import model.runtime", {"torch", "sklearn", "fastapi", "service"}),
        ("import alignment.aligners.pocketsphinx_worker", {"numpy", "onnxruntime", "fastapi"}),
    ],
)
def test_an_import_leaves_out(statement: str, absent: set[str]) -> None:
    assert not absent & modules_after(statement)
