"""Decoding of all channels at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment import audio
from alignment.channels import decode_channels
from alignment.errors import AudioTooLargeError, SilentAudioError, UnsupportedAudioError
from alignment.libsndfile import open_with_soundfile
from alignment.parts import Part
from tests.builders import encode, noise, tone

Sound = NDArray[np.float32]
VOICE, HUM = noise(1.0, rate_hz=44_100), tone(1.0, rate_hz=44_100)
SOUNDS = {
    "plain": np.stack([VOICE, HUM, 0.1 * VOICE], axis=1),
    "offset": np.stack([0.5 * VOICE + 0.2, HUM], axis=1),
    "cancelling": np.stack([VOICE, -VOICE], axis=1),
    "silent": np.stack([VOICE, np.zeros_like(VOICE)], axis=1),
    "loud": np.stack([5.0 * VOICE, HUM], axis=1),
}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Heads of the files that were opened, one entry each time."""
    opened: list[bytes] = []
    real: Callable[[Part, int], AbstractContextManager[Any]] = open_with_soundfile

    def record(part: Part, track: int = 0) -> AbstractContextManager[Any]:
        opened.append(part.head)
        return real(part, track)

    monkeypatch.setattr("alignment.containers.open_with_soundfile", record)
    return opened


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("name", SOUNDS)
def test_channels_equal_those_decoded_one_by_one(name: str, rate_hz: int) -> None:
    data = encode(SOUNDS[name], rate_hz, subtype="FLOAT")
    together, mixed = decode_channels(data), audio.decode_audio(data)
    np.testing.assert_array_equal(together.samples, mixed.samples)
    assert (together.source, together.quality) == (mixed.source, mixed.quality)
    assert len(together.tracks) == SOUNDS[name].shape[1]
    for channel, track in enumerate(together.tracks):
        single = encode(SOUNDS[name][:, channel], rate_hz, subtype="FLOAT")
        if track is None:
            with pytest.raises(SilentAudioError):
                audio.decode_audio(single)
        else:
            np.testing.assert_allclose(track, audio.decode_audio(single).samples, atol=1e-6)


def test_file_is_decoded_once_for_all_channels(passes: list[bytes]) -> None:
    sounds = [noise(1.0, seed=seed) for seed in range(8)]
    decode_channels(encode(np.stack([sound - sound.mean() for sound in sounds], axis=1)))
    assert len(passes) == 1


def test_file_with_offset_is_decoded_twice(passes: list[bytes]) -> None:
    decode_channels(encode(SOUNDS["offset"], 44_100))
    assert len(passes) == 2


def test_number_of_channels_is_checked_before_decoding() -> None:
    with pytest.raises(UnsupportedAudioError, match="number of channels for one speaker each is 9"):
        decode_channels(encode(np.tile(noise(1.0)[:, None], 9)))


def test_samples_of_all_channels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where there are more per second than those of eight channels at 96 kHz."""
    monkeypatch.setattr("alignment.mono.MAX_DENSITY_HZ", 96_000)
    monkeypatch.setattr("alignment.mono.MAX_DENSE_SAMPLES", 192_000)
    dense = np.tile(noise(3.0, rate_hz=48_000)[:, None], 3)
    for decode in (audio.decode_audio, decode_channels):
        with pytest.raises(AudioTooLargeError, match="3 channels at 48000 Hz, the limit is 1.3 s of such audio"):
            decode(encode(dense, 48_000))
        assert decode(encode(dense[:48_000], 48_000)).duration_s == 1.0
        assert decode(encode(dense[:, :2], 48_000)).duration_s == 3.0
