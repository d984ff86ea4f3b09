"""Samples without a header, as live connections receive them."""

import io
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

ENCODERS: Final = {
    "pcm_s16le": ("RAW", "PCM_16"),
    "pcm_f32le": ("RAW", "FLOAT"),
    "mulaw": ("RAW", "ULAW"),
    "alaw": ("RAW", "ALAW"),
}
"""Container and subtype of libsndfile by `alignment.pcm.Encoding`."""


def encode_raw(samples: NDArray[np.floating], encoding: str, rate_hz: int) -> bytes:
    """Samples without a header, encoded by libsndfile."""
    container, subtype = ENCODERS[encoding]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=container, subtype=subtype, endian="LITTLE")
    return buffer.getvalue()
