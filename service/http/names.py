"""Unknown names in requests: form fields, query parameters and addresses, with a suggestion."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Final

from fastapi import Request
from fastapi.routing import iter_route_contexts

from service.errors import UnknownNameError
from service.inference.request import AnalysisRequest
from service.observability.route_path import route_path

_LONGEST: Final = 100
_ALL_ADDRESSES: Final = "{}/docs lists all addresses"
_ABSENT: Final = {
    "/jobs": "this service keeps no jobs, because it runs in a cluster; send recordings to {}/predict, and long ones "
    "to a single service (`can-ser serve`), or use `can-ser bulk`",
    "/metrics": "the operator has set CAN_METRICS=off",
}
"""Reasons for addresses that some configurations do not have."""


def suggest(name: str, known: Collection[str]) -> str:
    """The known name that a wrong one resembles, or all known names."""
    if close := get_close_matches(name, known, 1):
        return f"did you mean `{close[0]}`?"
    return f"choose from {', '.join(known)}" if known else "omit it"


def refuse_unknown_fields(names: Iterable[str], known: Collection[str], kind: str = "form field") -> None:
    """Raise for the first name that is not known.

    Args:
        names: Names in the request.
        known: Accepted names.
        kind: What they are names of.

    Raises:
        UnknownNameError: A name is not known.
    """
    for name in _unknown(names, known):
        accepted = f"this request accepts {', '.join(known)}"
        hint = accepted if name in AnalysisRequest.model_fields else suggest(name, known)
        raise UnknownNameError(kind, shorten(name), hint)


def refuse_unknown_parameters(http: Request) -> None:
    """Dependency of a route: raise for a query parameter that the route does not have.

    Raises:
        UnknownNameError: A parameter is not known.
    """
    if http.query_params:
        refuse_parameters(http, [field.alias for field in http.scope["route"].dependant.query_params])


def refuse_parameters(http: Request, known: Collection[str] = ()) -> None:
    """Raise for a query parameter other than the known ones, which would have no effect.

    Raises:
        UnknownNameError: A parameter is not known.
    """
    for name in _unknown(http.query_params, known):
        raise UnknownNameError("query parameter", shorten(name), _hint_field(http, name) or suggest(name, known))


def _hint_field(http: Request, name: str) -> str:
    """Where to send a parameter that resembles a field of the route's form; "" where none does."""
    close = get_close_matches(name, _form_fields(http), 1)
    if not close:
        return ""
    meant = "" if close[0] == name else f"did you mean `{close[0]}`? "
    value = "@…" if close[0] == "file" else "…"
    return f"{meant}send it as a field of the form: curl -F '{close[0]}={value}' …"


def _form_fields(http: Request) -> Collection[str]:
    """Names of the fields of the route's form, as its OpenAPI description has them; empty where it has no form."""
    described: Any = getattr(http.scope["route"], "openapi_extra", None) or {}
    for part in ("requestBody", "content", "multipart/form-data", "schema", "properties"):
        described = described.get(part, {})
    return tuple(described)


def _unknown(names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    return (name for name in names if name not in known)


def describe_missing(http: Request) -> str:
    """What to do about an address that does not exist."""
    prefix, path = http.scope.get("root_path", ""), route_path(http.scope)
    addresses = [context.path for context in iter_route_contexts(http.app.routes) if context.path]
    start = f"/{path.split('/')[1]}" if path.startswith("/") else path
    if start in _ABSENT and start not in addresses:
        return f"there is nothing at {shorten(http.url.path)}: {_ABSENT[start].format(prefix)}"
    close = get_close_matches(path, addresses, 1)
    everything = _ALL_ADDRESSES.format(prefix)
    hint = f"did you mean {prefix}{close[0]}? {everything}" if close else everything
    return f"there is nothing at {shorten(http.url.path)}; {hint}"


def describe_method(http: Request, allowed: str) -> str:
    """What to do about a method that an address does not accept."""
    text = f"{http.url.path} does not accept {shorten(http.method)}; use {allowed or 'another method'}"
    return f"{text}, as in curl -F file=@speech.wav …" if allowed == "POST" else text


def shorten(name: str) -> str:
    """A name of a client as text that can be sent back."""
    safe = name.encode("utf-8", "replace").decode()
    return safe if len(safe) <= _LONGEST else f"{safe[:_LONGEST]}…"
