"""The distribution can-ser-client: its wheel in an environment of its own, and the examples of its README."""

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
import soundfile

from benchmarks.server_process import run_server
from tests.builders import ROOT, SPEECH, encode
from tests.machines import link_packages, list_requirements

pytestmark = pytest.mark.slow

FOLDER = ROOT / "clients" / "python"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
PRINT_MODULES = "import sys, can_ser_client as c; [getattr(c, n) for n in c.__all__]; print(*sys.modules)"


def run_uv(*arguments: str) -> None:
    """Run uv without a network; skip the test where uv, or the build backend in its cache, is missing."""
    installed = shutil.which("uv")
    program = [installed] if installed else [sys.executable, "-m", "uv"]
    command = [*program, *arguments, "--offline", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named uv" in done.stderr or "hatchling" in done.stderr:
        pytest.skip(f"the wheel cannot be built without a network: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run_uv("build", "--wheel", "--out-dir", str(folder), str(FOLDER))
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment with the wheel and its requirements only."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run_uv("pip", "install", "--python", str(python), "--no-index", "--no-deps", str(wheel))
    [packages] = folder.glob("lib/python*/site-packages")
    link_packages(list_requirements(["httpx", "pydantic"]), packages)
    return python


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_server(tmp_path_factory.mktemp("log") / "log", "--aligner", "moonshine") as server:
        yield f"http://127.0.0.1:{server.port}"


def run_program(python: Path, program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-I", "-c", program]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


def test_wheel_needs_httpx_and_pydantic_only(python: Path, tmp_path: Path) -> None:
    done = run_program(python, PRINT_MODULES, tmp_path)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert modules >= {"httpx", "pydantic", "can_ser_client.asynchronous"}
    assert not modules & {"service", "model", "alignment", "numpy", "websockets"}


def test_installation_has_the_documented_size(wheel: Path) -> None:
    """Files of the wheel and of all packages that it needs, without compiled files: docs/clients.md states 10 MB."""
    [documented] = re.findall(r"\((\d+) MB installed", (ROOT / "docs" / "clients.md").read_text(encoding="utf-8"))
    paths = [
        Path(str(file.locate()))
        for name in list_requirements(["httpx", "pydantic"])
        for file in distribution(name).files or []
        if file.suffix != ".pyc"
    ]
    with ZipFile(wheel) as archive:
        own = sum(each.file_size for each in archive.infolist())
    size = own + sum(path.stat().st_size for path in paths if path.is_file())
    assert 0.8 * int(documented) < size / 1e6 < 1.2 * int(documented)
    assert wheel.stat().st_size < 50_000


def test_documents_name_the_wheel(wheel: Path) -> None:
    for document in ("docs/clients.md", "clients/python/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        assert wheel.name in text
        assert "do not install both into one environment" in " ".join(text.split())


def test_live_speech_without_its_extra_names_it(python: Path, tmp_path: Path) -> None:
    done = run_program(python, "from can_ser_client import Client; list(Client().live([]))", tmp_path)
    assert "MissingPackageError: websockets is not installed; `pip install 'can-ser-client[live]'`" in done.stderr


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_of_readme(example: str, python: Path, address: str, tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    assert rate_hz == 16_000
    (tmp_path / "recording.wav").write_bytes(encode(samples))
    if "client.live(" in example:
        link_packages(["websockets"], tmp_path)
        example = f"import sys; sys.path.append({str(tmp_path)!r})\n{example}"
    assert "http://127.0.0.1:8000" in example
    done = run_program(python, example.replace("http://127.0.0.1:8000", address), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_readme_has_examples_of_every_kind() -> None:
    calls = set(re.findall(r"client\.(\w+(?:\.\w+)?)\(", "".join(EXAMPLES)))
    assert calls >= {"predict", "events", "jobs.submit", "jobs.wait", "jobs.delete", "live"}
