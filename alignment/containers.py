"""Blocks of raw samples from an audio file, in memory or on disk.

libsndfile (soundfile) reads wav, flac, ogg and mp3; FFmpeg (PyAV) reads the rest (m4a, mp4, webm) and the streamed
wav files whose header says that they are empty. Both yield blocks, so that a small file that decodes to hours can be
refused before it fills the memory. Headers are never trusted for a length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Final

import av
import av.error
import numpy as np
import soundfile
from numpy.typing import NDArray

from alignment.errors import UndecodableAudioError
from alignment.timing import Seconds

BLOCK_SAMPLES: Final = 65_536
_OGG_END_OF_STREAM: Final = 0x04
_WITH_LENGTH: Final = ("mov", "matroska")
_UNKNOWN_LENGTH: Final = 0x7FFF_0000
# FFmpeg can follow the addresses inside a playlist; only containers that hold their own sound are let in.
_FFMPEG_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,w64,mp3,aac,ogg,flac,aiff,au,caf,amr,asf,avi,flv,mpegts,mpeg"
)
# FFmpeg knows hundreds of decoders, for games and cameras of the last century too; each is code that a file may attack.
_FFMPEG_CODECS: Final = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,eac3,flac,gsm,gsm_ms,libopus,mp1,mp1float,mp2,"
    "mp2float,mp3,mp3float,opus,pcm_alaw,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,"
    "pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,speex,vorbis,wmapro,wmav1,wmav2"
)
_FFMPEG_OPTIONS: Final = {
    "format_whitelist": _FFMPEG_FORMATS,
    "codec_whitelist": _FFMPEG_CODECS,
    "protocol_whitelist": "none",
}


@dataclass(slots=True)
class SampleBlocks:
    """An opened file.

    Attributes:
        sample_rate_hz: as the container says it.
        channels: as the container says it.
        promised_s: length that the container claims, 0 where it claims none; used for warnings only.
        blocks: (samples, channels) float32 pieces, full scale 1.
        warnings: filled while the blocks are read.
    """

    sample_rate_hz: int
    channels: int
    promised_s: Seconds
    blocks: Iterator[NDArray[np.float32]] = field(default_factory=lambda: iter(()))
    warnings: list[str] = field(default_factory=list)


@contextmanager
def open_with_soundfile(source: bytes | Path) -> Iterator[SampleBlocks]:
    """Opens wav, flac, ogg or mp3, in memory or on disk.

    Raises:
        UndecodableAudioError: libsndfile does not know the format.
    """
    with _open_source(source) as (stream, data):
        try:
            file = soundfile.SoundFile(stream)
        except soundfile.LibsndfileError as exc:
            raise UndecodableAudioError(exc.error_string) from exc
        with file:
            opened = SampleBlocks(file.samplerate, file.channels, file.frames / file.samplerate)
            opened.warnings.extend(_length_warnings(data))
            opened.blocks = _soundfile_blocks(file, opened.warnings)
            yield opened


@contextmanager
def _open_source(source: bytes | Path) -> Iterator[tuple[BinaryIO, bytes | mmap]]:
    """A stream to read from, and a look at any place of it; of a file on disk, only what is looked at is loaded."""
    if isinstance(source, bytes):
        yield BytesIO(source), source
        return
    with source.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as view:
        yield stream, view


def _soundfile_blocks(file: soundfile.SoundFile, warnings: list[str]) -> Iterator[NDArray[np.float32]]:
    while True:
        try:
            block = file.read(BLOCK_SAMPLES // file.channels + 1, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as exc:
            warnings.append(f"the file is damaged ({exc.error_string}); the part before the damage was used")
            return
        if not len(block):
            return
        yield block


def _length_warnings(data: bytes | mmap) -> list[str]:
    """Says when a wav or ogg file ends before, or says nothing of, its own end (cut downloads, pipes)."""
    if data[:4] == b"RIFF" and (found := _find_data_chunk(data)):
        at, claimed_bytes = found
        there_bytes = len(data) - at
        if there_bytes and (claimed_bytes == 0 or claimed_bytes >= _UNKNOWN_LENGTH):
            return ["the wav header does not say how long the sound is (a stream?); all that is there was used"]
        if claimed_bytes > there_bytes:
            return [f"the wav file is cut: it promises {claimed_bytes} bytes of sound, {there_bytes} are there"]
    if data[:4] == b"OggS":
        last_page = data.rfind(b"OggS")
        if last_page + 5 < len(data) and not data[last_page + 5] & _OGG_END_OF_STREAM:
            return ["the ogg file is cut: it has no last page; all that is there was used"]
    return []


def _find_data_chunk(data: bytes | mmap) -> tuple[int, int] | None:
    """Where the sound of a RIFF file starts, and how many bytes its header claims."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return at + 8, size
        at += 8 + size + size % 2
    return None


@contextmanager
def open_with_ffmpeg(source: bytes | Path) -> Iterator[SampleBlocks]:
    """Opens anything else that FFmpeg knows and that holds its own sound.

    Raises:
        UndecodableAudioError: FFmpeg does not know the format, or finds no sound in it.
    """
    with _open_source(source) as (file, data):
        try:
            container = av.open(file, "r", options=_FFMPEG_OPTIONS, metadata_errors="replace")
        except av.error.FFmpegError as exc:
            raise UndecodableAudioError(exc.strerror or "unknown format") from exc
        with container:
            yield _opened_by_ffmpeg(container, data)


def _opened_by_ffmpeg(container: av.container.InputContainer, data: bytes | mmap) -> SampleBlocks:
    if not container.streams.audio:
        raise UndecodableAudioError("the file holds no sound track")
    stream = container.streams.audio[0]
    if getattr(stream, "codec_context", None) is None:
        raise UndecodableAudioError("the sound's codec is not known")
    if stream.codec_context.name not in _FFMPEG_CODECS.split(","):
        raise UndecodableAudioError(f"the sound's codec is {stream.codec_context.name}, which is not read here")
    # Other containers do not say how long they are: FFmpeg guesses it from the first frames' bit rate.
    says_its_length = container.format.name.startswith(_WITH_LENGTH) and container.duration
    promised_s = container.duration / av.time_base if says_its_length and container.duration else 0.0
    opened = SampleBlocks(stream.rate or 0, stream.channels or 0, promised_s)
    opened.warnings.extend(_length_warnings(data))
    opened.blocks = _ffmpeg_blocks(container, stream, opened.warnings)
    return opened


def _ffmpeg_blocks(
    container: av.container.InputContainer, stream: av.AudioStream, warnings: list[str]
) -> Iterator[NDArray[np.float32]]:
    """All that can be decoded; a damaged packet is left out, and counted in a warning."""
    converter = _Converter(stream)
    damaged = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as exc:
            warnings.append(f"the file is damaged ({exc.strerror}); the part before the damage was used")
            break
        except IndexError:
            # A broken transport stream brings forth a track that was not there when PyAV listed them.
            warnings.append("the file is damaged (a track begins in its middle); the part before the damage was used")
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            damaged += 1
            continue
        for frame in frames:
            yield from converter.convert(frame)
    if damaged:
        warnings.append(f"the file is damaged: {damaged} packets could not be decoded and were left out")


class _Converter:
    """Frames to float blocks of the stream's rate and channels, also where a frame has others."""

    def __init__(self, stream: av.AudioStream) -> None:
        self._layout, self._rate = stream.layout, stream.rate
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """(samples, channels) blocks of one frame."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._source:
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
            self._source = source
        frame.pts = None
        for planar in self._resampler.resample(frame):
            yield np.ascontiguousarray(planar.to_ndarray().T)
