"""`can-ser doctor` on four installations: core only, WhisperX without weights, complete, misconfigured."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.app import app
from service.cli.doctor import EXTRAS
from tests.builders import ROOT, SPEECH
from tests.machines import install_links, run_isolated

Findings = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages that `make install` installs."""
    return install_links(ROOT / "requirements" / "core.txt", tmp_path_factory.mktemp("core"))


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["doctor", *arguments])


def run_doctor() -> tuple[int, Findings]:
    """Exit status and findings by name."""
    result = run("--json")
    return result.exit_code, by_name(result.stdout)


def by_name(printed: str) -> Findings:
    return {finding["name"]: finding for finding in json.loads(printed)}


def test_core_only(core_only: Path) -> None:
    finished = run_isolated(core_only, "-m", "service.cli.app", "doctor", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    findings = by_name(finished.stdout)
    assert {name for name, finding in findings.items() if finding["state"] == "missing"} == {
        "whisperx",
        "speakers",
        *EXTRAS,
    }
    for name in ("whisperx", *EXTRAS):
        assert f"make install-{name}`" in findings[name]["detail"]
    assert findings["aligner"]["detail"].startswith("moonshine")
    assert "CPUExecutionProvider" in findings["network"]["detail"]


def test_core_only_predicts(core_only: Path) -> None:
    clip = str(SPEECH / "numbers.flac")
    words = str(core_only / "words.json")
    Path(words).write_text('[{"word": "she", "start": 0.25, "end": 0.48}]')
    finished = run_isolated(core_only, "-m", "service.cli.app", "predict", clip, "--words", words, "--json")
    assert json.loads(finished.stdout)["utterances"][0]["text"] == "she"
    plotted = run_isolated(core_only, "-m", "service.cli.app", "predict", clip, "--plot", "picture.png")
    assert (plotted.returncode, "make install-plots" in plotted.stderr) == (2, True)


def test_whisperx_without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(tmp_path))
    status, findings = run_doctor()
    assert status == 0
    assert findings["network"]["state"] == findings["aligner"]["state"] == "ok"
    assert "starter" in findings["network"]["detail"]
    assert "moonshine" in findings["aligner"]["detail"]
    assert findings["whisperx"]["state"] == "missing"
    assert "can-ser fetch" in findings["whisperx"]["detail"]
    assert "The service can run. The missing parts are optional." in run().stdout
    monkeypatch.setenv("CAN_ALIGNER", "whisperx")
    status, findings = run_doctor()
    assert (status, findings["aligner"]["state"]) == (1, "broken")


def test_complete(monkeypatch: pytest.MonkeyPatch, tiny_weights: Path) -> None:
    monkeypatch.setenv("CAN_WHISPERX__WEIGHTS", str(tiny_weights))
    monkeypatch.setenv("CAN_WHISPERX__MODEL", "tiny-words")
    status, findings = run_doctor()
    assert status == 0
    # The weights of the diarization pipeline are gated and cannot be shipped.
    assert {name for name, finding in findings.items() if finding["state"] != "ok"} == {"speakers"}
    assert findings["speakers"]["state"] == "missing"
    assert "can-ser fetch --diarize" in findings["speakers"]["detail"]
    assert "whisperx with tiny-words" in findings["aligner"]["detail"]
    assert run().stdout.endswith("The missing parts are optional.\n")


def test_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_BUNDLE", "none")
    result = run()
    assert result.exit_code == 1
    assert "none/SHA256SUMS does not exist" in result.stdout
    assert "The service cannot run as configured" in result.stdout
    monkeypatch.setenv("CAN_BUNDEL", "none")
    result = run("--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "the variable CAN_BUNDEL is unknown; did you mean CAN_BUNDLE?\n"
