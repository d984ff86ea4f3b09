"""Containers with several tracks and edited timestamps."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Shift = Callable[[float], float | None]
"""Timestamp of a packet in seconds, from the one that it would have; None leaves it out."""


def mux(
    tracks: Sequence[NDArray[np.float32]],
    container: str,
    codec: str,
    *,
    rate_hz: int = 48_000,
    shift: Shift = lambda time_s: time_s,
    video_s: float = 0.0,
) -> bytes:
    """File of FFmpeg with one mono audio track per sound.

    Args:
        tracks: (samples,) of each track.
        container: Format of the file.
        codec: Codec of all tracks.
        rate_hz: Rate of the samples.
        shift: Moves the audio packets.
        video_s: Length of a video track; 0 for none.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        video = _add_video(file) if video_s else None
        streams = [file.add_stream(codec, rate=rate_hz, layout="mono") for _ in tracks]
        packets: list[av.Packet[Any]] = []
        for stream, samples in zip(streams, tracks, strict=True):
            assert isinstance(stream, av.AudioStream)
            packets += [p for p in _encode(stream, samples, rate_hz) if _move(p, shift)]
        if video is not None:
            packets += _draw(video, video_s)
        for packet in sorted(packets, key=lambda each: float((each.dts or 0) * each.time_base)):
            file.mux(packet)
    return buffer.getvalue()


def _encode(stream: av.AudioStream, samples: NDArray[np.float32], rate_hz: int) -> "list[av.Packet[Any]]":
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="fltp", layout="mono")
    frame.rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    size = stream.codec_context.frame_size or 1_024
    resampler = av.AudioResampler(stream.codec_context.format, "mono", rate_hz, frame_size=size)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return [packet for piece in (*frames, None) for packet in stream.encode(piece)]


def _move(packet: "av.Packet[Any]", shift: Shift) -> bool:
    """Move a packet; returns whether it stays."""
    assert packet.pts is not None
    assert packet.dts is not None
    time_s = float(packet.pts * packet.time_base)
    moved_s = shift(time_s)
    if moved_s is None:
        return False
    by = round((moved_s - time_s) / packet.time_base)
    packet.pts, packet.dts = packet.pts + by, packet.dts + by
    return True


def _add_video(file: av.container.OutputContainer) -> av.VideoStream:
    video = file.add_stream("mpeg4", rate=5)
    assert isinstance(video, av.VideoStream)
    video.width = video.height = 16
    return video


def _draw(video: av.VideoStream, duration_s: float) -> "list[av.Packet[Any]]":
    packets: list[av.Packet[Any]] = []
    for number in range(round(5 * duration_s)):
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 5)
        packets += video.encode(frame)
    return [*packets, *video.encode(None)]
