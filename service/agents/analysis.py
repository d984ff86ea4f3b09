"""Analysis for agents, and its implementation with models in this process."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from can_ser_client.schemas import PredictOut
from model.bundle import Bundle, locate_bundle, read_bundle
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
        served = list(self._engine.bundles.values())
        others = [bundle for bundle in _read_shipped() if bundle.config.name not in self._engine.bundles]
        return [_list_bundle(bundle, served=any(bundle is each for each in served)) for bundle in (*served, *others)]

    def close(self) -> None:
        """End the processes of the aligner."""
        self._engine.close()


def _read_shipped() -> Iterator[Bundle]:
    for folder in sorted(locate_bundle("starter").parent.iterdir()):
        with suppress(ModelError):
            yield read_bundle(folder)


def _list_bundle(bundle: Bundle, *, served: bool) -> ListedBundle:
    config = bundle.config
    return ListedBundle(
        name=config.name,
        version=bundle.version,
        emotions=list(config.emotions),
        front_end=config.features.front_end,
        trained_on=config.origin.trained_on,
        licence=config.origin.licence,
        served=served,
    )
