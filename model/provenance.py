"""Which code trained a fold: figures of two versions of it are no row of one table."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

_TRAINING_CODE: Final = (
    "attention.py",
    "augmentation.py",
    "batching.py",
    "can.py",
    "encoders.py",
    "experiment.py",
    "metrics.py",
    "objective.py",
    "packed_lstm.py",
    "quantisation.py",
    "ragged.py",
    "training.py",
    "baselines/frames.py",
    "baselines/learned_alignment.py",
    "baselines/multihop.py",
    "baselines/unimodal.py",
)


@cache
def training_code() -> str:
    """Digest of the modules that decide what a fold's figures are, features apart: those have their own."""
    digest = hashlib.sha256()
    for name in _TRAINING_CODE:
        digest.update((files("model") / name).read_bytes())
    return digest.hexdigest()[:16]
