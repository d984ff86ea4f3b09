from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.moonshine.model_files import find_model_files
from alignment.errors import AlignerUnavailableError


def test_installed_files_are_the_published_ones() -> None:
    find_model_files().verify()


def test_altered_file_is_refused_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = find_model_files()
    altered = Path(copy(files.encoder, tmp_path))
    with altered.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0")
    monkeypatch.setattr(
        "alignment.aligners.moonshine.aligner.find_model_files", lambda: replace(files, encoder=altered)
    )
    aligner = MoonshineAligner(1)
    with pytest.raises(AlignerUnavailableError, match="is not the published file") as refused:
        aligner.warm_up()
    assert "--force-reinstall" in refused.value.way_out


def test_missing_file_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(AlignerUnavailableError, match="cannot be read"):
        replace(find_model_files(), tokenizer=tmp_path / "tokenizer.bin").verify()


def test_package_without_the_model_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moonshine_voice").mkdir()
    (tmp_path / "moonshine_voice" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AlignerUnavailableError, match="does not exist"):
        find_model_files()
