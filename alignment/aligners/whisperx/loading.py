"""Loading what others wrote: offline, quiet, and with one error of ours for whatever is wrong."""

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Final

_BROKEN: Final = (ImportError, OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.UnpicklingError)
# Read by libraries when they are imported: nothing is told to anybody. Nothing is asked either: they load folders.
_ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
}


@contextmanager
def loading(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Loads models inside.

    Args:
        refusal: makes the error that is raised, of the reason in words.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        # The library prints to standard output, which belongs to our own answers.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            # It never decodes files here, so that the decoder it misses is not missed.
            warnings.filterwarnings("ignore", message="(?s).*torchcodec is not installed correctly")
            yield
    except _BROKEN as exc:
        raise refusal(f"{type(exc).__name__}: {exc}") from exc
