"""The OpenAPI document, with every possible status, and a problem document for each refusal."""

from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.http.root_path import RootPath

_KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "From `can-ser key`, where CAN_API_KEYS is set."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
# The empty requirement applies where no keys are set.
_SECURITY: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}, {"header": []}]
_FASTAPI_ERRORS: Final = ("HTTPValidationError", "ValidationError")
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds after which to retry.", "schema": {"type": "integer", "minimum": 1}}
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem documents of some statuses, for `responses` of a route."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {
        status: {"content": content, **({"headers": _RETRY_AFTER} if status in {429, 503, 504} else {})}
        for status in statuses
    }


class Application(FastAPI):
    """FastAPI under a prefix, without its own validation errors (`service.http.exception_handlers`)."""

    def __init__(self, *, prefix: str, **options: Any) -> None:
        """Use the prefix of a proxy, or that of each request where it is empty."""
        super().__init__(**options)
        self._under_prefix = RootPath(super().__call__, prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        await self._under_prefix(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The document, generated once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            for name in _FASTAPI_ERRORS:
                schemas.pop(name, None)
            document["components"]["securitySchemes"] = _KEYS
            for methods in document["paths"].values():
                for operation in methods.values():
                    _tidy(operation)
        return self.openapi_schema or {}


def _tidy(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if "401" in responses:
        operation["security"] = _SECURITY
    operation["responses"] = dict(sorted(responses.items()))
