"""HTTP service, command line and Python API around `alignment` and `model`.

>>> from service import EmotionRecogniser
>>> response = EmotionRecogniser().recognise("speech.wav")
>>> response.emotion, response.to_dataframe()
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.client import AsyncClient, Client
    from service.recogniser import EmotionRecogniser

_MODULES = {"EmotionRecogniser": "recogniser", "Client": "client", "AsyncClient": "client"}
__all__ = ["AsyncClient", "Client", "EmotionRecogniser"]


def __getattr__(name: str) -> object:
    """Import a name when it is first used, so that importing the package has no side effects."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from alignment.errors import optional_packages

    with optional_packages("client", "httpx"):
        return getattr(import_module(f"service.{_MODULES[name]}"), name)
