"""Path of a request without the prefix of a proxy."""

from collections.abc import Mapping
from typing import Any, Final

KEY: Final = "can_ser.route_path"


def route_path(scope: Mapping[str, Any]) -> str:
    """Path of an ASGI scope as the routes name it; `service.http.root_path` stores it."""
    path: str = scope.get(KEY, scope["path"])
    return path
