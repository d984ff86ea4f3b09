"""Blocks of raw samples from an audio file in memory or on disk.

libsndfile (soundfile) reads wav, flac, ogg and mp3; FFmpeg (PyAV) reads other formats (m4a, mp4, webm) and streamed
wav files without a length in their header. Both yield blocks, so that a small file that decodes to hours is refused
before it fills the memory. Lengths in headers are never trusted.
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
# FFmpeg would follow the addresses inside a playlist; only containers that hold their own audio are allowed.
_FFMPEG_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,w64,mp3,aac,ogg,flac,aiff,au,caf,amr,asf,avi,flv,mpegts,mpeg"
)
# FFmpeg has hundreds of decoders, also for old games and cameras; each one is code that a file may attack.
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
    """Format and samples of an opened file.

    Attributes:
        sample_rate_hz: Sample rate in the header.
        channels: Number of channels in the header.
        stated_s: Length in the header, 0 where there is none; used for warnings only.
        blocks: (samples, channels) float32 blocks, full scale 1.
        warnings: Extended while the blocks are read.
    """

    sample_rate_hz: int
    channels: int
    stated_s: Seconds
    blocks: Iterator[NDArray[np.float32]] = field(default_factory=lambda: iter(()))
    warnings: list[str] = field(default_factory=list)


@contextmanager
def open_with_soundfile(source: bytes | Path) -> Iterator[SampleBlocks]:
    """Open a wav, flac, ogg or mp3 file in memory or on disk.

    Raises:
        UndecodableAudioError: libsndfile does not support the format.
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
    """Stream and random access to a file; a file on disk is mapped and not loaded as a whole."""
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
    """Warn about a wav or ogg file that is truncated (cut downloads) or states no length (pipes)."""
    if data[:4] == b"RIFF" and (chunk := _find_data_chunk(data)):
        at, stated_bytes = chunk
        actual_bytes = len(data) - at
        if actual_bytes and (stated_bytes == 0 or stated_bytes >= _UNKNOWN_LENGTH):
            return ["the wav header states no length (a stream?); all audio in the file was used"]
        if stated_bytes > actual_bytes:
            return [
                f"the wav file is truncated: its header states {stated_bytes} bytes of audio, {actual_bytes} remain"
            ]
    if data[:4] == b"OggS":
        last_page = data.rfind(b"OggS")
        if last_page + 5 < len(data) and not data[last_page + 5] & _OGG_END_OF_STREAM:
            return ["the ogg file is truncated: it has no last page; all audio in the file was used"]
    return []


def _find_data_chunk(data: bytes | mmap) -> tuple[int, int] | None:
    """Start of the samples of a RIFF file, and their number of bytes in the header."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return at + 8, size
        at += 8 + size + size % 2
    return None


@contextmanager
def open_with_ffmpeg(source: bytes | Path) -> Iterator[SampleBlocks]:
    """Open a file in another format of FFmpeg that holds its own audio.

    Raises:
        UndecodableAudioError: FFmpeg does not support the format, or the file holds no audio track.
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
        raise UndecodableAudioError("the file holds no audio track")
    stream = container.streams.audio[0]
    if getattr(stream, "codec_context", None) is None:
        raise UndecodableAudioError("its audio codec is unknown")
    if stream.codec_context.name not in _FFMPEG_CODECS.split(","):
        raise UndecodableAudioError(f"its audio codec {stream.codec_context.name} is not supported")
    # Other containers state no length: FFmpeg estimates it from the bit rate of the first frames.
    has_length = container.format.name.startswith(_WITH_LENGTH) and container.duration
    stated_s = container.duration / av.time_base if has_length and container.duration else 0.0
    opened = SampleBlocks(stream.rate or 0, stream.channels or 0, stated_s)
    opened.warnings.extend(_length_warnings(data))
    opened.blocks = _ffmpeg_blocks(container, stream, opened.warnings)
    return opened


def _ffmpeg_blocks(
    container: av.container.InputContainer, stream: av.AudioStream, warnings: list[str]
) -> Iterator[NDArray[np.float32]]:
    """Blocks of all packets that can be decoded; damaged ones are left out and counted in a warning."""
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
            # In a damaged transport stream, a track can begin that PyAV has not listed. Depending on the content of
            # memory, it leaves out the packets of that track or fails; a new iterator knows the track.
            packets = container.demux(stream)
            continue
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            # The empty packet at the end, where it comes twice, is no damage.
            damaged += bool(packet.size)
            continue
        for frame in frames:
            yield from converter.convert(frame)
    if damaged:
        warnings.append(f"the file is damaged: {damaged} packets could not be decoded and were left out")


class _Converter:
    """Converter of frames of any format to float blocks at the stream's rate and channels."""

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
