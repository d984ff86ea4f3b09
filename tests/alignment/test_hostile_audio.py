"""Files that break decoders; more of them: python -m tests.fuzz_decoders."""

from collections.abc import Iterator
from contextlib import suppress

import av
import numpy as np
import pytest

from alignment.audio import decode_audio
from alignment.channels import decode_channels
from alignment.errors import AlignmentError, DecodingAbandonedError, UndecodableAudioError
from alignment.ffmpeg import open_with_ffmpeg
from alignment.parts import open_parts
from tests.builders import FIXTURES, encode, encode_with_ffmpeg, tone
from tests.mutations import CONTAINERS, whole


@pytest.mark.parametrize("container", CONTAINERS)
def test_ffmpeg_decodes_every_container(container: str) -> None:
    """FFmpeg opens the files that libsndfile refuses, so its list of decoders must be complete."""
    with open_parts(whole(container)) as [part], open_with_ffmpeg(part) as opened:
        assert sum(len(block) for block in opened.blocks) / opened.sample_rate_hz == pytest.approx(0.8, abs=0.05)


def test_unlisted_track_does_not_end_the_audio() -> None:
    """A transport stream with a flipped bit in its table, for which PyAV raises IndexError in most runs.

    It is a file and not generated, because the encoder's output differs between processors and runs.
    """
    waveform = decode_audio((FIXTURES / "hostile" / "late_track.ts").read_bytes())
    assert (len(waveform.samples), waveform.warnings) == (1_920, ())


def test_unsupported_codec_is_refused() -> None:
    data = encode_with_ffmpeg(np.repeat(tone(1.0), 3), "matroska", "truehd" if has("truehd") else "wavpack")
    with pytest.raises(UndecodableAudioError, match="is not supported"):
        decode_audio(data)


def has(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def test_wrong_size_of_a_packet_is_no_unexpected_error() -> None:
    """Packets that are cut can decode to frames of a format that FFmpeg's resampler refuses."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(125_000, np.float32)
    data = encode_with_ffmpeg(samples, "ipod", "aac")
    first = data.find(b"stsz") + 16
    results = []
    for at in range(first, first + 4 * 110, 4):
        size = int.from_bytes(data[at : at + 4], "big") // 2
        with suppress(AlignmentError):
            results.append(decode_audio(data[:at] + size.to_bytes(4, "big") + data[at + 4 :]).duration_s)
    assert len(results) > 50


@pytest.mark.parametrize("decode", [decode_audio, decode_channels])
@pytest.mark.parametrize("container", ["FLAC", "mp4"])
def test_abandoned_decoding_stops(decode: object, container: str) -> None:
    """Decoding of one minute stops at the first block after the request has ended."""
    stereo = np.tile(tone(60.0, rate_hz=8_000)[:, None], (1, 2))
    data = (
        encode(stereo, 8_000, container="FLAC")
        if container == "FLAC"
        else encode_with_ffmpeg(stereo, "mp4", "aac", 8_000)
    )
    calls: Iterator[int] = iter(range(1_000_000))
    with pytest.raises(DecodingAbandonedError):
        decode(data, 1_000.0, abandoned=lambda: next(calls) >= 2)  # type: ignore[operator]
    assert next(calls) <= 4
