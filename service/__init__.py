"""HTTP, command line and Python around `alignment` and `model`; no maths of its own.

>>> from service import EmotionRecogniser
>>> answer = EmotionRecogniser().recognise("speech.wav")
>>> answer.emotion, answer.to_dataframe()
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.client import AsyncClient, Client
    from service.recogniser import EmotionRecogniser

_HOMES = {"EmotionRecogniser": "recogniser", "Client": "client", "AsyncClient": "client"}
__all__ = ["AsyncClient", "Client", "EmotionRecogniser"]


def __getattr__(name: str) -> object:
    """Imported when it is first named, so that importing the package does nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"service.{_HOMES[name]}"), name)
    except ModuleNotFoundError as exc:
        if exc.name != "httpx":
            raise
        from service.errors import MissingPackageError

        raise MissingPackageError("httpx", "client") from exc
