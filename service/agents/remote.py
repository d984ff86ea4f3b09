"""Analysis for agents by a running service."""

from pathlib import Path
from typing import Any

from can_ser_client.schemas import PredictOut
from service.agents.schemas import ListedBundle, to_bundle
from service.client import Client


class RemoteAnalyser:
    """A running service, to which recordings are sent."""

    def __init__(self, url: str, key: str | None) -> None:
        """Open no connection yet."""
        self._client = Client(url, api_key=key)

    def analyse(self, path: Path, fields: dict[str, Any]) -> PredictOut:
        """See `Analyser`."""
        return self._client.predict(path, **fields)

    def list_bundles(self) -> list[ListedBundle]:
        """See `Analyser`; the service names only the weights that it serves."""
        served = self._client.served_model()
        return [to_bundle(each, served=True) for each in served.bundles or [served]]

    def close(self) -> None:
        """Close connections."""
        self._client.close()
