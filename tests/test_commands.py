"""Every command and Python example of the documents is run, or, where that takes hours, held to what it takes."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from benchmarks.server_process import run_server
from tests.builders import SPEECH, encode
from tests.test_documents import ROOT

DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
TYPICAL_URL = "http://127.0.0.1:8000"
ELSEWHERE = {
    "docker": "the images are built and tried by hand: docs/operations.md",
    "wget": "a download",
    "unzip": "what was downloaded",
    "git": "this repository",
    "cd": "into this repository",
    "kubectl": "a cluster",
    "ray": "a cluster",
}
"""What is not looked at here, and why."""


def commands() -> list[tuple[str, str]]:
    """Every command once, with the first document that shows it."""
    found = []
    for document in DOCUMENTS:
        for block in BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.split("  #")[0].strip()
                if command and not command.startswith("#"):
                    found.append((document, command))
    once = {command.removeprefix(".venv/bin/"): (document, command) for document, command in reversed(found)}
    return list(reversed(once.values()))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the documents' commands expect to find."""
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "clips" / "deep").mkdir(parents=True)
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    for name in ("recording.wav", "speech.wav", "clips/a.wav", "clips/deep/b.wav"):
        (folder / name).write_bytes(encode(samples[: 2 * rate_hz]))
    (folder / "words.json").write_text('[{"word": "she", "start": 0.25, "end": 0.48}]')
    (folder / "tests" / "fixtures").mkdir(parents=True)
    shutil.copytree(SPEECH, folder / "tests" / "fixtures" / "speech")
    (folder / "model").symlink_to(ROOT / "model")
    (folder / "bundles").mkdir()
    (folder / "bundles" / "iemocap").symlink_to(ROOT / "model" / "bundles" / "starter")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service that the documents' requests go to."""
    with run_server(tmp_path_factory.mktemp("commands") / "log", "--aligner", "pocketsphinx") as server:
        yield str(server.client.base_url).rstrip("/")


def run_line(command: str, sandbox: Path) -> None:
    """As a person would type it, in the sandbox."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(sandbox), "CAN_ALIGNER": "pocketsphinx"}
    done = subprocess.run(
        ["bash", "-e", "-c", command], cwd=sandbox, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert done.stdout or ">" in command or "--plot" in command


def check_options(command: list[str], arguments: list[str]) -> None:
    """The program knows every option; it is asked for its help alone."""
    helped = subprocess.run(
        [*command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    )
    for option in (argument.split("=")[0] for argument in arguments if argument.startswith("--")):
        assert re.search(rf"{option}\b", helped.stdout), f"{command} has no {option}"


def check_make(arguments: list[str]) -> None:
    """The target exists, and its recipe reads."""
    subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, check=True)


def check_extra(arguments: list[str]) -> None:
    """What is installed exists as an extra."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in re.findall(r"can-ser\[(\w+)\]", " ".join(arguments)):
        assert name in extras


def check_can_ser(command: str, words: list[str], sandbox: Path) -> None:
    """Quick ones run; servers and what needs a network are held to their options."""
    name = words[1] if len(words) > 1 else ""
    if name in {"predict", "bundle", "doctor", "key", "--version"}:
        run_line(command, sandbox)
    elif name.startswith("-"):
        check_options([sys.executable, "-m", "service.cli.app"], words[1:])
    else:
        check_options([sys.executable, "-m", "service.cli.app", name], words[2:])


@pytest.mark.parametrize(("document", "command"), commands())
def test_command(document: str, command: str, sandbox: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", command), comments=True)
    words = [word for word in words if word not in {">", "&"}]
    program = Path(words[0]).name
    checks: dict[str, Callable[[], None]] = {
        "can-ser": lambda: check_can_ser(command, words, sandbox),
        "curl": lambda: run_line(command.replace(TYPICAL_URL, request.getfixturevalue("address")), sandbox),
        "make": lambda: check_make(words[1:]),
        "pip": lambda: check_extra(words[1:]),
        "python": lambda: check_options([sys.executable, *words[1:3]], words[3:]),
        "serve": lambda: check_options([sys.executable, "-m", "ray.serve.scripts", words[1]], words[2:]),
    }
    assert program in checks | ELSEWHERE, f"{document}: say in this test how `{program}` is checked"
    if program in checks:
        checks[program]()


def programs() -> list[tuple[str, str]]:
    """Every Python example once, with the first document that shows it."""
    blocks = [
        (document, block)
        for document in DOCUMENTS
        for block in re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    ]
    # What reads a table of `can-ser bulk` runs on one in tests/service/bulk/test_bulk.py.
    once = {block: document for document, block in reversed(blocks) if "results.parquet" not in block}
    return [(document, block) for block, document in reversed(once.items())]


@pytest.mark.parametrize(("document", "program"), programs())
def test_python(document: str, program: str, sandbox: Path, request: pytest.FixtureRequest) -> None:
    if TYPICAL_URL in program:
        program = program.replace(TYPICAL_URL, request.getfixturevalue("address"))
    (sandbox / "example.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=sandbox,
        env={"PATH": "/usr/bin:/bin", "HOME": str(sandbox), "CAN_ALIGNER": "pocketsphinx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{document}\n{done.stderr}"


def test_the_documents_show_commands() -> None:
    assert len(commands()) > 15
    assert len(programs()) > 1
