"""Conversion of responses into files: small ones in threads, large ones in processes that end with their file.

Writing a large file takes seconds of the interpreter, in which the other requests of its process would wait for it.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from alignment.memory import return_memory
from alignment.timing import Seconds
from alignment.worker_pool import WorkerPool
from can_ser_client.schemas import PredictOut
from service.errors import NotReadyError
from service.exports.formats import ExportRequest, write_export

LARGE_BYTES: Final = 1_000_000
_LIMIT_S: Final[Seconds] = 120.0
Read = Callable[[bytes], PredictOut]
log = structlog.stdlib.get_logger("service.exports.conversion")


class _StoppedError(Exception):
    """The process of a conversion has died, took too long, or was stopped."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A response as a file.

    Attributes:
        content: The file.
        warnings: Warnings of the response, which most files have no place for.
    """

    content: bytes
    warnings: list[str]


def write_file(response: PredictOut, export: ExportRequest, name: str) -> WrittenFile:
    """A response as a file, with its warnings."""
    return WrittenFile(write_export(response, export, name), response.warnings)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A response and the file to be written from it.

    Attributes:
        data: JSON of the response.
        read: Reads it; a function of a module, for another process.
        export: Format of the file.
        name: Name of the recording.
    """

    data: bytes
    read: Read
    export: ExportRequest
    name: str

    def run(self) -> WrittenFile:
        """Read the response and write the file.

        Raises:
            Errors of `read`.
        """
        return write_file(self.read(self.data), self.export, self.name)


class Converter:
    """Writes files apart from the event loop."""

    def __init__(self) -> None:
        self._pools: set[WorkerPool] = set()
        self._closed = False

    async def convert(self, conversion: Conversion) -> WrittenFile:
        """Write a file.

        Raises:
            NotReadyError: The service is stopping.
            Errors of `conversion.read`.
        """
        if len(conversion.data) <= LARGE_BYTES:
            return await asyncio.to_thread(conversion.run)
        return await asyncio.to_thread(self._convert_apart, conversion)

    def _convert_apart(self, conversion: Conversion) -> WrittenFile:
        """Write a file in a process of its own; in this one, where that cannot be."""
        pool = WorkerPool(1, _ignore_signals, _LIMIT_S, _StoppedError, attempts=1)
        self._pools.add(pool)
        try:
            if self._closed:
                pool.close()
            [file] = pool.map(Conversion.run, [(conversion,)])
        except _StoppedError as exc:
            if self._closed:
                raise NotReadyError("the service is stopping") from exc
            log.warning("file written in a thread", reason=str(exc))
            file = conversion.run()
        finally:
            self._pools.discard(pool)
            pool.close()
            return_memory()
        return file

    def close(self) -> None:
        """Stop the processes; files that are being written are abandoned."""
        self._closed = True
        for pool in list(self._pools):
            pool.close()


def _ignore_signals() -> None:
    """Leave signals of a terminal to the service, which stops its processes."""
    for sent_by_terminal in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sent_by_terminal, signal.SIG_IGN)
