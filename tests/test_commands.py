"""Commands and Python examples of the documents: run where that is quick, otherwise checked against `--help`."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from benchmarks.server_process import run_server
from tests.builders import ROOT, SPEECH, encode
from tests.machines import install_links, run_isolated
from tests.test_documents import DOCUMENTS, read_document

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
DOCUMENTED_URL = "http://127.0.0.1:8000"
UNCHECKED = {
    "docker": "tested by `make docker-test`",
    "pip": "tested by tests/service/client/test_distribution.py",
    "wget": "downloads",
    "unzip": "needs a download",
    "kubectl": "needs a cluster",
    "ray": "needs a cluster",
}
"""Programs that are not checked here, and the reasons."""


def documented_commands() -> list[tuple[str, str]]:
    """Each command once, with the first document that contains it."""
    commands = []
    for document in DOCUMENTS:
        for block in BLOCK.findall(read_document(document)):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.split("  #")[0].strip()
                if command and not command.startswith("#"):
                    commands.append((document, command))
    unique = {command.removeprefix(".venv/bin/"): (document, command) for document, command in reversed(commands)}
    return list(reversed(unique.values()))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the files that the commands of the documents use."""
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "clips" / "deep").mkdir(parents=True)
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    (folder / "recordings").mkdir()
    for name in ("recording.wav", "speech.wav", "clips/a.wav", "clips/deep/b.wav", "recordings/anna-01.wav"):
        (folder / name).write_bytes(encode(samples[: 2 * rate_hz]))
    (folder / "words.json").write_text('[{"word": "she", "start": 0.25, "end": 0.48}]')
    (folder / "tests" / "fixtures").mkdir(parents=True)
    shutil.copytree(SPEECH, folder / "tests" / "fixtures" / "speech")
    (folder / "model").symlink_to(ROOT / "model")
    (folder / "bundles").mkdir()
    for name in ("iemocap", "own"):
        (folder / "bundles" / name).symlink_to(ROOT / "model" / "bundles" / "starter")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service for the requests of the documents."""
    with run_server(tmp_path_factory.mktemp("commands") / "log", "--aligner", "moonshine") as server:
        yield str(server.client.base_url).rstrip("/")


def run_line(command: str, sandbox: Path) -> None:
    """Run a command line in the sandbox."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(sandbox), "CAN_ALIGNER": "moonshine"}
    done = subprocess.run(
        ["bash", "-e", "-c", command], cwd=sandbox, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert done.stdout or ">" in command or "--plot" in command


def check_options(command: list[str], arguments: list[str]) -> None:
    """Check that the help of a program lists every option."""
    printed = subprocess.run(
        [*command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    )
    for option in (argument.split("=")[0] for argument in arguments if argument.startswith("--")):
        assert re.search(rf"{option}\b", printed.stdout), f"{command} has no {option}"


def check_make(arguments: list[str]) -> None:
    """Check that the target exists and that make can expand its recipe."""
    subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, check=True)


def check_can_ser(command: str, words: list[str], sandbox: Path) -> None:
    """Run quick subcommands; check only the options of servers and of subcommands that need a network."""
    name = words[1] if len(words) > 1 else ""
    if name in {"predict", "bundle", "doctor", "key", "--version"}:
        run_line(command, sandbox)
    elif name.startswith("-"):
        check_options([sys.executable, "-m", "service.cli.app"], words[1:])
    else:
        check_options([sys.executable, "-m", "service.cli.app", name], words[2:])


@pytest.mark.parametrize(("document", "command"), documented_commands())
def test_command(document: str, command: str, sandbox: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", command), comments=True)
    words = [word for word in words if word not in {">", "&"}]
    program = Path(words[0]).name
    checks: dict[str, Callable[[], None]] = {
        "can-ser": lambda: check_can_ser(command, words, sandbox),
        "curl": lambda: run_line(command.replace(DOCUMENTED_URL, request.getfixturevalue("address")), sandbox),
        "make": lambda: check_make(words[1:]),
        "python": lambda: check_options([sys.executable, *words[1:3]], words[3:]),
        "serve": lambda: check_options([sys.executable, "-m", "ray.serve.scripts", words[1]], words[2:]),
    }
    assert program in checks | UNCHECKED, f"{document}: add a check of `{program}` to this test"
    if program in checks:
        checks[program]()


def documented_programs() -> list[tuple[str, str]]:
    """Each Python example once, with the first document that contains it."""
    blocks = [
        (document, block)
        for document in DOCUMENTS
        for block in re.findall(r"^```python\n(.*?)^```", read_document(document), re.M | re.S)
    ]
    # Examples that read a table of `can-ser bulk` run in tests/service/bulk/test_bulk.py.
    unique = {block: document for document, block in reversed(blocks) if "results.parquet" not in block}
    return [(document, block) for block, document in reversed(unique.items())]


@pytest.mark.parametrize(("document", "program"), documented_programs())
def test_python_example(document: str, program: str, sandbox: Path, request: pytest.FixtureRequest) -> None:
    if DOCUMENTED_URL in program:
        program = program.replace(DOCUMENTED_URL, request.getfixturevalue("address"))
    (sandbox / "example.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=sandbox,
        env={"PATH": "/usr/bin:/bin", "HOME": str(sandbox), "CAN_ALIGNER": "moonshine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{document}\n{done.stderr}"


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_links(ROOT / "requirements" / "core.txt", tmp_path_factory.mktemp("core"))


@pytest.mark.parametrize(("document", "program"), documented_programs())
def test_section_of_python_example_names_its_extra(
    document: str, program: str, sandbox: Path, core_only: Path, request: pytest.FixtureRequest
) -> None:
    """After `make serve`, an example works or its section names the command that installs what it needs."""
    [section] = [part for part in re.split(r"^## ", read_document(document), flags=re.M) if program in part]
    if DOCUMENTED_URL in program:
        program = program.replace(DOCUMENTED_URL, request.getfixturevalue("address"))
    done = run_isolated(core_only, "-c", f"import os; os.chdir({str(sandbox)!r})\n{program}", CAN_ALIGNER="moonshine")
    missing = re.findall(r"MissingPackageError: (\w+) is not installed; `make install-(\w+)`", done.stderr)
    for _, extra in missing:
        assert f"make install-{extra}" in section, section
    if "MissingPackageError: httpx" in done.stderr:
        assert "make install-client" in section or "pip install ./clients/python" in section, section
    assert done.returncode == 0 or "MissingPackageError" in done.stderr, done.stderr


def test_documents_contain_commands() -> None:
    assert len(documented_commands()) > 15
    assert len(documented_programs()) > 1
    programs = {Path(shlex.split(re.sub(r"^(\w+=\S+ )+", "", command))[0]).name for _, command in documented_commands()}
    assert programs >= UNCHECKED.keys()
