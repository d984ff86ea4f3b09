"""Blocks of samples by libsndfile (soundfile): wav, flac, ogg, mp3 and others."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from alignment.errors import UndecodableAudioError
from alignment.parts import Part
from alignment.sample_blocks import BLOCK_SAMPLES, SampleBlocks, length_warnings
from alignment.timing import Seconds

_WITH_LENGTH: Final = (b"fLaC", b"RIFF", b"RF64", b"FORM")
_UNKNOWN_FRAMES: Final = 2**63 - 1
"""Frames of a flac file of unknown length, as a pipe gives it."""


def read_stated_length(data: bytes) -> tuple[Seconds, int]:
    """Duration, and number of samples of all channels, that the header of a wav, aiff or flac file states.

    Returns:
        Zeros where the header states none, or the format is another one, whose length is not known without reading
        all of it.
    """
    if not data.startswith(_WITH_LENGTH):
        return 0.0, 0
    try:
        info = soundfile.info(io.BytesIO(data))
    except soundfile.LibsndfileError:
        return 0.0, 0
    if info.frames == _UNKNOWN_FRAMES:
        return 0.0, 0
    return info.frames / info.samplerate, info.frames * info.channels


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
        opened = SampleBlocks(file.samplerate, file.channels, _stated_length(file, part))
        opened.warnings.extend(length_warnings(part))
        opened.blocks = _soundfile_blocks(file, opened)
        yield opened


def _stated_length(file: soundfile.SoundFile, part: Part) -> Seconds:
    """Length in the header; 0 where there is none, as in an mp3 file whose length is estimated from its size."""
    if file.frames == _UNKNOWN_FRAMES or (file.format == "MP3" and not part.states_frames):
        return 0.0
    return float(file.frames / file.samplerate)


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
