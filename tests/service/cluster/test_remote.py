"""Calls to replicas, with a fake handle; test_cluster.py uses real replicas."""

from typing import Any, cast

import pytest

pytest.importorskip("ray", reason="ray is not installed: make install-cluster")

from ray.exceptions import ActorDiedError, RayTaskError

from alignment.errors import NoSpeechError, UnsupportedLanguageError
from model.bundle import Bundle
from service.cluster.remote import RemoteAligner, RemoteClassifier, RemoteStage
from service.errors import DeadlineError, ReplicaLostError, SettingsError
from service.inference.languages import LanguageRefusals, find_refusals
from tests.fakes import FakeAligner


class FakeHandle:
    """Each call takes the next outcome: errors are raised, anything else is returned."""

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


def test_call_is_retried_when_replica_dies() -> None:
    assert stage(ActorDiedError(), ActorDiedError(), "result").call("recognise") == "result"


def test_retries_are_bounded() -> None:
    with pytest.raises(ReplicaLostError, match="Aligner"):
        stage(*[ActorDiedError()] * 9).call("recognise")


def remote_error(error: Exception) -> RayTaskError:
    """An error of another process as Ray raises it."""
    wrapped: RayTaskError = RayTaskError("recognise", "a traceback", error).as_instanceof_cause()
    return wrapped


def test_error_of_replica_is_unwrapped() -> None:
    error = remote_error(NoSpeechError(2.0))
    assert "traceback" in str(error)
    with pytest.raises(NoSpeechError) as caught:
        stage(error).call("recognise")
    assert type(caught.value) is NoSpeechError
    assert caught.value.duration_s == 2.0
    assert str(caught.value) == str(NoSpeechError(2.0))


def test_timeout_is_deadline_error() -> None:
    with pytest.raises(DeadlineError):
        stage(TimeoutError()).call("recognise")


def test_replica_with_other_bundle_is_refused(tiny_bundle: Bundle) -> None:
    classifier = RemoteClassifier(stage(("another", "CPUExecutionProvider")), tiny_bundle, 1.0)
    with pytest.raises(SettingsError, match="same image"):
        classifier.warm_up()
    same = RemoteClassifier(stage((tiny_bundle.version, "CPUExecutionProvider")), tiny_bundle, 1.0)
    same.warm_up()
    assert same.provider == "CPUExecutionProvider"


def test_aligner_info_comes_from_replica() -> None:
    info = object()
    aligner = RemoteAligner(stage((info, LanguageRefusals())), 4, 1.0)
    assert "starting" in aligner.info.reason
    aligner.warm_up()
    assert aligner.info is info


@pytest.mark.parametrize("language", ["de", "klingon", "xx"])
def test_language_is_refused_without_a_call(language: str) -> None:
    served = FakeAligner()
    aligner = RemoteAligner(stage((served.info, find_refusals("fake", served.check_language))), 4, 1.0)
    aligner.warm_up()
    for supported in (None, "en", "en-us"):
        aligner.check_language(supported)
    with pytest.raises(UnsupportedLanguageError) as refused:
        aligner.check_language(language)
    with pytest.raises(UnsupportedLanguageError) as expected:
        served.check_language(language)
    assert str(refused.value) == str(expected.value)
