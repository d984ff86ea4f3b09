"""Jobs: long recordings, analysed in the background."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from can_ser_client.job_schemas import CallbackOut, JobEntryOut, JobListOut, JobOut, ProgressOut
from can_ser_client.schemas import Problem
from service.errors import BusyError, JobNotDoneError, UnknownJobError
from service.exports.answers import read_stored
from service.exports.formats import ExportRequest, read_export
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.exception_handlers import problem_response
from service.http.exports import EXPORT_RESPONSES, ExportResponse, convert
from service.http.forms import CALLBACK, CALLBACK_SCHEMA, EXPORT_SCHEMAS, JOB_FIELDS, describe_form, open_form
from service.http.lifecycle import AppState
from service.http.names import refuse_unknown_parameters
from service.http.openapi import refusals
from service.http.sending import send_in_time
from service.jobs.callback_table import Callback, NewCallback
from service.jobs.job import CURSOR, MAX_PAGE, Job, JobFilter, JobStatus, clean_name
from service.jobs.uploads import JobUpload

router = APIRouter(tags=["jobs"])
_CHECKED: Final = [Depends(refuse_unknown_parameters)]
log = structlog.stdlib.get_logger("service.http.routes.jobs")


_LOCATION: Final[dict[int | str, dict[str, Any]]] = {
    202: {"headers": {"Location": {"description": "Address of the job.", "schema": {"type": "string"}}}}
}


@router.get("/jobs", dependencies=_CHECKED, response_model=JobListOut, responses=refusals(400, 401, 403, 503))
async def list_jobs(
    http: Request,
    state: AppStateDep,
    owner: OwnerDep,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Number of jobs of a page.")] = 20,
    cursor: Annotated[str | None, Query(pattern=CURSOR, description="`next_cursor` of the previous page.")] = None,
    status: Annotated[JobStatus | None, Query(description="Only jobs of this status.")] = None,
) -> JobListOut:
    """The caller's jobs, newest first; with keys, those that the same key created."""
    page = await state.jobs.read_page(JobFilter(owner, limit, cursor, status))
    return JobListOut(jobs=_entries(http, page.jobs, state.settings.jobs.keep_s), next_cursor=page.cursor)


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobOut | JobListOut,
    responses=_LOCATION | refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=describe_form(JOB_FIELDS, {CALLBACK: CALLBACK_SCHEMA}, several=True),
)
async def create_job(http: Request, state: AppStateDep, owner: OwnerDep) -> Response:
    """Accept a recording of up to hours; `Location` is the address of its progress and response.

    The recording is kept on disk until the job has ended, and no longer. A job survives the end of the service's
    process and resumes where it was. Several recordings become a job each, all or none; the response lists them, and
    has no `Location`.
    """
    limits = state.settings.jobs
    async with open_form(http, JOB_FIELDS, (CALLBACK,), limits.max_files) as form:
        url = form.output.get(CALLBACK, "").strip()
        new = NewCallback(url, http.scope.get("root_path", "")) if url else None
        uploads = [JobUpload(file.file, clean_name(file.filename)) for file in form.files]
        jobs = await state.jobs.submit(uploads, form.request, owner, new)
    if len(jobs) > 1:
        body = JobListOut(jobs=_entries(http, jobs, limits.keep_s)).model_dump_json()
        return Response(body, 202, media_type="application/json")
    callback = await state.jobs.find_callback(jobs[0].id) if new else None
    return _respond(jobs[0], callback, limits.keep_s, 202, {"Location": _address(http, jobs[0])})


@router.get(
    "/jobs/{job_id}",
    dependencies=_CHECKED,
    response_model=JobOut,
    responses=EXPORT_RESPONSES | refusals(400, 401, 403, 404, 409, 422, 503),
)
async def read_job(
    http: Request,
    state: AppStateDep,
    owner: OwnerDep,
    job_id: str,
    format: Annotated[str | None, Query(json_schema_extra=EXPORT_SCHEMAS["format"])] = None,  # noqa: A002
    subtitle_emotions: Annotated[str | None, Query(json_schema_extra=EXPORT_SCHEMAS["subtitle_emotions"])] = None,
) -> Response:
    """Progress of a job, and its response once it is done; with `format` or a media type in `Accept`, as a file."""
    fields = {"format": format, "subtitle_emotions": subtitle_emotions}
    export = read_export(fields, http.headers.get("accept", ""))
    if export is not None:
        return _export(state, owner, await state.jobs.find(job_id, owner), export)
    job, callback = await state.jobs.find_with_callback(job_id, owner)
    if job.status != "done":
        return _respond(job, callback, state.settings.jobs.keep_s)
    length = await state.jobs.count_result(job.id)
    before, after = _split(job, callback, state.settings.jobs.keep_s)
    return ResultResponse(state.reads.hold(owner), before, state.jobs.read_result(job.id, length), length, after)


@router.delete(
    "/jobs/{job_id}",
    dependencies=_CHECKED,
    status_code=204,
    response_class=Response,
    responses=refusals(400, 401, 403, 404, 503),
)
async def delete_job(state: AppStateDep, owner: OwnerDep, job_id: str) -> None:
    """Stop and delete a job, its recording and its response."""
    await state.jobs.delete(job_id, owner)


def _export(state: AppState, owner: str, job: Job, export: ExportRequest) -> Response:
    if job.status != "done":
        raise JobNotDoneError(job.id, job.status)
    write = partial(convert, state, partial(_read, state, job), read_stored, export, job.id)
    return ExportResponse(state.exports.hold(owner), write, export, job.id)


async def _read(state: AppState, job: Job) -> bytes:
    length = await state.jobs.count_result(job.id)
    return b"".join([piece async for piece in state.jobs.read_result(job.id, length)])


class ResultResponse(StreamingResponse):
    """A job with its result, which is read from disk as fast as the client reads; it takes a place until its end."""

    def __init__(
        self,
        place: AbstractContextManager[None],
        before: bytes,
        result: AsyncIterator[bytes],
        result_bytes: int,
        after: bytes,
    ) -> None:
        async def write() -> AsyncIterator[bytes]:
            yield before
            async for piece in result:
                yield piece
            yield after

        self._place = place
        headers = {"Content-Length": str(len(before) + result_bytes + len(after))}
        super().__init__(write(), headers=headers, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, or a problem document where no place is free."""
        try:
            with self._place:
                await send_in_time(super().__call__, scope, receive, send)
        except BusyError as error:
            await problem_response(error, scope["path"])(scope, receive, send)
        except UnknownJobError:
            # The client has read the first part; the server closes the connection before its announced end.
            log.info("job deleted while its result was sent")


def _respond(
    job: Job, callback: Callback | None, keep_s: float, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    before, after = _split(job, callback, keep_s)
    return Response(before + b"null" + after, status, headers, "application/json")


def _address(http: Request, job: Job) -> str:
    return f"{http.scope.get('root_path', '')}/jobs/{job.id}"


def _entries(http: Request, jobs: Sequence[Job], keep_s: float) -> list[JobEntryOut]:
    return [
        JobEntryOut(
            **_common(job, keep_s),
            address=_address(http, job),
            problem=Problem.model_validate_json(job.problem) if job.problem else None,
        )
        for job in jobs
    ]


def _common(job: Job, keep_s: float) -> dict[str, Any]:
    """The fields of a job that `JobOut` and `JobEntryOut` share."""
    return {
        "id": job.id,
        "file": job.name,
        "status": job.status,
        "created_at": datetime.fromtimestamp(job.created, UTC),
        "expires_at": None if job.ended is None else datetime.fromtimestamp(job.ended + keep_s, UTC),
        "progress": ProgressOut(done_s=round(job.done_s, 3), total_s=job.total_s),
    }


def _split(job: Job, callback: Callback | None, keep_s: float) -> tuple[bytes, bytes]:
    """JSON of a job before and after its result, which is stored as JSON, and may be long: it is not parsed again."""
    described = callback and _describe_callback(callback, ended=job.ended is not None)
    head = JobOut(**_common(job, keep_s), callback=described).model_dump_json(exclude={"result", "problem"})[:-1]
    return f'{head},"result":'.encode(), f',"problem":{job.problem or "null"}}}'.encode()


def _describe_callback(callback: Callback, *, ended: bool) -> CallbackOut:
    """Delivery of a callback; its query string may hold a secret."""
    status = callback.status if ended else "waiting"
    is_next = status == "pending" and callback.attempts
    return CallbackOut(
        url=callback.url.partition("?")[0],
        status=status,
        attempts=callback.attempts,
        last_error=callback.last_error,
        next_attempt_at=datetime.fromtimestamp(callback.next_attempt, UTC) if is_next else None,
        delivered_at=None if callback.delivered is None else datetime.fromtimestamp(callback.delivered, UTC),
    )
