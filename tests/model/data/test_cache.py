from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.features.extraction import FeatureSpec
from alignment.features.mfcc import MfccConfig
from model.corpora.iemocap import read_iemocap
from model.corpora.records import CorpusUtterance
from model.data import cache as cache_module
from model.data.cache import cached_feature_set, default_cache, feature_folder, normalise_source
from model.data.features import build_feature_set
from model.errors import CorpusFileError
from tests.model.corpora.iemocap_fixture import write_iemocap

SPEC = FeatureSpec()


@pytest.fixture
def utterances(tmp_path: Path) -> tuple[CorpusUtterance, ...]:
    return read_iemocap(write_iemocap(tmp_path / "corpus")).utterances


def test_features_are_extracted_once(
    utterances: tuple[CorpusUtterance, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_feature_set(utterances, SPEC, speed=1.0, processes=1, cache=tmp_path / "cache")
    monkeypatch.delattr(cache_module, "build_feature_set")
    second = cached_feature_set(utterances, SPEC, speed=1.0, processes=1, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.words == second.words
    assert len(first) == 7
    assert isinstance(second.frames, np.memmap)


def test_folder_depends_on_everything_that_determines_features(
    utterances: tuple[CorpusUtterance, ...], tmp_path: Path
) -> None:
    folders = {
        feature_folder(utterances, SPEC, 1.0, tmp_path),
        feature_folder(utterances, SPEC, 0.9, tmp_path),
        feature_folder(utterances[1:], SPEC, 1.0, tmp_path),
        feature_folder((replace(utterances[0], words=()), *utterances[1:]), SPEC, 1.0, tmp_path),
        feature_folder(utterances, FeatureSpec(mfcc=MfccConfig(pre_emphasis=0.97)), 1.0, tmp_path),
    }
    utterances[0].wav.write_bytes(utterances[0].wav.read_bytes() + b"\0\0")
    folders.add(feature_folder(utterances, SPEC, 1.0, tmp_path))
    assert len(folders) == 6


def test_interrupted_run_leaves_no_folder(
    utterances: tuple[CorpusUtterance, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(path: Path, array: np.ndarray) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        cached_feature_set(utterances, SPEC, speed=1.0, processes=1, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_speed_changes_lengths_and_keeps_words(utterances: tuple[CorpusUtterance, ...]) -> None:
    plain = build_feature_set(utterances, SPEC)
    fast = build_feature_set(utterances, SPEC, speed=1.25)
    assert fast.words == plain.words
    assert fast.frame_counts.sum() == pytest.approx(plain.frame_counts.sum() / 1.25, rel=0.05)


def test_undecodable_wav_is_refused(utterances: tuple[CorpusUtterance, ...]) -> None:
    utterances[2].wav.write_bytes(b"no sound")
    with pytest.raises(CorpusFileError, match="cannot be read as audio"):
        build_feature_set(utterances, SPEC)


def test_default_cache_is_the_user_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "can-ser"


def test_prose_leaves_the_digest_and_statements_change_it() -> None:
    source = "def double(x):\n    return 2 * x\n"
    described = '"""Module."""\n\n\ndef double(x):\n    """Twice x."""\n    return 2 * x  # a comment\n'
    assert normalise_source(source) == normalise_source(described)
    assert normalise_source(source) != normalise_source(source.replace("2", "3"))
