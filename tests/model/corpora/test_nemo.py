from collections import Counter
from pathlib import Path

import pytest

from model.corpora.nemo import read_nemo
from model.errors import CorpusFileError, CorpusMissingError

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def write(root: Path, emotion: str = "surprised") -> Path:
    (root / "data.tsv").write_text(f"{HEADER}WR0_a_1.wav\t{emotion}\tRaw.\traw\t        WR0\tmale\t23\n")
    return root


def test_published_and_compressed_clips_are_found(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "WR0_a_1.ogg").touch()
    [take] = read_nemo(tmp_path)
    assert (take.speaker, take.gender, take.label, take.path.suffix) == ("WR0", "M", "sur", ".ogg")


def test_missing_clip_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusFileError, match=r"data.tsv:2: WR0_a_1.wav does not exist"):
        read_nemo(write(tmp_path))


def test_unknown_emotion_is_named(tmp_path: Path) -> None:
    (write(tmp_path, "boredom") / "WR0_a_1.wav").touch()
    with pytest.raises(CorpusFileError, match="unknown emotion 'boredom'"):
        read_nemo(tmp_path)


def test_folder_without_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissingError, match="--nemo"):
        read_nemo(tmp_path)


def test_real_clips(nemo: Path) -> None:
    takes = read_nemo(nemo)
    assert len({take.speaker for take in takes}) == 9
    assert set(Counter(take.label for take in takes)) == {"ang", "hap", "sad", "sur", "fea", "neu"}
