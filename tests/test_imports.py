"""Imports: heavy libraries where they are needed, no circles, no telemetry."""

import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest


def modules_after(statement: str) -> set[str]:
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import service.app", {"torch", "whisperx", "librosa", "sklearn", "pandas", "transformers", "ray", "pyarrow"}),
        ("import service.cli.app", {"torch", "fastapi", "numpy", "onnxruntime", "ray", "pyarrow", "fsspec"}),
        ("import alignment.pipeline", {"torch", "whisperx", "librosa", "fastapi", "model", "service"}),
        ("import model.runtime", {"torch", "sklearn", "fastapi", "service"}),
        ("import alignment.aligners.pocketsphinx.worker", {"numpy", "onnxruntime", "fastapi"}),
    ],
)
def test_an_import_leaves_out(statement: str, absent: set[str]) -> None:
    assert not absent & modules_after(statement)


@pytest.mark.parametrize("module", ["model.runtime", "service.inference.engine", "benchmarks.providers"])
def test_onnx_runtime_tells_nobody_and_writes_nothing(module: str, tmp_path: Path) -> None:
    """It would begin a session file and a device id while it is imported."""
    environment = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    environment |= {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    script = (
        f"import {module}, onnxruntime; from model.bundle import locate_bundle; "
        "onnxruntime.InferenceSession(locate_bundle('starter') / 'segments.onnx')"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))


def test_no_import_circle() -> None:
    graph = grimp.build_graph("alignment", "model", "service", include_external_packages=False)
    order = TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    ).static_order()
    assert len(list(order)) == len(graph.modules) > 150
