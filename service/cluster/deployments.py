"""The service as Ray Serve deployments: `serve run service.cluster:app`.

`Ingress` is the same application as `can-ser serve`, in a process that decodes, cuts features and writes answers;
`Aligner` finds words; `Classifier` is the network. Recordings therefore travel once, as sound, and only when words are
to be found. Replicas, shares of GPUs and autoscaling are Ray Serve's own settings, by deployment; what follows here are
their defaults. docs/scaling.md shows how to set them.
"""

import asyncio
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
from model.bundle import locate_bundle, read_bundle
from model.scores import UtteranceScores
from service.app import create_app
from service.cluster.remote import RemoteAligner, RemoteClassifier, RemoteStage
from service.inference.engine import EmotionEngine, load_aligner, load_classifier
from service.observability.logs import configure_logs
from service.settings import Settings, load_settings

# Loading large models takes minutes on slow disks.
_START_S: Final = 900.0
# The application refuses before Ray Serve would queue: its answer says when to come back.
_INGRESS_REQUESTS: Final = 1_000
_CLASSIFIER_REQUESTS: Final = 64
# Ours is the line about a request that says more.
_LOGGING: Final = {"enable_access_log": False}
_SCALING: Final = {"min_replicas": 1, "max_replicas": 100}
_HEAD: Final = {"node:__internal_head__": 0.001}


class Aligner:
    """Replicas that find words, with whichever engine the settings name.

    WhisperX gathers the windows of all calls under way into batches itself, and lets each go as soon as it is heard; a
    batch of `serve.batch` around it would keep the first ones until the last is done.
    """

    def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._aligner = load_aligner(settings)
        self._aligner.warm_up()

    def describe(self) -> AlignerInfo:
        """Which engine, and why."""
        return self._aligner.info

    def recognise(self, waveform: Waveform, language: str | None) -> Transcript:
        """See `alignment.aligners.protocol.Aligner.recognise`."""
        return self._aligner.recognise(waveform, language)

    def align(self, waveform: Waveform, text: str, language: str | None) -> Transcript:
        """See `alignment.aligners.protocol.Aligner.align`."""
        return self._aligner.align(waveform, text, language)


class Classifier:
    """Replicas of the network: one call for all requests that wait, whichever ingress they came through."""

    def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log_level)
        self._classifier = load_classifier(settings)
        self._classifier.warm_up()
        # Without a wait a batch is what came while the last one was scored: a lone request waits for nobody.
        gather = serve.batch(max_batch_size=settings.batch.max_requests, batch_wait_timeout_s=0.0)
        self._gather = gather(self._score)

    def describe(self) -> tuple[str, str]:
        """The bundle's version, and the provider."""
        return self._classifier.bundle.version, self._classifier.provider

    async def classify(self, utterances: list[UtteranceFeatures]) -> list[UtteranceScores]:
        """See `service.inference.engine.Classifier.classify`."""
        scores: list[UtteranceScores] = await self._gather(utterances)
        return scores

    async def _score(self, requests: list[list[UtteranceFeatures]]) -> list[list[UtteranceScores]]:
        together = [utterance for request in requests for utterance in request]
        scores = iter(await asyncio.to_thread(self._classifier.classify, together))
        return [[next(scores) for _ in request] for request in requests]


@serve.ingress()
class Ingress:
    """The application, on the node where clients enter: a request is lost with that node and with no other."""

    def __init__(
        self, settings: Settings, aligner: "DeploymentHandle[Any]", classifier: "DeploymentHandle[Any]"
    ) -> None:
        self._settings = settings
        self._aligner = RemoteStage("Aligner", aligner, settings.deadline_s)
        self._classifier = RemoteStage("Classifier", classifier, settings.deadline_s)

    def __serve_build_asgi_app__(self) -> FastAPI:
        # InferenceWorkerPool would answer here what the replicas are for.
        settings = self._settings.model_copy(update={"scorers": 0})
        bundle = read_bundle(locate_bundle(settings.bundle))
        engine = EmotionEngine(
            settings,
            aligner=RemoteAligner(self._aligner, settings.max_waiting, _START_S),
            classifier=RemoteClassifier(self._classifier, bundle, _START_S),
        )
        application = create_app(settings, engine=engine, keeps_jobs=False)
        application.add_middleware(DropRequestId)
        return application


class DropRequestId:
    """Takes the request's id out of a response: Ray Serve's proxy puts the same one in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["X-Request-ID"]
            await send(message)

        await self._app(scope, receive, watch)


def app(options: dict[str, str]) -> Application:
    """The application graph.

    Args:
        options: settings by name, on top of CAN_* variables: `serve run service.cluster:app aligner=whisperx`.

    Raises:
        SettingsError: they make no sense.
        BundleError, AlignerUnavailableError: what is to be served is not on this machine.
    """
    settings = load_settings(options)
    aligner = load_aligner(settings)
    calls = aligner.calls_at_once
    aligner.close()
    aligners = serve.deployment(
        max_ongoing_requests=calls,
        ray_actor_options={"num_cpus": 1},
        logging_config=_LOGGING,
        autoscaling_config={**_SCALING, "target_ongoing_requests": calls},
    )(Aligner)
    classifiers = serve.deployment(
        max_ongoing_requests=_CLASSIFIER_REQUESTS,
        ray_actor_options={"num_cpus": 0.5},
        logging_config=_LOGGING,
        autoscaling_config={**_SCALING, "target_ongoing_requests": _CLASSIFIER_REQUESTS / 4},
    )(Classifier)
    ingress = serve.deployment(
        max_ongoing_requests=_INGRESS_REQUESTS,
        logging_config=_LOGGING,
        graceful_shutdown_timeout_s=settings.deadline_s,
        ray_actor_options={"num_cpus": 0.5, "resources": _HEAD},
    )(Ingress)
    return ingress.bind(settings, aligners.bind(settings), classifiers.bind(settings))
