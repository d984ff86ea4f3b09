"""`can-ser doctor` on three machines: core only, with WhisperX but no weights, complete; and on a broken one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.app import app
from service.cli.doctor import EXTRAS
from tests.builders import ROOT, SPEECH, TINY_WHISPERX
from tests.machines import install_links, run_isolated

Found = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of a machine on which `make install` ran and nothing else."""
    return install_links(ROOT / "requirements" / "core.txt", tmp_path_factory.mktemp("core"))


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["doctor", *arguments])


def doctor() -> tuple[int, Found]:
    """Exit status and findings by name."""
    result = run("--json")
    return result.exit_code, by_name(result.stdout)


def by_name(printed: str) -> Found:
    return {finding["name"]: finding for finding in json.loads(printed)}


def test_core_only(core_only: Path) -> None:
    done = run_isolated(core_only, "-m", "service.cli.app", "doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = by_name(done.stdout)
    assert {name for name, finding in found.items() if finding["state"] == "missing"} == {
        "whisperx",
        "speakers",
        *EXTRAS,
    }
    for name in ("whisperx", *EXTRAS):
        assert f"make install-{name}`" in found[name]["detail"]
    assert found["aligner"]["detail"].startswith("pocketsphinx")
    assert "CPUExecutionProvider" in found["network"]["detail"]


def test_core_only_answers(core_only: Path) -> None:
    clip = str(SPEECH / "numbers.flac")
    words = str(core_only / "words.json")
    Path(words).write_text('[{"word": "she", "start": 0.25, "end": 0.48}]')
    done = run_isolated(core_only, "-m", "service.cli.app", "predict", clip, "--words", words, "--json")
    assert json.loads(done.stdout)["utterances"][0]["text"] == "she"
    drawn = run_isolated(core_only, "-m", "service.cli.app", "predict", clip, "--plot", "picture.png")
    assert (drawn.returncode, "make install-plots" in drawn.stderr) == (2, True)


def test_without_weights_of_whisperx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(tmp_path))
    status, found = doctor()
    assert status == 0
    assert found["network"]["state"] == found["aligner"]["state"] == "ok"
    assert "starter" in found["network"]["detail"]
    assert "pocketsphinx" in found["aligner"]["detail"]
    assert found["whisperx"]["state"] == "missing"
    assert "can-ser fetch" in found["whisperx"]["detail"]
    assert "The service can run. The missing parts are optional." in run().stdout
    monkeypatch.setenv("CAN_ALIGNER", "whisperx")
    status, found = doctor()
    assert (status, found["aligner"]["state"]) == (1, "broken")


def test_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(TINY_WHISPERX))
    monkeypatch.setenv("CAN_WHISPERX__MODEL", "tiny-words")
    status, found = doctor()
    assert status == 0
    # What tells speakers apart by voice is gated: nobody ships it.
    assert {name for name, finding in found.items() if finding["state"] != "ok"} == {"speakers"}
    assert found["speakers"]["state"] == "missing"
    assert "can-ser fetch --diarize" in found["speakers"]["detail"]
    assert "whisperx with tiny-words" in found["aligner"]["detail"]
    assert run().stdout.endswith("The missing parts are optional.\n")


def test_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_BUNDLE", "none")
    ill = run()
    assert ill.exit_code == 1
    assert "none/SHA256SUMS is not there" in ill.stdout
    assert "The service cannot run as configured" in ill.stdout
    monkeypatch.setenv("CAN_BUNDEL", "none")
    assert "CAN_BUNDLE" in run().stdout
