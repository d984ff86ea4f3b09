"""Scheduler that run in other processes of a Ray cluster, behind the interfaces that they have in this one.

A call whose replica dies, alone or with its node, is made again on another one: recognising and scoring change nothing
anywhere, so that doing it twice is safe. Ray Serve itself repeats only calls that no replica had accepted.
"""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, RayTaskError, WorkerCrashedError
from ray.serve.handle import DeploymentHandle

from alignment.audio import Waveform
from alignment.features.extraction import UtteranceFeatures
from alignment.timing import Seconds
from alignment.transcripts.words import AlignerInfo, Transcript
from model.bundle import Bundle
from model.scores import UtteranceScores
from service.errors import DeadlineError, ReplicaLostError, SettingsError
from service.inference.languages import LanguageRefusals

_LOST: Final = (RayActorError, NodeDiedError, ObjectLostError, WorkerCrashedError)
# A dying node may end several replicas before the router is notified of all of them.
_ATTEMPTS: Final = 5
_NETWORK_CALLS: Final = 4
log = structlog.stdlib.get_logger("service.cluster.deployments")


class RemoteStage:
    """Calls from threads to the replicas of a deployment."""

    def __init__(self, name: str, handle: "DeploymentHandle[Any]", limit_s: Seconds) -> None:
        """Make no call yet.

        Args:
            name: Name of the deployment.
            handle: Its handle.
            limit_s: Timeout of a call.
        """
        self._name, self._handle, self._limit_s = name, handle, limit_s

    def call(self, method: str, *arguments: object, limit_s: Seconds | None = None) -> Any:
        """Result of a replica.

        Args:
            method: Method of the deployment class.
            arguments: Its arguments.
            limit_s: Timeout; None for the default.

        Raises:
            AlignmentError, ModelError: The error of the replica, as in one process.
            ReplicaLostError: Several replicas died during the call.
            DeadlineError: The call timed out.
        """
        limit_s = limit_s or self._limit_s
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return getattr(self._handle, method).remote(*arguments).result(timeout_s=limit_s)
            except RayTaskError as exc:
                # The error of Ray is of both classes, and its text is a traceback.
                raise exc.cause from exc
            except _LOST as exc:
                log.warning("replica lost", stage=self._name, attempt=attempt, error=type(exc).__name__)
            except TimeoutError as exc:
                raise DeadlineError(limit_s, 0.0) from exc
        raise ReplicaLostError(self._name, _ATTEMPTS)


class RemoteAligner:
    """An `Aligner` that calls replicas."""

    def __init__(self, stage: RemoteStage, calls_at_once: int, start_s: Seconds) -> None:
        """Make no call yet.

        Args:
            stage: The replicas.
            calls_at_once: Number of calls that may wait; the replicas have a queue of their own.
            start_s: Longest wait for the first replica.
        """
        self.info = AlignerInfo("unknown", "", "", "its replicas are starting")
        self.calls_at_once = calls_at_once
        # Each replica unloads its own models.
        self.loaded = True
        self._refusals = LanguageRefusals()
        self._stage, self._start_s = stage, start_s

    def warm_up(self) -> None:
        """Wait for a replica, which accepts calls after its warm-up."""
        self.info, self._refusals = self._stage.call("describe", limit_s=self._start_s)

    def check_language(self, language: str | None) -> None:
        """See `Aligner.check_language`: as the replica did that `warm_up` called, so that no call waits for it."""
        self._refusals.check(language)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`."""
        transcript: Transcript = self._stage.call("recognise", waveform, language)
        return transcript

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`."""
        transcript: Transcript = self._stage.call("align", waveform, text, language)
        return transcript

    def close(self) -> None:
        """Do nothing: Ray ends the replicas."""


class RemoteClassifier:
    """A `Classifier` that calls replicas."""

    def __init__(self, stage: RemoteStage, bundle: Bundle, start_s: Seconds) -> None:
        """Make no call yet.

        Args:
            stage: The replicas.
            bundle: Bundle of this process; the replicas must serve the same one.
            start_s: As for `RemoteAligner`.
        """
        self.bundle, self.provider, self.calls_at_once = bundle, "", _NETWORK_CALLS
        self._stage, self._start_s = stage, start_s

    def warm_up(self) -> None:
        """Wait for a replica.

        Raises:
            SettingsError: It serves another bundle, which may need other features.
        """
        version, self.provider = self._stage.call("describe", limit_s=self._start_s)
        if version != self.bundle.version:
            raise SettingsError(
                f"the replicas serve version {version} of the bundle, the ingress {self.bundle.version}; give all "
                "nodes the same image, or the same folder in CAN_BUNDLE"
            )

    def classify(self, utterances: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """See `Classifier.classify`."""
        scores: list[UtteranceScores] = self._stage.call("classify", list(utterances))
        return scores
