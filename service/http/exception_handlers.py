"""Errors as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import structlog
from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.errors import MalformedFormError, NoRoomError, ServiceError
from service.http.disconnect import CLIENT_GONE
from service.results.problems import ProblemType, find_problem
from service.results.schemas import Problem

MEDIA_TYPE = "application/problem+json"
log = structlog.stdlib.get_logger("service.http.exception_handlers")


class ProblemResponse(JSONResponse):
    """A problem document; the scope remembers its code, for the log and the metrics."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str]) -> None:
        self._code = problem.code
        super().__init__(problem.model_dump(), problem.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        scope["problem_code"] = self._code
        await super().__call__(scope, receive, send)


def problem_response(error: BaseException, path: str) -> JSONResponse:
    """The response for one of our own errors."""
    problem = find_problem(error) or ProblemType(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong here"
    )
    detail = str(error) if find_problem(error) else "the error is logged under the request id; please report it"
    headers = {}
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return _respond(problem.status, problem.code, problem.title, detail, path, headers)


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""

    async def on_known(request: Request, error: Exception) -> JSONResponse:
        response = problem_response(error, request.url.path)
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("refused", error=type(error).__name__, status=response.status_code)
        return response

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        # Starlette calls it for this class only.
        return problem_response(_describe(cast("RequestValidationError", error)), request.url.path)

    async def on_unknown(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error", exc_info=error)
        return problem_response(error, request.url.path)

    for kind in (AlignmentError, ModelError, ServiceError):
        app.add_exception_handler(kind, on_known)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, on_unknown)


async def _on_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _on_http(request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    if isinstance(error.__cause__, ClientDisconnect):
        return await _on_gone(request, error.__cause__)
    if isinstance(error.__cause__, ServiceError):
        # FastAPI calls whatever happens while it reads a body a bad request.
        return problem_response(error.__cause__, request.url.path)
    if isinstance(error.__cause__, OSError):
        log.warning("an upload found no room", reason=error.__cause__.strerror)
        return problem_response(NoRoomError(error.__cause__.strerror or "disk"), request.url.path)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.BAD_REQUEST:
        return problem_response(_describe_form(str(error.detail)), request.url.path)
    code = status.phrase.lower().replace(" ", "-")
    return _respond(status, code, status.phrase, str(error.detail), request.url.path, headers)


def _describe(error: RequestValidationError) -> MalformedFormError:
    """What is wrong with the form, in words."""
    [first, *_] = error.errors()
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    if name == "file":
        reason = "came as text" if first["type"] != "missing" else "is missing"
        return MalformedFormError(f"`file` {reason}")
    if first["type"] == "string_type":
        return MalformedFormError(f"`{name}` came as a file", f"send its text: curl -F '{name}=<FILE' …")
    return MalformedFormError(f"`{name}`: {first['msg']}", "correct it, or leave it out")


def _describe_form(detail: str) -> MalformedFormError:
    """What Starlette found wrong while it read the form."""
    if "maximum size" in detail:
        return MalformedFormError("a text field is larger than 1 MB", "send a recording as a file, and shorter text")
    return MalformedFormError(detail)


def _respond(
    status: HTTPStatus, code: str, title: str, detail: str, path: str, headers: dict[str, Any]
) -> JSONResponse:
    problem = Problem(
        type=f"urn:can-ser:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=path,
        code=code,
        request_id=correlation_id.get() or "",
    )
    return ProblemResponse(problem, headers)
