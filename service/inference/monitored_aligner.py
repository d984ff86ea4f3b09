"""Detection of an aligner that cannot run, as opposed to one that fails on single recordings.

A recording may end every process that reads it, and a client may send it again and again: failures alone do not show
that the aligner is broken. After several in a row its models are therefore run on silence, as at the start. Where that
fails too, the fault is the server's, and the models are run again from time to time until they can.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform
from alignment.errors import AlignerFailedError, AlignerUnavailableError, CanSerError
from alignment.timing import Seconds
from alignment.transcripts.words import AlignerInfo, Transcript
from service.errors import DeadlineError, ReplicaLostError

_FAILURES: Final = 3
PROBE_EVERY_S: Final[Seconds] = 30.0
# Raised where models cannot be loaded, processes cannot be started, or the replicas of a cluster do not respond.
_FAULTS: Final = (
    AlignerFailedError,
    AlignerUnavailableError,
    ReplicaLostError,
    DeadlineError,
    OSError,
    RuntimeError,
    MemoryError,
)
log = structlog.stdlib.get_logger("service.inference.monitored_aligner")


class MonitoredAligner:
    """An `Aligner` that records failures and detects that its models cannot run.

    Attributes:
        trouble: Why the models cannot be run, whatever the recording; "" while they can.
    """

    def __init__(self, aligner: Aligner, probe_every_s: Seconds = PROBE_EVERY_S) -> None:
        """Monitor an aligner.

        Args:
            aligner: The aligner.
            probe_every_s: Time between attempts to run the models while they cannot.
        """
        self._aligner, self._probe_every_s = aligner, probe_every_s
        self._lock = threading.Lock()
        self._failures = 0
        self._probe: threading.Timer | None = None
        self._closed = False
        self.trouble = ""

    @property
    def info(self) -> AlignerInfo:
        """See `Aligner.info`."""
        return self._aligner.info

    @property
    def calls_at_once(self) -> int:
        """See `Aligner.calls_at_once`."""
        return self._aligner.calls_at_once

    @property
    def loaded(self) -> bool:
        """See `Aligner.loaded`."""
        return self._aligner.loaded

    def warm_up(self) -> None:
        """See `Aligner.warm_up`."""
        self._aligner.warm_up()

    def check_language(self, language: str | None) -> None:
        """See `Aligner.check_language`."""
        self._aligner.check_language(language)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`."""
        with self._count_failures():
            return self._aligner.recognise(waveform, language)

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`."""
        with self._count_failures():
            return self._aligner.align(waveform, text, language)

    def close(self) -> None:
        """See `Aligner.close`."""
        with self._lock:
            self._closed = True
            if self._probe:
                self._probe.cancel()
        self._aligner.close()

    @contextmanager
    def _count_failures(self) -> Iterator[None]:
        try:
            yield
        except _FAULTS:
            with self._lock:
                self._failures += 1
                if self._failures >= _FAILURES:
                    self._probe_after(0.0)
            raise
        self._recover()

    def _probe_after(self, wait_s: Seconds) -> None:
        """Run the models in a thread, unless this is planned already; call it with the lock."""
        if self._probe is None and not self._closed:
            self._probe = threading.Timer(wait_s, self._run_probe)
            self._probe.daemon = True
            self._probe.start()

    def _run_probe(self) -> None:
        reason = ""
        try:
            self._aligner.warm_up()
        except (CanSerError, *_FAULTS) as exc:
            reason = getattr(exc, "reason", "") or str(exc) or type(exc).__name__
        finally:
            with self._lock:
                self._probe = None
        if reason:
            self._fail(reason)
        else:
            self._recover()

    def _fail(self, reason: str) -> None:
        with self._lock:
            if self._closed:
                return
            if self.trouble != reason:
                log.error("aligner cannot run", aligner=self.info.name, detail=reason)
            self.trouble = reason
            self._probe_after(self._probe_every_s)

    def _recover(self) -> None:
        with self._lock:
            self._failures = 0
            if self.trouble:
                self.trouble = ""
                log.info("aligner runs again", aligner=self.info.name)


def monitor_aligner(aligner: Aligner) -> MonitoredAligner:
    """The aligner, monitored."""
    return aligner if isinstance(aligner, MonitoredAligner) else MonitoredAligner(aligner)
