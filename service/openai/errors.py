"""Errors in OpenAI's form, from which its clients raise their exceptions."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from alignment.errors import UnsupportedLanguageError
from can_ser_client.schemas import Problem
from service.errors import ConflictingFieldsError, MalformedFormError, UnknownModelError, UnknownNameError
from service.openai.schemas import OpenAiErrorBody, OpenAiErrorOut

_CODES: Final = {
    "wrong-key": "invalid_api_key",
    "rate-limited": "rate_limit_exceeded",
    "unknown-model": "model_not_found",
    "not-found": "unknown_url",
    "unknown-name": "unknown_parameter",
}
_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
# OpenAI's clients have one exception for requests that cannot be processed, that of status 400.
_STATUSES: Final[Mapping[int, HTTPStatus]] = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
}
_NAMES: Final = frozenset({"form field", "query parameter"})
_PARAMS: Final[Mapping[type[BaseException], str]] = {UnknownModelError: "model", UnsupportedLanguageError: "language"}


def find_status(problem: Problem) -> int:
    """HTTP status of a problem on OpenAI's paths."""
    return _STATUSES.get(problem.status, problem.status)


def to_openai_error(problem: Problem, param: str | None = None) -> OpenAiErrorBody:
    """The body for a problem.

    Args:
        problem: The problem.
        param: Field that it is about.
    """
    kind = "server_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return OpenAiErrorBody(
        error=OpenAiErrorOut(
            message=problem.detail,
            type=_TYPES.get(problem.status, kind),
            param=param,
            code=_CODES.get(problem.code, problem.code),
        )
    )


def find_param(error: BaseException) -> str | None:
    """Field of a form that an error is about; None where it is about none."""
    if isinstance(error, MalformedFormError):
        return error.field
    if isinstance(error, UnknownNameError):
        return error.name if error.kind in _NAMES else None
    if isinstance(error, ConflictingFieldsError):
        return error.first.partition("=")[0]
    return next((name for kind, name in _PARAMS.items() if isinstance(error, kind)), None)
