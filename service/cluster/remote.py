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

_LOST: Final = (RayActorError, NodeDiedError, ObjectLostError, WorkerCrashedError)
# A dying node may take several replicas with it before the router has heard of all of them.
_ATTEMPTS: Final = 5
_NETWORK_CALLS: Final = 4
log = structlog.stdlib.get_logger("service.cluster.deployments")


class RemoteStage:
    """Calls to a deployment's replicas, from threads."""

    def __init__(self, name: str, handle: "DeploymentHandle[Any]", limit_s: Seconds) -> None:
        """Calls nothing yet.

        Args:
            name: of the deployment.
            handle: to it.
            limit_s: a call takes no longer.
        """
        self._name, self._handle, self._limit_s = name, handle, limit_s

    def call(self, method: str, *arguments: object, limit_s: Seconds | None = None) -> Any:
        """What a replica answers.

        Args:
            method: of the deployment's class.
            arguments: for it.
            limit_s: None for the usual one.

        Raises:
            AlignmentError, ModelError: the replica's own error, as it would be without a network between.
            ReplicaLostError: replicas died under the call, again and again.
            DeadlineError: it took too long.
        """
        limit_s = limit_s or self._limit_s
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return getattr(self._handle, method).remote(*arguments).result(timeout_s=limit_s)
            except RayTaskError as exc:
                # Ray's own error is of both classes, and its text is a traceback.
                raise exc.cause from exc
            except _LOST as exc:
                log.warning("a replica was lost", stage=self._name, attempt=attempt, error=type(exc).__name__)
            except TimeoutError as exc:
                raise DeadlineError(limit_s, 0.0) from exc
        raise ReplicaLostError(self._name, _ATTEMPTS)


class RemoteAligner:
    """An `Aligner` whose work is done by replicas."""

    def __init__(self, stage: RemoteStage, calls_at_once: int, start_s: Seconds) -> None:
        """Calls nothing yet.

        Args:
            stage: the replicas.
            calls_at_once: how many may wait; the replicas have a queue in front of them.
            start_s: the first replica is there within so long.
        """
        self.info = AlignerInfo("unknown", "", "", "its replicas are starting")
        self.calls_at_once = calls_at_once
        self._stage, self._start_s = stage, start_s

    def warm_up(self) -> None:
        """Waits for a replica: it has answered its warm-up before it takes calls."""
        self.info = self._stage.call("describe", limit_s=self._start_s)

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """See `Aligner.recognise`."""
        transcript: Transcript = self._stage.call("recognise", waveform, language)
        return transcript

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """See `Aligner.align`."""
        transcript: Transcript = self._stage.call("align", waveform, text, language)
        return transcript

    def close(self) -> None:
        """The replicas are Ray's to end."""


class RemoteClassifier:
    """A `Classifier` whose network runs in replicas."""

    def __init__(self, stage: RemoteStage, bundle: Bundle, start_s: Seconds) -> None:
        """Calls nothing yet.

        Args:
            stage: the replicas.
            bundle: as this process reads it; the replicas' must be the same.
            start_s: as for `RemoteAligner`.
        """
        self.bundle, self.provider, self.calls_at_once = bundle, "", _NETWORK_CALLS
        self._stage, self._start_s = stage, start_s

    def warm_up(self) -> None:
        """Waits for a replica.

        Raises:
            SettingsError: it serves another bundle, whose features are not ours.
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
