"""Users without a home folder: a random user id without an entry in the list of users, or a home that is unusable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import pwd, sys
def getpwuid(number):
    raise KeyError(number)
pwd.getpwuid = getpwuid
"""
PRINT_FOLDERS = """
from service.settings import load_settings
settings = load_settings()
print(settings.jobs.folder, settings.whisperx.config().folder, sep="\\n")
"""
FIND_WEIGHTS = """
from alignment.aligners.weights.locate import find_missing, find_missing_diarization, find_nltk_data
from service.settings import WhisperXSettings
config = WhisperXSettings(diarize_model="~/pipeline").config()
print(find_missing(config) is not None, find_missing_diarization(config) is not None)
find_nltk_data(config, "en")
"""
COMMAND = "from service.cli.app import main; sys.argv = ['can-ser', *sys.argv[1:]]; main()"


def run(code: str, *arguments: str, home: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code with an unknown user id, without HOME unless it is given."""
    removed = ("CAN_", "XDG_", "HOME")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(removed)} | variables
    environment |= {} if home is None else {"HOME": home}
    command = [sys.executable, "-c", PRELUDE + code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("home", [None, "relative"])
def test_folders_are_private_and_the_same_in_each_process(tmp_path: Path, home: str | None) -> None:
    expected = tmp_path / f"can-ser-{os.getuid()}"
    for _ in range(2):
        done = run(PRINT_FOLDERS, TMPDIR=str(tmp_path), home=home)
        assert done.stdout.splitlines() == [str(expected / "state" / "jobs"), str(expected / "cache")], done.stderr
    assert f"{expected.stat().st_mode & 0o777:o}" == "700"


def test_folder_of_others_is_not_used(tmp_path: Path) -> None:
    """Weights in it could be anyone's."""
    taken = tmp_path / f"can-ser-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    done = run(PRINT_FOLDERS, TMPDIR=str(tmp_path))
    jobs = Path(done.stdout.splitlines()[0])
    assert jobs.is_relative_to(tmp_path)
    assert not jobs.is_relative_to(taken)


def test_home_that_cannot_hold_the_folder_is_replaced_for_jobs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(PRINT_FOLDERS, TMPDIR=str(tmp_path), home=str(tmp_path / "file"))
    jobs, weights = map(Path, done.stdout.splitlines())
    assert jobs.is_relative_to(tmp_path / f"can-ser-{os.getuid()}")
    assert weights.is_relative_to(tmp_path / "file")


def test_weights_are_looked_for_without_a_home(tmp_path: Path) -> None:
    done = run(FIND_WEIGHTS, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr


def test_set_folders_are_used_as_they_are(tmp_path: Path) -> None:
    variables = {"CAN_JOBS__FOLDER": str(tmp_path / "jobs"), "CAN_WHISPERX__WEIGHTS": str(tmp_path / "weights")}
    done = run(PRINT_FOLDERS, TMPDIR=str(tmp_path), **variables)
    assert done.stdout.splitlines() == list(variables.values())
    assert not (tmp_path / f"can-ser-{os.getuid()}").exists()


def test_missing_temporary_folder_is_one_line(tmp_path: Path) -> None:
    code = "import tempfile; tempfile._candidate_tempdir_list = lambda: []\n" + COMMAND
    done = run(code, "serve")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "set TMPDIR" in line


@pytest.mark.slow
def test_doctor_names_the_folders(tmp_path: Path) -> None:
    done = run(COMMAND, "doctor", "--json", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    [finding] = [each for each in json.loads(done.stdout) if each["name"] == "folders"]
    assert f"CAN_JOBS__FOLDER is {tmp_path}" in finding["detail"]
    assert f"CAN_WHISPERX__WEIGHTS is {tmp_path}" in finding["detail"]


def test_log_names_the_folders_at_start(tmp_path: Path) -> None:
    code = "from service.app import create_app; create_app()"
    done = run(code, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    [line] = [json.loads(each) for each in done.stderr.splitlines() if "no home folder" in each]
    assert line["CAN_JOBS__FOLDER"].startswith(str(tmp_path))
    assert line["level"] == "warning"
