"""Responses of the service as records or errors."""

import json
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from can_ser_client.errors import JobFailedError, RefusedError, UnreachableError, UnreadableResponseError
from can_ser_client.job_schemas import JobEntryOut, JobListOut, JobOut
from can_ser_client.schemas import PredictOut, Problem

_Record = TypeVar("_Record", bound=BaseModel)


def read_record(kind: type[_Record], text: str | bytes, url: str) -> _Record:
    """A record from JSON; fields that this version does not have are ignored.

    Raises:
        UnreadableResponseError: The text has another form.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        [first, *_] = exc.errors()
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnreadableResponseError(url, f"{field}: {first['msg']}") from exc


def read_submitted(response: httpx.Response) -> list[JobEntryOut]:
    """Jobs that the service accepted, in the order of their recordings; it lists them where there are several.

    Raises:
        UnreadableResponseError: The response has another form.
    """
    url = str(response.url)
    if "location" not in response.headers:
        return read_record(JobListOut, response.content, url).jobs
    job = read_record(JobOut, response.content, url)
    fields = job.model_dump(exclude={"result"}) | {"address": response.headers["location"]}
    return [JobEntryOut.model_validate(fields)]


def read_job_result(job: JobOut, url: str) -> PredictOut:
    """Result of a job that has ended.

    Raises:
        JobFailedError: The job failed.
        UnreadableResponseError: The job is done and has no result.
    """
    if job.problem is not None:
        problem = job.problem
        raise JobFailedError(problem.status, problem.code, problem.detail, problem.request_id)
    if job.result is None:
        raise UnreadableResponseError(url, f"the job is {job.status!r} and has no result")
    return job.result


def refusal(problem: Problem) -> RefusedError:
    """The error for a problem document."""
    return RefusedError(problem.status, problem.code, problem.detail, problem.request_id)


def to_error(
    outcome: httpx.Response | httpx.TransportError, url: str, retry_after_s: float | None = None
) -> RefusedError | UnreachableError:
    """The error for a response without success, which has been read, or for a failed connection."""
    if isinstance(outcome, httpx.TransportError):
        return UnreachableError(url, str(outcome) or type(outcome).__name__)
    headers = outcome.headers
    return to_refusal(outcome.status_code, outcome.content, headers.get("x-request-id", ""), retry_after_s)


def to_refusal(status: int, body: bytes, request_id: str = "", retry_after_s: float | None = None) -> RefusedError:
    """The error for the body of a response: a problem document, or the text of a proxy."""
    problem = _read_object(body)
    detail = str(problem.get("detail") or _phrase(status))
    code, own_id = str(problem.get("code", "")), str(problem.get("request_id") or request_id)
    return RefusedError(status, code, detail, own_id, retry_after_s)


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"
