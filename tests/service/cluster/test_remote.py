"""Calls to replicas, with a handle that does what it is told; the real ones are in test_cluster.py."""

from typing import Any, cast

import pytest

pytest.importorskip("ray", reason="ray is not installed: make install-cluster")

from ray.exceptions import ActorDiedError, RayTaskError

from alignment.errors import NoSpeechError
from model.bundle import Bundle
from service.cluster.remote import RemoteAligner, RemoteClassifier, RemoteStage
from service.errors import DeadlineError, ReplicaLostError, SettingsError


class FakeHandle:
    """Each call takes the next outcome: an error is raised, anything else is the answer."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[str] = []

    def __getattr__(self, method: str) -> "FakeHandle":
        self.calls.append(method)
        return self

    def remote(self, *arguments: object) -> "FakeHandle":
        return self

    def result(self, timeout_s: float) -> object:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def stage(*outcomes: object) -> RemoteStage:
    return RemoteStage("Aligner", cast("Any", FakeHandle(*outcomes)), 1.0)


def test_a_call_whose_replica_dies_is_made_again() -> None:
    assert stage(ActorDiedError(), ActorDiedError(), "answer").call("recognise") == "answer"


def test_not_for_ever() -> None:
    with pytest.raises(ReplicaLostError, match="Aligner"):
        stage(*[ActorDiedError()] * 9).call("recognise")


def raised_there(error: Exception) -> RayTaskError:
    """As Ray tells of an error in another process."""
    told: RayTaskError = RayTaskError("recognise", "a traceback", error).as_instanceof_cause()
    return told


def test_an_error_is_the_replica_s_own() -> None:
    error = raised_there(NoSpeechError(2.0))
    assert "traceback" in str(error)
    with pytest.raises(NoSpeechError) as caught:
        stage(error).call("recognise")
    assert type(caught.value) is NoSpeechError
    assert caught.value.duration_s == 2.0
    assert str(caught.value) == str(NoSpeechError(2.0))


def test_too_long() -> None:
    with pytest.raises(DeadlineError):
        stage(TimeoutError()).call("recognise")


def test_another_bundle_in_the_replicas(tiny_bundle: Bundle) -> None:
    classifier = RemoteClassifier(stage(("another", "CPUExecutionProvider")), tiny_bundle, 1.0)
    with pytest.raises(SettingsError, match="same image"):
        classifier.warm_up()
    good = RemoteClassifier(stage((tiny_bundle.version, "CPUExecutionProvider")), tiny_bundle, 1.0)
    good.warm_up()
    assert good.provider == "CPUExecutionProvider"


def test_who_aligns_is_known_once_a_replica_runs() -> None:
    info = object()
    aligner = RemoteAligner(stage(info), 4, 1.0)
    assert "starting" in aligner.info.reason
    aligner.warm_up()
    assert aligner.info is info
