"""Samples of encodings without a container, as live connections send them; a chunk may end within a sample."""

from functools import cache
from typing import Final, Literal, get_args

import av
import numpy as np
from numpy.typing import NDArray

from alignment.errors import NonFiniteAudioError

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)
TELEPHONE_RATE_HZ: Final = 8_000
"""Sample rate of G.711, which defines mulaw and alaw."""
_SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
_FULL_SCALE: Final = np.float32(32_768)


class PcmDecoder:
    """Decodes chunks of any length; the bytes of an incomplete sample are kept for the next chunk.

    Attributes:
        sample_bytes: Bytes of one sample.
    """

    def __init__(self, encoding: Encoding, rate_hz: int) -> None:
        self._encoding, self._rate_hz = encoding, rate_hz
        self.sample_bytes = _SAMPLE_BYTES[encoding]
        self._rest = b""
        self._decoded = 0

    def decode(self, chunk: bytes) -> NDArray[np.float32]:
        """(samples,) within full scale, 1; samples of pcm_f32le beyond it are clipped.

        Raises:
            NonFiniteAudioError: pcm_f32le holds NaN or infinity.
        """
        data = self._rest + chunk
        complete = len(data) - len(data) % self.sample_bytes
        self._rest = data[complete:]
        samples = _decode(data[:complete], self._encoding)
        finite = np.isfinite(samples)
        if not finite.all():
            raise NonFiniteAudioError((self._decoded + int(finite.argmin())) / self._rate_hz)
        self._decoded += len(samples)
        return np.clip(samples, np.float32(-1.0), np.float32(1.0))


def _decode(data: bytes, encoding: Encoding) -> NDArray[np.float32]:
    if encoding == "pcm_s16le":
        return np.frombuffer(data, "<i2").astype(np.float32) / _FULL_SCALE
    if encoding == "pcm_f32le":
        return np.frombuffer(data, "<f4").astype(np.float32)
    return _read_table(f"pcm_{encoding}")[np.frombuffer(data, np.uint8)]


@cache
def _read_table(codec: str) -> NDArray[np.float32]:
    """(256,) the sample of each byte of G.711, as FFmpeg decodes it."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)  # noqa: S101 - the type of an audio codec
    decoder.sample_rate, decoder.layout = TELEPHONE_RATE_HZ, "mono"
    [frame] = decoder.decode(av.Packet(bytes(range(256))))
    return frame.to_ndarray().ravel().astype(np.float32) / _FULL_SCALE
