"""docs/train-your-own.md, run literally: from recordings and a table to a response of the service."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.server_process import run_server
from model.bundle import read_bundle
from model.corpora.ravdess import read_ravdess
from model.corpora.table import COLUMNS
from tests.builders import SPEECH, spoken_words
from tests.test_commands import BLOCK
from tests.test_documents import read_document

pytestmark = pytest.mark.slow

PAGE = "docs/train-your-own.md"
SHORT = " --max-epochs 2"
LABELS = ("cheerful", "tired", "cross")


def documented_blocks() -> list[str]:
    """Commands of the page, block by block."""
    return BLOCK.findall(read_document(PAGE))


def run_block(block: str, folder: Path) -> str:
    """Run the lines of a block in a folder, except `make`, which would change this installation."""
    lines = [line for line in block.splitlines() if not line.startswith("make ")]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "CAN_ALIGNER": "moonshine",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Working directory of a reader, with the installation of this project."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "recordings").mkdir()
    return tmp_path


def write_labels(folder: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def write_synthetic_recordings(folder: Path) -> None:
    """Clips of the test voice at several pitches, as four speakers; half of them with their text."""
    words = spoken_words("numbers")
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    end = round((words[3]["start"] + 0.1) * rate_hz)
    text = " ".join(word["word"] for word in words[:3])
    rows = []
    for number, speaker in enumerate(("anna", "ben", "cem", "dana")):
        for take, label in enumerate(LABELS[:2] * 2):
            name = f"recordings/{speaker}-{take + 1:02d}.wav"
            gain = 0.9 if label == LABELS[0] else 0.2
            soundfile.write(folder / name, gain * np.roll(samples[:end], 37 * take), rate_hz - 800 * number)
            rows.append((name, label, speaker, text if take % 2 else ""))
    write_labels(folder, rows, ("file", "label", "speaker", "text"))


def shorten(block: str) -> str:
    """The documented training with two epochs; everything else is as on the page."""
    return block.rstrip("\n") + (f"{SHORT}\n" if "model.train" in block else "\n")


def test_page_leads_from_recordings_to_responses(folder: Path) -> None:
    write_synthetic_recordings(folder)
    training, inspection, serving = documented_blocks()
    printed = run_block(shorten(training), folder)
    assert "16 rows, 16 used (cheerful 8, tired 8)" in printed
    shown = run_block(inspection, folder)
    assert "cheerful, tired" in shown
    assert "the network runs" in shown
    arguments = serving.split()
    assert arguments[:2] == ["can-ser", "serve"]
    options = [str(folder / part) if part.startswith("bundles/") else part for part in arguments[2:]]
    with run_server(folder / "log", *options, "--aligner", "moonshine") as server:
        response = server.predict((folder / "recordings" / "anna-01.wav").read_bytes())
        assert list(response["probabilities"]) == ["cheerful", "tired"]
        assert response["model"]["trained_on"] == "Recordings of our team"
        assert server.client.get("/model").json()["labels"] == ["cheerful", "tired"]


def test_documented_table_has_the_documented_columns() -> None:
    [table] = re.findall(r"^```csv\n(.*?)^```", read_document(PAGE), re.M | re.S)
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 3
    described = re.findall(r"^\| `(\w+)` \|", read_document(PAGE), re.M)
    assert set(rows[0]) < set(described)
    assert tuple(described) == COLUMNS


@pytest.mark.parametrize("with_text", [True, False])
def test_ravdess_with_labels_of_the_users_choice(folder: Path, ravdess: Path, with_text: bool) -> None:
    """Twelve clips of each of three actors, under labels that the shipped weights do not have."""
    names = dict(zip(("hap", "sad", "ang"), LABELS, strict=True))
    rows = []
    for actor in (1, 2, 3):
        takes = [take for take in read_ravdess(ravdess) if take.actor == actor and take.label in names]
        for label, own in names.items():
            for take in [each for each in takes if each.label == label][:4]:
                target = f"recordings/{take.path.name}"
                shutil.copyfile(take.path, folder / target)
                text = (take.sentence,) if with_text else ()
                rows.append((target, own, f"actor {actor}", *text))
    header = ("file", "label", "speaker", "text")
    write_labels(folder, rows, header if with_text else header[:3])
    training, *_ = documented_blocks()
    run_block(shorten(training), folder)
    bundle = read_bundle(folder / "bundles" / "own")
    assert bundle.config.labels == tuple(sorted(LABELS))
    metrics = json.loads((bundle.folder / "metrics.json").read_text())
    assert metrics["table"]["words"] == {"text aligned" if with_text else "recognised": 36}
    assert metrics["table"]["aligner"]["name"] == "moonshine"
    assert metrics["cross_validation"]["folds"] == 3
    clip = rows[0][0]
    predicted = json.loads(run_block(f"can-ser predict {clip} --bundle bundles/own --json", folder))
    assert set(predicted["probabilities"]) == set(LABELS)
