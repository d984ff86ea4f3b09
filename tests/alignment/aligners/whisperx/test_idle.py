"""Unloading of the real library's models."""

import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import psutil
import pytest

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.permissions import make_private
from alignment.aligners.whisperx.aligner import WhisperXAligner
from alignment.audio import decode_audio
from tests.builders import tiny_clips, tiny_speech

pytestmark = pytest.mark.slow

TEXT = " ".join(word["word"] for word in tiny_clips()["00"])
SOUND = decode_audio(tiny_speech("00"))
LARGE_BYTES = 150_000_000


def resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def unload(aligner: WhisperXAligner) -> bool:
    """Release the models as the timer would."""
    aligner._models._used_at -= 3_600.0
    return aligner._models.unload_idle()


@pytest.fixture
def aligner(whisperx: WhisperXAligner, tiny_weights: Path) -> Iterator[WhisperXAligner]:
    """An aligner of its own; the other one has imported the library."""
    config = WhisperXConfig(model="tiny-words", weights=str(tiny_weights), threads=1, unload_after_s=3_600.0)
    aligner = WhisperXAligner(config)
    yield aligner
    aligner.close()


def test_unloaded_models_load_again_with_the_same_result(aligner: WhisperXAligner) -> None:
    before = aligner.recognise(SOUND)
    with aligner._models.use() as (models, recognition):
        kept = weakref.ref(models)
        threads = set(recognition._threads)
    del models, recognition
    assert unload(aligner)
    assert not aligner.loaded
    assert kept() is None
    assert not threads & set(threading.enumerate())
    assert aligner.recognise(SOUND) == before
    assert aligner.loaded
    assert unload(aligner)
    assert [word.word for word in aligner.align(SOUND, TEXT).utterances[0].words] == TEXT.split()


def test_memory_is_given_back(whisperx: WhisperXAligner, tiny_weights: Path, tmp_path: Path) -> None:
    """With a random alignment model of 50 million parameters in place of the tiny one."""
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    enlarge(tmp_path / "align" / "en")
    make_private([tmp_path, *tmp_path.rglob("*")])
    config = WhisperXConfig(model="tiny-words", weights=str(tmp_path), threads=1, unload_after_s=3_600.0)
    aligner = WhisperXAligner(config)
    aligner.warm_up()
    loaded = resident_bytes()
    assert unload(aligner)
    assert loaded - resident_bytes() > LARGE_BYTES
    aligner.close()


def enlarge(folder: Path) -> None:
    """Replace an alignment model by a large one with random weights."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    settings = json.loads((folder / "config.json").read_text())
    size = {"hidden_size": 768, "intermediate_size": 3_072, "num_hidden_layers": 7, "num_attention_heads": 12}
    Wav2Vec2ForCTC(Wav2Vec2Config(**(settings | size))).save_pretrained(folder)
