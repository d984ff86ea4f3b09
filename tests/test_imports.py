"""Imports: heavy libraries only where needed, no cycles, no telemetry."""

import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest


def loaded_modules(statement: str) -> set[str]:
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(finished.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import service.app", {"pysubs2", "praatio", "xlsxwriter", "openai"}),
        (
            "import service.app",
            {"torch", "whisperx", "librosa", "sklearn", "pandas", "transformers", "ray", "pyarrow", "httpx"},
        ),
        ("import service.cli.app", {"torch", "fastapi", "numpy", "onnxruntime", "ray", "pyarrow", "fsspec"}),
        ("import alignment.pipeline", {"torch", "whisperx", "librosa", "fastapi", "model", "service"}),
        ("import model.runtime", {"torch", "sklearn", "fastapi", "service"}),
        ("import alignment.aligners.pocketsphinx.worker", {"numpy", "onnxruntime", "fastapi"}),
    ],
)
def test_import_does_not_load(statement: str, absent: set[str]) -> None:
    assert not absent & loaded_modules(statement)


@pytest.mark.parametrize("module", ["model.runtime", "service.inference.engine", "benchmarks.providers"])
def test_onnx_runtime_telemetry_is_off(module: str, tmp_path: Path) -> None:
    """With telemetry, importing ONNX Runtime writes a session file and a device id."""
    environment = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "CI"}}
    environment |= {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    script = (
        f"import {module}, onnxruntime; from model.bundle import locate_bundle; "
        "onnxruntime.InferenceSession(locate_bundle('starter') / 'segments.onnx')"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))


def test_no_import_cycle() -> None:
    graph = grimp.build_graph("alignment", "can_ser_client", "model", "service", include_external_packages=False)
    order = TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    ).static_order()
    assert len(list(order)) == len(graph.modules) > 150
