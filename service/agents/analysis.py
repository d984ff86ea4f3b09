"""Analysis for agents, and its implementation with models in this process."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from can_ser_client.schemas import PredictOut
from model.bundle import locate_bundle, read_bundle
from model.errors import ModelError
from service.agents.schemas import ListedBundle
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings


class Analyser(Protocol):
    """Analyses recordings, one at a time."""

    def analyse(self, path: Path, fields: dict[str, Any]) -> PredictOut:
        """Response for a recording.

        Args:
            path: A file.
            fields: Fields of the request, as of POST /predict.

        Raises:
            CanSerError, ClientError: The recording cannot be analysed.
            OSError: It cannot be read.
        """

    def list_bundles(self) -> list[ListedBundle]:
        """The weights in use, and others that are installed.

        Raises:
            ClientError: The service does not respond.
        """

    def close(self) -> None:
        """Release processes and connections."""


class LocalAnalyser:
    """Models in this process, which are loaded once."""

    def __init__(self, settings: Settings) -> None:
        """Check the bundle and the aligner.

        Raises:
            BundleError, ProviderError, AlignerUnavailableError: See `EmotionEngine`.
        """
        self._engine = EmotionEngine(settings)

    def analyse(self, path: Path, fields: dict[str, Any]) -> PredictOut:
        """See `Analyser`."""
        request = AnalysisRequest(**fields)
        return to_response(self._engine.analyse(path, request), self._engine, request.explain)

    def list_bundles(self) -> list[ListedBundle]:
        """See `Analyser`; shipped bundles that cannot be read are left out."""
        bundles = [self._engine.bundle]
        for folder in sorted(locate_bundle("starter").parent.iterdir()):
            with suppress(ModelError):
                bundle = read_bundle(folder)
                if bundle.folder.resolve() != self._engine.bundle.folder.resolve():
                    bundles.append(bundle)
        return [
            ListedBundle(
                name=bundle.config.name,
                version=bundle.version,
                emotions=list(bundle.config.emotions),
                front_end=bundle.config.features.front_end,
                trained_on=bundle.config.origin.trained_on,
                licence=bundle.config.origin.licence,
                served=bundle is self._engine.bundle,
            )
            for bundle in bundles
        ]

    def close(self) -> None:
        """End the processes of the aligner."""
        self._engine.close()
