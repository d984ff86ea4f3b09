from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from alignment.audio import decode_audio
from alignment.quality import SoundQuality, find_band_edge, measure_quality
from tests.builders import encode, encode_with_ffmpeg, noise, speech, tone

CLIPS = ("garden", "numbers")


def resampled(clip: str, rate_hz: int) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = soxr.resample(decode_audio(speech(clip)).samples, 16_000, rate_hz)
    return samples


def narrow(samples: NDArray[np.float32], rate_hz: int, subtype: str = "PCM_16") -> NDArray[np.float32]:
    """Sound at 16 kHz after a conversion to a lower rate and a codec."""
    return decode_audio(encode(soxr.resample(samples, 16_000, rate_hz), rate_hz, subtype=subtype)).samples


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW", "GSM610"])
def test_telephone_band_is_found_after_resampling(clip: str, subtype: str) -> None:
    samples = narrow(decode_audio(speech(clip)).samples, 8_000, subtype)
    assert find_band_edge(samples) == pytest.approx(3_950, abs=150)
    assert find_band_edge(0.1 * samples) == find_band_edge(samples)


@pytest.mark.parametrize("clip", CLIPS)
def test_band_of_11_khz_is_found_after_resampling(clip: str) -> None:
    assert find_band_edge(narrow(decode_audio(speech(clip)).samples, 11_025)) == pytest.approx(5_400, abs=150)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_16"), ("OGG", "OPUS"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_telephone_band_is_found_after_another_codec(clip: str, container: str, subtype: str) -> None:
    call = soxr.resample(narrow(decode_audio(speech(clip)).samples, 8_000, "ULAW"), 16_000, 48_000)
    waveform = decode_audio(encode(call, 48_000, container=container, subtype=subtype))
    assert waveform.warnings == (waveform.quality.warnings if waveform.quality else None)
    assert "as over a telephone" in waveform.warnings[0]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
)
def test_full_band_gives_no_warning(clip: str, container: str, subtype: str) -> None:
    waveform = decode_audio(encode(resampled(clip, 48_000), 48_000, container=container, subtype=subtype))
    assert waveform.warnings == ()
    assert waveform.quality is not None
    assert waveform.quality.band_hz is None


def test_full_band_in_aac_gives_no_warning() -> None:
    assert decode_audio(encode_with_ffmpeg(resampled("garden", 48_000), "ipod", "aac")).warnings == ()


@pytest.mark.parametrize("samples", [tone(1.0), tone(1.0, 3_500), noise(1.0), np.zeros(16_000), np.zeros(0)])
def test_other_sound_has_no_edge(samples: NDArray[np.float32]) -> None:
    assert find_band_edge(samples.astype(np.float32)) is None


@pytest.mark.parametrize(
    ("rate_hz", "warning"),
    [
        (8_000, "the band of the sound ends at 4.0 kHz, as over a telephone; the scores are less reliable"),
        (11_025, "the band of the sound ends at 5.5 kHz; the scores are less reliable"),
        (12_000, "the band of the sound ends at 6.0 kHz; the scores are less reliable"),
    ],
)
def test_low_sample_rate_limits_the_band(rate_hz: int, warning: str) -> None:
    assert decode_audio(encode(tone(1.0, rate_hz=rate_hz), rate_hz)).warnings == (warning,)


def test_quality_of_a_clip() -> None:
    quality = measure_quality(decode_audio(speech("garden")).samples)
    assert quality == SoundQuality(pytest.approx(-22.3, abs=0.1), pytest.approx(52, abs=2), None)  # type: ignore[arg-type]


def assert_no_false_alarm(paths: list[Path]) -> None:
    assert paths
    for path in paths:
        assert (path.name, decode_audio(path.read_bytes()).warnings) == (path.name, ())


def test_acted_speech_gives_no_warning(ravdess: Path) -> None:
    assert_no_false_alarm(sorted(ravdess.glob("*/*.*"))[::6])


def test_acted_speech_in_opus_gives_no_warning(nemo: Path) -> None:
    assert_no_false_alarm(sorted(nemo.glob("*.ogg"))[::22])


def test_natural_speech_gives_no_warning(real_speech: Path) -> None:
    assert_no_false_alarm([real_speech / "jfk.flac"])


def test_telephone_band_is_found_in_acted_speech(ravdess: Path) -> None:
    for path in sorted(ravdess.glob("*/*.*"))[::20]:
        samples = decode_audio(path.read_bytes()).samples
        assert find_band_edge(narrow(samples, 8_000, "ULAW")) == pytest.approx(3_900, abs=200), path.name
