"""Broken audio files: a short clip in every container, corrupted in many ways.

The same seed produces the same files, in tests and in `python -m tests.fuzz_decoders`.
"""

import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.builders import encode, encode_with_ffmpeg, speech

_CLIP_S: Final = (0.4, 1.2)
_EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 2**63 - 1)
_SOUNDFILE: Final = {
    "wav": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-double": ("WAV", "DOUBLE"),
    "wav-ulaw": ("WAV", "ULAW"),
    "wav-ima": ("WAV", "IMA_ADPCM"),
    "wav-ms": ("WAV", "MS_ADPCM"),
    "wav-gsm": ("WAV", "GSM610"),
    "wavex": ("WAVEX", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "caf-alac": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "ogg-opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_FFMPEG: Final = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "m4a-alac": ("ipod", "alac"),
    "mp4-opus": ("mp4", "libopus"),
    "mov-pcm": ("mov", "pcm_s16le"),
    "webm": ("webm", "libopus"),
    "mkv-flac": ("matroska", "flac"),
    "mkv-pcm": ("matroska", "pcm_s16le"),
    "mpegts": ("mpegts", "mp2"),
    "flv": ("flv", "aac"),
    "avi": ("avi", "mp3"),
    "asf": ("asf", "libmp3lame"),
    "aac": ("adts", "aac"),
}
CONTAINERS: Final = (*_SOUNDFILE, *_FFMPEG)


@cache
def clip() -> NDArray[np.float32]:
    """(samples,) 0.8 s of speech at 16 kHz."""
    samples, rate_hz = soundfile.read(io.BytesIO(speech("garden")), dtype="float32")
    excerpt: NDArray[np.float32] = samples[int(_CLIP_S[0] * rate_hz) : int(_CLIP_S[1] * rate_hz)]
    return excerpt


@cache
def whole(container: str) -> bytes:
    """The intact clip in a container."""
    if container in _SOUNDFILE:
        form, subtype = _SOUNDFILE[container]
        return encode(clip(), 16_000, container=form, subtype=subtype)
    form, codec = _FFMPEG[container]
    return encode_with_ffmpeg(np.repeat(clip(), 3), form, codec, 48_000)


def mutants(seed: int, count: int, containers: tuple[str, ...] = CONTAINERS) -> Iterator[tuple[str, bytes]]:
    """Name and data of each broken file; containers and mutations alternate."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        container = containers[number % len(containers)]
        mutation = _MUTATIONS[(number // len(containers)) % len(_MUTATIONS)]
        yield f"{seed}/{number} {container} {mutation.__name__}", mutation(whole(container), generator)


def _truncated(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: int(generator.integers(1, len(data)))]


def _truncated_in_header(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: int(generator.integers(1, min(200, len(data))))]


def _bits_flipped(data: bytes, generator: np.random.Generator) -> bytes:
    broken = np.frombuffer(data, np.uint8).copy()
    places = generator.integers(0, len(data), int(2 ** generator.uniform(0, 9)))
    broken[places] ^= (1 << generator.integers(0, 8, len(places))).astype(np.uint8)
    return broken.tobytes()


def _header_bits_flipped(data: bytes, generator: np.random.Generator) -> bytes:
    head = min(len(data), int(generator.choice([48, 128, 1024])))
    return _bits_flipped(data[:head], generator) + data[head:]


def _extreme_number(data: bytes, generator: np.random.Generator) -> bytes:
    """Replace numbers of 1 to 8 bytes by extreme values, in the header or, half of the time, anywhere."""
    broken = bytearray(data)
    for _ in range(int(generator.integers(1, 4))):
        size = int(generator.choice([1, 2, 4, 8]))
        order: str = generator.choice(["little", "big"])
        value = int(generator.choice(_EXTREMES)) % 256**size
        reach = len(data) if generator.random() < 0.5 else min(256, len(data))
        place = int(generator.integers(0, max(1, reach - size)))
        broken[place : place + size] = value.to_bytes(size, "little" if order == "little" else "big")
    return bytes(broken)


def _range_overwritten(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted(generator.integers(0, len(data), 2))
    fill = int(generator.choice([0x00, 0xFF, -1]))
    middle = generator.bytes(int(end - start)) if fill < 0 else bytes([fill]) * int(end - start)
    return data[:start] + middle + data[end:]


def _range_removed(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted(generator.integers(0, len(data), 2))
    return data[:start] + data[end:]


def _range_repeated(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted(generator.integers(0, len(data), 2))
    return data[:end] + data[start:]


def _noise_inserted(data: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(0, len(data)))
    return data[:place] + generator.bytes(int(generator.integers(1, 3_000))) + data[place:]


def _joined_to_other_file(data: bytes, generator: np.random.Generator) -> bytes:
    other = whole(CONTAINERS[int(generator.integers(0, len(CONTAINERS)))])
    return data[: int(generator.integers(1, len(data) + 1))] + other


def _random_after_magic(data: bytes, generator: np.random.Generator) -> bytes:
    head = int(generator.choice([4, 8, 12, 16, 44, 64]))
    return data[:head] + generator.bytes(2_000)


def _zeros_prepended(data: bytes, generator: np.random.Generator) -> bytes:
    return bytes(int(generator.integers(1, 5_000))) + data


_MUTATIONS: Final[tuple[Callable[[bytes, np.random.Generator], bytes], ...]] = (
    _truncated,
    _bits_flipped,
    _extreme_number,
    _header_bits_flipped,
    _range_overwritten,
    _range_removed,
    _range_repeated,
    _noise_inserted,
    _joined_to_other_file,
    _random_after_magic,
    _truncated_in_header,
    _zeros_prepended,
)
