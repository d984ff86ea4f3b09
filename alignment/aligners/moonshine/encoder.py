"""Encoder of Moonshine on ONNX Runtime: states of a stretch of speech, for its words and for the features of its sound.

The graph runs on the CPU: it was saved with operators fused for it, which the CUDA provider refuses to load. Stretches
are processed one by one, because the encoder normalises over a whole sound: padding would change the states.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.moonshine.model_files import ENCODER, SHA256, find_model_files, verify_file
from alignment.errors import AlignerUnavailableError, EncoderUnavailableError
from alignment.onnx_session import open_session
from alignment.timing import SAMPLE_RATE_HZ

ENCODER_SHA256: Final = SHA256[ENCODER]
MIN_SAMPLES: Final = SAMPLE_RATE_HZ // 10


class MoonshineEncoder:
    """Encoder, loaded once per process and on first use; thread-safe."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load nothing yet.

        Args:
            path: File of the encoder.
            threads: Threads of one call.
        """
        self._path, self._threads = path, threads

    def load(self) -> None:
        """Verify and load the model.

        Raises:
            AlignerUnavailableError: The file is missing or altered.
        """
        _load(self._path, self._threads)

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the states, (frames, 288), a frame every 24 ms.

        Args:
            samples: (samples,) float32 at 16 kHz; zeros are added to less than 0.1 s.

        Raises:
            AlignerUnavailableError: See `load`.
        """
        samples = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
        inputs = {"input_values": samples[None], "attention_mask": np.ones((1, len(samples)), np.int64)}
        [states] = _load(self._path, self._threads).run(None, inputs)
        encoded: NDArray[np.float32] = states[0]
        return encoded


@lru_cache(maxsize=2)
def _load(path: Path, threads: int) -> Any:
    verify_file(path)
    return open_session(path, threads)


def find_encoder(sha256: str = ENCODER_SHA256, threads: int = 1) -> MoonshineEncoder:
    """Locate the installed encoder without loading it.

    Args:
        sha256: Checksum of the encoder that is needed.
        threads: Threads of one call.

    Raises:
        EncoderUnavailableError: It is not installed, or another one is needed.
    """
    if sha256 != ENCODER_SHA256:
        reason = f"this program has the encoder of Moonshine tiny-en, with the SHA-256 {ENCODER_SHA256}"
        raise EncoderUnavailableError(sha256, reason, "train the weights again, or install the version that they need")
    try:
        return MoonshineEncoder(find_model_files().encoder, threads)
    except AlignerUnavailableError as exc:
        raise EncoderUnavailableError(sha256, exc.reason, exc.way_out) from exc
