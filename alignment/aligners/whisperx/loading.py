"""Loading of third-party models: offline, without output, with one error type for every failure."""

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Final

_BROKEN: Final = (ImportError, OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError)
# Read by the libraries at import: no telemetry is sent.
_ENVIRONMENT: Final = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "PYANNOTE_METRICS_ENABLED": "0"}


@contextmanager
def loading(make_error: Callable[[str], Exception]) -> Iterator[None]:
    """Load models inside the block.

    Args:
        make_error: Makes the error to raise from a description of the failure.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        # The library prints to standard output, which is reserved for results.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # Files are never decoded by the library, so the missing decoder does not matter.
            warnings.filterwarnings("ignore", message="(?s).*torchcodec is not installed correctly")
            yield
    except _BROKEN as exc:
        raise make_error(f"{type(exc).__name__}: {exc}") from exc
