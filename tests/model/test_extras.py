"""Training commands on a machine without the training extra."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.builders import ROOT
from tests.machines import install_links, run_isolated


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of a machine with `make install` only."""
    return install_links(ROOT / "requirements" / "core.txt", tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def train_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of a machine with `make install-train` only."""
    return install_links(ROOT / "requirements" / "train.txt", tmp_path_factory.mktemp("train"))


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [
        ("model.train", ("--root", "missing", "--out", "missing"), "train"),
        ("model.reproduce", ("--root", "missing", "--out", "missing"), "train"),
        ("model.data.emotion_vectors", ("--goemotions", "missing", "--out", "missing"), "starter"),
    ],
)
def test_missing_training_extra_is_one_line(core_only: Path, module: str, options: tuple[str, ...], extra: str) -> None:
    done = run_isolated(core_only, "-m", module, *options)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert f"`make install-{extra}`" in line
    assert run_isolated(core_only, "-m", module, "--help").returncode == 0


@pytest.mark.slow
def test_missing_starter_extra_is_one_line(train_only: Path) -> None:
    options = ("--goemotions", "missing", "--out", "missing")
    done = run_isolated(train_only, "-m", "model.data.emotion_vectors", *options)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert "pip install '.[starter]'" in line


def test_every_extra_has_a_make_target() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    [target] = re.findall(r"^install-%: .*## Add the packages of (.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(re.findall(r"\w+", target)) - {"or"} == extras.keys() | {"dev"}
    assert all((ROOT / "requirements" / f"{extra}.txt").is_file() for extra in extras)
    starter = (ROOT / "requirements" / "starter.txt").read_text(encoding="utf-8")
    assert all(f"\n{name}==" in starter for name in ("torch", "safetensors", "tokenizers"))


def test_composite_corpus_needs_no_extra(core_only: Path) -> None:
    options = ("--ravdess", "missing", "--goemotions", "missing", "--out", "missing")
    done = run_isolated(core_only, "-m", "model.corpora.composite", *options)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "missing contains no GoEmotions labels.txt" in line
    assert "--goemotions" in line
