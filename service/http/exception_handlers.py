"""Errors as `application/problem+json` responses (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from alignment.errors import CanSerError
from can_ser_client.schemas import Problem
from service.errors import MalformedFormError, NoRoomError, ServiceError
from service.http.disconnect import CLIENT_DISCONNECTED
from service.http.names import describe_method, describe_missing
from service.observability.route_path import route_path
from service.openai.errors import find_param, find_status, to_openai_error
from service.openai.names import is_openai_path
from service.results.problems import make_problem, to_problem

MEDIA_TYPE: Final = "application/problem+json"
_POLICY_VIOLATION: Final = 1008
log = structlog.stdlib.get_logger("service.http.exception_handlers")


class ProblemResponse(JSONResponse):
    """A problem document, whose code is added to the scope for the log and the metrics.

    On the paths of OpenAI's API it is an error in OpenAI's form.
    """

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None, param: str | None = None) -> None:
        self._problem, self._extra, self._param = problem, headers, param
        super().__init__(problem.model_dump(), problem.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        scope["problem_code"] = self._problem.code
        if is_openai_path(route_path(scope)):
            body = to_openai_error(self._problem, self._param).model_dump()
            await JSONResponse(body, find_status(self._problem), self._extra)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def refuse(error: BaseException, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the response for an error that a middleware found; a WebSocket handshake is refused with 1008."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
    else:
        await problem_response(error, scope["path"])(scope, receive, send)


def problem_response(error: BaseException, path: str) -> ProblemResponse:
    """The response for an error, with Retry-After where the error names a time."""
    retry_after_s = getattr(error, "retry_after_s", None)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return ProblemResponse(to_problem(error, path), headers, find_param(error))


def install_exception_handlers(app: FastAPI) -> None:
    """Return a problem document for every error of the application."""
    app.add_exception_handler(CanSerError, _on_known)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_known(request: Request, error: Exception) -> Response:
    response = problem_response(error, request.url.path)
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request refused", error=type(error).__name__, status=response.status_code)
    return response


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_DISCONNECTED)


async def _on_invalid(request: Request, error: Exception) -> Response:
    # Starlette calls it for this class only.
    return problem_response(_describe(cast("RequestValidationError", error)), request.url.path)


async def _on_unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem_response(error, request.url.path)


async def _on_http(request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    path = request.url.path
    if isinstance(error.__cause__, ClientDisconnect):
        return await _on_disconnect(request, error.__cause__)
    if isinstance(error.__cause__, ServiceError):
        # Starlette reports every error that occurs while it reads a body as a bad request.
        return problem_response(error.__cause__, path)
    if isinstance(error.__cause__, OSError):
        log.warning("no disk space for an upload", reason=error.__cause__.strerror)
        return problem_response(NoRoomError(error.__cause__.strerror or "disk"), path)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.BAD_REQUEST:
        return problem_response(_describe_form(str(error.detail)), path)
    code = status.phrase.lower().replace(" ", "-")
    detail = _describe_status(request, status, error)
    return ProblemResponse(make_problem(status, code, status.phrase, detail, path), _allow_head(error.headers))


def _allow_head(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """Headers of an error with HEAD in Allow, where GET is."""
    allowed = (headers or {}).get("Allow", "").split(", ")
    return {**(headers or {}), "Allow": ", ".join([*allowed, "HEAD"])} if "GET" in allowed else headers or {}


def _describe_status(request: Request, status: HTTPStatus, error: HTTPException) -> str:
    """What was wrong, and what to do."""
    if status is HTTPStatus.NOT_FOUND:
        return describe_missing(request)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return describe_method(request, (error.headers or {}).get("Allow", ""))
    return str(error.detail)


def _describe(error: RequestValidationError) -> MalformedFormError:
    """The first fault of a form, in words."""
    [first, *_] = error.errors()
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    if name == "file":
        reason = "was sent as text" if first["type"] != "missing" else "is missing"
        return MalformedFormError(f"`file` {reason}", field=name)
    if first["type"] == "string_type":
        return MalformedFormError(
            f"`{name}` was sent as a file", f"send its text: curl -F '{name}=<FILE' …", field=name
        )
    return MalformedFormError(f"`{name}`: {first['msg']}", "correct it, or omit it", field=name)


def _describe_form(detail: str) -> MalformedFormError:
    """A fault that Starlette found while it read a form."""
    if "maximum size" in detail:
        return MalformedFormError("a text field is larger than 1 MB", "send a recording as a file, and shorter text")
    return MalformedFormError(detail)
