"""The service as Ray Serve deployments: `serve run service.cluster:app`.

`Ingress` is the application of `can-ser serve`, in a process that decodes audio, computes features and serialises
responses; `Aligner` finds words; `Classifier` runs the network. Audio is therefore transferred once, and only where
words must be found. Replicas, GPU shares and autoscaling are settings of Ray Serve for each deployment; this module
sets their defaults. docs/scaling.md shows how to change them.
"""

import asyncio
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.audio import Waveform
from alignment.features.extraction import UtteranceFeatures
from alignment.transcripts.words import AlignerInfo, Transcript
from model.scores import UtteranceScores
from service.app import create_app
from service.cluster.remote import RemoteAligner, RemoteClassifier, RemoteStage
from service.errors import SettingsError
from service.inference.engine import EmotionEngine
from service.inference.languages import LanguageRefusals, find_refusals
from service.inference.loading import choose_bundle, load_aligner, load_classifier
from service.observability.logs import configure_logs
from service.settings import Settings, load_settings

# Loading large models takes minutes on slow disks.
_START_S: Final = 900.0
# The application refuses requests before Ray Serve queues them, with a time after which to retry.
_INGRESS_REQUESTS: Final = 1_000
_CLASSIFIER_REQUESTS: Final = 64
# The log line of the application has more fields.
_LOGGING: Final = {"enable_access_log": False}
_SCALING: Final = {"min_replicas": 1, "max_replicas": 100}
_HEAD: Final = {"node:__internal_head__": 0.001}


class AlignerReplica:
    """Replica that finds words, with the aligner of the settings.

    WhisperX collects the windows of concurrent calls into batches itself, and returns each as soon as it is
    transcribed; `serve.batch` would delay all results of a batch until the last one.
    """

    def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._aligner = load_aligner(settings)
        self._aligner.warm_up()

    def describe(self) -> tuple[AlignerInfo, LanguageRefusals]:
        """The aligner with the reason for its choice, and the languages that it refuses."""
        info = self._aligner.info
        return info, find_refusals(info.name, self._aligner.check_language)

    def recognise(self, waveform: Waveform, language: str | None) -> Transcript:
        """See `alignment.aligners.protocol.Aligner.recognise`."""
        return self._aligner.recognise(waveform, language)

    def align(self, waveform: Waveform, text: str, language: str | None) -> Transcript:
        """See `alignment.aligners.protocol.Aligner.align`."""
        return self._aligner.align(waveform, text, language)


class ClassifierReplica:
    """Replica of the network: one call for all waiting requests of all ingresses."""

    def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._classifier, _ = load_classifier(settings)
        self._classifier.warm_up()
        # Without a wait, a batch is what arrived while the last one was scored: a single request is not delayed.
        batch = serve.batch(max_batch_size=settings.batch.max_requests, batch_wait_timeout_s=0.0)
        self._classify_batched = batch(self._score)

    def describe(self) -> tuple[str, str]:
        """Version of the bundle, and the execution provider."""
        return self._classifier.bundle.version, self._classifier.provider

    async def classify(self, utterances: list[UtteranceFeatures]) -> list[UtteranceScores]:
        """See `service.inference.engine.Classifier.classify`."""
        scores: list[UtteranceScores] = await self._classify_batched(utterances)
        return scores

    async def _score(self, requests: list[list[UtteranceFeatures]]) -> list[list[UtteranceScores]]:
        features = [utterance for request in requests for utterance in request]
        scores = iter(await asyncio.to_thread(self._classifier.classify, features))
        return [[next(scores) for _ in request] for request in requests]


@serve.ingress()
class IngressReplica:
    """The application, on the head node: a request is lost with that node and with no other."""

    def __init__(
        self, settings: Settings, aligner: "DeploymentHandle[Any]", classifier: "DeploymentHandle[Any]"
    ) -> None:
        self._settings = settings
        self._aligner = RemoteStage("Aligner", aligner, settings.deadline_s)
        self._classifier = RemoteStage("Classifier", classifier, settings.deadline_s)

    def __serve_build_asgi_app__(self) -> FastAPI:
        # InferenceWorkerPool would answer here what the replicas are for.
        settings = self._settings.model_copy(update={"scorers": 0})
        bundle, _ = choose_bundle(settings)
        engine = EmotionEngine(
            settings,
            aligner=RemoteAligner(self._aligner, settings.max_waiting, _START_S),
            classifier=RemoteClassifier(self._classifier, bundle, _START_S),
        )
        application = create_app(settings, engine=engine, keeps_jobs=False)
        application.add_middleware(DropRequestId)
        return application


class DropRequestId:
    """Removes the request id from a response: the proxy of Ray Serve adds the same one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""

        async def send_without_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["X-Request-ID"]
            await send(message)

        await self._app(scope, receive, send_without_id)


def app(options: dict[str, str]) -> Application:
    """The application graph.

    Args:
        options: Settings by name, which override CAN_* variables: `serve run service.cluster:app aligner=whisperx`.

    Raises:
        SettingsError: They are invalid.
        BundleError, AlignerUnavailableError: The bundle or the aligner is missing on this machine.
    """
    settings = load_settings(options, prefix="")
    if len(settings.bundle_names) > 1:
        raise SettingsError(
            f"a cluster serves one bundle, CAN_BUNDLES names {len(settings.bundle_names)}; set CAN_BUNDLE, and run a "
            "cluster for each"
        )
    aligner = load_aligner(settings)
    calls = aligner.calls_at_once
    aligner.close()
    aligners = serve.deployment(
        name="Aligner",
        max_ongoing_requests=calls,
        ray_actor_options={"num_cpus": 1},
        logging_config=_LOGGING,
        autoscaling_config={**_SCALING, "target_ongoing_requests": calls},
    )(AlignerReplica)
    classifiers = serve.deployment(
        name="Classifier",
        max_ongoing_requests=_CLASSIFIER_REQUESTS,
        ray_actor_options={"num_cpus": 0.5},
        logging_config=_LOGGING,
        autoscaling_config={**_SCALING, "target_ongoing_requests": _CLASSIFIER_REQUESTS / 4},
    )(ClassifierReplica)
    ingress = serve.deployment(
        name="Ingress",
        max_ongoing_requests=_INGRESS_REQUESTS,
        logging_config=_LOGGING,
        graceful_shutdown_timeout_s=settings.deadline_s,
        ray_actor_options={"num_cpus": 0.5, "resources": _HEAD},
    )(IngressReplica)
    return ingress.bind(settings, aligners.bind(settings), classifiers.bind(settings))


@cache
def build_application() -> Application:
    """The application graph with the settings of the environment; see `app`."""
    return app({})
