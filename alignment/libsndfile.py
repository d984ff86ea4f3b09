"""Blocks of samples by libsndfile (soundfile): wav, flac, ogg, mp3 and others."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile
from numpy.typing import NDArray

from alignment.errors import UndecodableAudioError
from alignment.parts import Part
from alignment.sample_blocks import BLOCK_SAMPLES, SampleBlocks, length_warnings


@contextmanager
def open_with_soundfile(part: Part, _track: int = 0) -> Iterator[SampleBlocks]:
    """Open a wav, flac, ogg or mp3 file, or another one of libsndfile.

    Raises:
        UndecodableAudioError: libsndfile does not support the format.
    """
    try:
        file = soundfile.SoundFile(part.open())
    except soundfile.LibsndfileError as exc:
        raise UndecodableAudioError(exc.error_string) from exc
    with file:
        opened = SampleBlocks(file.samplerate, file.channels, file.frames / file.samplerate)
        opened.warnings.extend(length_warnings(part))
        opened.blocks = _soundfile_blocks(file, opened)
        yield opened


def _soundfile_blocks(file: soundfile.SoundFile, opened: SampleBlocks) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            block = file.read(BLOCK_SAMPLES // file.channels + 1, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as exc:
            opened.damage = exc.error_string
            return
        if not len(block):
            return
        yield block
