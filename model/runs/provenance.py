"""Version of the training code, recorded with each fold: figures of two versions do not belong in one table."""

import hashlib
from functools import cache
from typing import Final

from model.data.cache import digest_code

_TRAINING_CODE: Final = (
    *("network", "training", "data", "runs"),
    *("bundle.py", "config.py", "scores.py", "vocabulary.py"),
)


@cache
def training_code() -> str:
    """Digest of the modules that decide a fold's figures, except feature extraction, which has a digest of its own."""
    digest = hashlib.sha256()
    digest_code(digest, "model", _TRAINING_CODE)
    return digest.hexdigest()[:16]
