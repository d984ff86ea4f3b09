"""Weights of WhisperX in folders of the test."""

from pathlib import Path
from shutil import copytree

import pytest

from alignment.aligners.weights.config import WhisperXConfig


@pytest.fixture
def empty_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights in any folder that is searched."""
    for variable in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "NLTK_DATA", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))


@pytest.fixture
def local_weights(empty_caches: None, tiny_weights: Path, tmp_path: Path) -> WhisperXConfig:
    """A folder as `can-ser fetch` fills it; these tests load no model from it."""
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    return WhisperXConfig(model="tiny-words", weights=str(tmp_path))
