"""Client of a can-ser service: speech emotion recognition over HTTP and WebSocket.

>>> from can_ser_client import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     response = client.predict("speech.wav")
>>> response.emotion, response.utterances[0].words[0].contribution
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from can_ser_client.asynchronous import AsyncClient
    from can_ser_client.errors import (
        ClientError,
        JobFailedError,
        MissingPackageError,
        RefusedError,
        UnreachableError,
        UnreadableResponseError,
    )
    from can_ser_client.events import Progress
    from can_ser_client.job_schemas import JobEntryOut, JobOut
    from can_ser_client.live_events import LiveDone, UtteranceDropped, UtteranceResult, UtteranceStarted
    from can_ser_client.retries import RetryPolicy
    from can_ser_client.schemas import PredictOut, ServedModelOut, UtteranceOut
    from can_ser_client.synchronous import Client

_NAMES = {
    "synchronous": ("Client",),
    "asynchronous": ("AsyncClient",),
    "errors": (
        "ClientError",
        "JobFailedError",
        "MissingPackageError",
        "RefusedError",
        "UnreachableError",
        "UnreadableResponseError",
    ),
    "events": ("Progress",),
    "live_events": ("LiveDone", "UtteranceDropped", "UtteranceResult", "UtteranceStarted"),
    "retries": ("RetryPolicy",),
    "job_schemas": ("JobEntryOut", "JobOut"),
    "schemas": ("PredictOut", "ServedModelOut", "UtteranceOut"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "JobEntryOut",
    "JobFailedError",
    "JobOut",
    "LiveDone",
    "MissingPackageError",
    "PredictOut",
    "Progress",
    "RefusedError",
    "RetryPolicy",
    "ServedModelOut",
    "UnreachableError",
    "UnreadableResponseError",
    "UtteranceDropped",
    "UtteranceOut",
    "UtteranceResult",
    "UtteranceStarted",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used: the service uses the schemas and does not need httpx."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"can_ser_client.{_MODULES[name]}"), name)
    except ModuleNotFoundError as exc:
        if exc.name != "httpx":
            raise
        from can_ser_client.errors import MissingPackageError

        raise MissingPackageError("httpx", "httpx") from exc
