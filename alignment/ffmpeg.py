"""Blocks of samples by FFmpeg (PyAV): m4a, mp4, webm and others that hold their own audio."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from alignment.errors import UndecodableAudioError
from alignment.parts import Part
from alignment.sample_blocks import SampleBlocks, length_warnings
from alignment.timeline import Timeline
from alignment.timing import Seconds

_WITH_LENGTH: Final = ("mov", "matroska", "flac")
_WITH_TIMESTAMPS: Final = (*_WITH_LENGTH, "mpegts", "flv", "asf", "ogg")
# The timestamps of flac count samples, from any number on where a stream was recorded from its middle.
_COUNTING_SAMPLES: Final = "flac"
_WITH_EDITS: Final = "mov"
_EDITED_RATIO: Final = 0.97
_MAX_TRACKS: Final = 8
_TAGGED_LENGTH: Final = re.compile(r"(\d{2,4}):(\d\d):(\d\d(?:\.\d+)?)")
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


def count_tracks(part: Part) -> int:
    """Number of audio tracks of a file, at most 8; 1 where FFmpeg cannot read it."""
    try:
        with _open_container(part) as container:
            return min(_MAX_TRACKS, len(container.streams.audio))
    except UndecodableAudioError:
        return 1


@contextmanager
def open_with_ffmpeg(part: Part, track: int = 0) -> Iterator[SampleBlocks]:
    """Open a file in another format of FFmpeg that holds its own audio.

    Raises:
        UndecodableAudioError: FFmpeg does not support the format, or the file holds no audio track.
    """
    with _open_container(part) as container:
        yield _opened_by_ffmpeg(container, part, track)


@contextmanager
def _open_container(part: Part) -> Iterator[av.container.InputContainer]:
    try:
        container = av.open(part.open(), "r", options=_FFMPEG_OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as exc:
        raise UndecodableAudioError(exc.strerror or "unknown format") from exc
    with container:
        yield container


def _opened_by_ffmpeg(container: av.container.InputContainer, part: Part, track: int) -> SampleBlocks:
    if track >= len(container.streams.audio):
        raise UndecodableAudioError(
            "the file holds no audio track" if not track else f"it has no audio track {track + 1}"
        )
    stream = container.streams.audio[track]
    if getattr(stream, "codec_context", None) is None:
        raise UndecodableAudioError("its audio codec is unknown")
    if stream.codec_context.name not in _FFMPEG_CODECS.split(","):
        raise UndecodableAudioError(f"its audio codec {stream.codec_context.name} is not supported")
    opened = SampleBlocks(stream.rate or 0, stream.channels or 0, _stated_length(container, stream))
    opened.warnings.extend(length_warnings(part))
    opened.blocks = _ffmpeg_blocks(container, stream, opened)
    return opened


def _stated_length(container: av.container.InputContainer, stream: av.AudioStream) -> Seconds:
    """Length of a track in its header, 0 where there is none; that of a container can be the length of a video.

    Other containers state no length: FFmpeg estimates it from the bit rate of the first frames.
    """
    if not container.format.name.startswith(_WITH_LENGTH):
        return 0.0
    if stream.duration and stream.time_base:
        start_s = (container.start_time or 0) / av.time_base
        return float(
            (stream.start_time or 0) * stream.time_base - Fraction(start_s) + stream.duration * stream.time_base
        )
    if tagged := _TAGGED_LENGTH.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = tagged.groups()
        return 3_600 * int(hours) + 60 * int(minutes) + float(seconds)
    return container.duration / av.time_base if container.duration and len(container.streams) == 1 else 0.0


def _make_timeline(container: av.container.InputContainer, stream: av.AudioStream) -> Timeline | None:
    """The timeline of a track; None where timestamps are counted from the samples."""
    if not container.format.name.startswith(_WITH_TIMESTAMPS) or not stream.rate:
        return None
    end_s = container.duration / av.time_base if container.duration else 0.0
    if container.format.name == _COUNTING_SAMPLES:
        return Timeline(stream.rate, stream.channels or 1, None, end_s, tolerance_s=1 / stream.rate)
    start_s = None if container.start_time is None else container.start_time / av.time_base
    return Timeline(stream.rate, stream.channels or 1, start_s, end_s)


def _ffmpeg_blocks(
    container: av.container.InputContainer, stream: av.AudioStream, opened: SampleBlocks
) -> Iterator[NDArray[np.float32]]:
    """Blocks of all packets that can be decoded; damaged ones are left out and counted in a warning."""
    converter, timeline = _Converter(stream.rate, stream.layout), _make_timeline(container, stream)
    edits = _EditList(stream, opened.stated_s) if container.format.name.startswith(_WITH_EDITS) else None
    for frame in _decode_frames(container, stream, opened.warnings):
        if edits is not None:
            edits.add(frame.samples)
        time_s = frame.time if frame.pts is not None else None
        if timeline is not None:
            yield from timeline.fill(time_s)
        for block in converter.convert(frame):
            if timeline is not None:
                timeline.advance(len(block))
            yield block
    if messages := [*(timeline.describe() if timeline else ()), *(edits.describe() if edits else ())]:
        opened.warnings.extend(messages)
        # The stated length is that of the timestamps, which the messages are about.
        opened.stated_s = 0.0


def _decode_frames(
    container: av.container.InputContainer, stream: av.AudioStream, warnings: list[str]
) -> Iterator[av.AudioFrame]:
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
        yield from frames
    if damaged:
        packets_were = (
            "1 packet could not be decoded and was"
            if damaged == 1
            else f"{damaged} packets could not be decoded and were"
        )
        warnings.append(f"the file is damaged: {packets_were} left out")


class _EditList:
    """Sound of an mp4 file that its edit list leaves out: it is there, and no player plays it."""

    def __init__(self, stream: av.AudioStream, stated_s: Seconds) -> None:
        self._stream, self._stated_s = stream, stated_s
        self._longest = self._samples = 0

    def add(self, samples: int) -> None:
        """Count a decoded frame."""
        self._longest = max(self._longest, samples)
        self._samples += samples

    def describe(self) -> Iterator[str]:
        """Message about the sound that is left out, after the last frame."""
        is_pcm = self._stream.codec_context.name.startswith("pcm_")
        length_s = self._stream.frames * (1 if is_pcm else self._longest) / self._stream.rate
        most_s = max(self._stated_s, self._samples / self._stream.rate)
        # The last frame may be shorter than the others.
        if self._stated_s and most_s + 2 * self._longest / self._stream.rate < _EDITED_RATIO * length_s:
            yield f"the edit list of the file leaves out {length_s - most_s:.1f} s of its sound, as in a player"


class _Converter:
    """Converter of frames of any format to float blocks at one rate, with one layout of channels.

    Samples are packed: PyAV reads planar frames of eight and more channels past their list of planes.
    """

    def __init__(self, rate_hz: int, layout: av.AudioLayout) -> None:
        self._rate_hz, self._layout = rate_hz, layout
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """(samples, channels) blocks of one frame."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._source:
            self._resampler = av.AudioResampler(format="flt", layout=self._layout, rate=self._rate_hz)
            self._source = source
        frame.pts = None
        for packed in _resample(self._resampler, frame):
            yield packed.to_ndarray().reshape(-1, self._layout.nb_channels).astype(np.float32, copy=False)


def _resample(resampler: av.AudioResampler, frame: av.AudioFrame) -> list[av.AudioFrame]:
    try:
        return resampler.resample(frame)
    except av.error.FFmpegError as exc:
        raise UndecodableAudioError(f"its samples cannot be converted ({exc.strerror})") from exc
