"""Jobs: long recordings, analysed in the background."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from can_ser_client.schemas import JobOut, ProgressOut
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.forms import JOB_FIELDS, describe_form, open_form
from service.http.names import refuse_unknown_parameters
from service.http.openapi import refusals
from service.jobs.store import Job

router = APIRouter(tags=["jobs"], dependencies=[Depends(refuse_unknown_parameters)])


_LOCATION: Final[dict[int | str, dict[str, Any]]] = {
    202: {"headers": {"Location": {"description": "Address of the job.", "schema": {"type": "string"}}}}
}


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobOut,
    responses=_LOCATION | refusals(400, 401, 408, 413, 415, 422, 429, 503),
    openapi_extra=describe_form(JOB_FIELDS),
)
async def create_job(http: Request, state: AppStateDep, owner: OwnerDep) -> Response:
    """Accept a recording of up to hours; `Location` is the address of its progress and response.

    The recording is kept on disk until the job has ended, and no longer. A job survives the end of the service's
    process and resumes where it was.
    """
    async with open_form(http, JOB_FIELDS) as form:
        job = await state.jobs.submit(form.file.file, form.request, owner)
    return _respond(job, state.settings.jobs.keep_s, 202, {"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{job_id}", response_model=JobOut, responses=refusals(400, 401, 404, 503))
async def read_job(state: AppStateDep, owner: OwnerDep, job_id: str) -> Response:
    """Progress of a job, and its response once it is done."""
    return _respond(await state.jobs.find(job_id, owner), state.settings.jobs.keep_s)


@router.delete("/jobs/{job_id}", status_code=204, response_class=Response, responses=refusals(400, 401, 404, 503))
async def delete_job(state: AppStateDep, owner: OwnerDep, job_id: str) -> None:
    """Stop and delete a job, its recording and its response."""
    await state.jobs.delete(job_id, owner)


def _respond(job: Job, keep_s: float, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    fields = JobOut(
        id=job.id,
        status=job.status,
        created_at=datetime.fromtimestamp(job.created, UTC),
        expires_at=None if job.ended is None else datetime.fromtimestamp(job.ended + keep_s, UTC),
        progress=ProgressOut(done_s=round(job.done_s, 3), total_s=job.total_s),
    )
    # The result is stored as JSON, and may be long: it is not parsed again.
    head = fields.model_dump_json(exclude={"result", "problem"})[:-1]
    body = f'{head},"result":{job.result or "null"},"problem":{job.problem or "null"}}}'
    return Response(body, status, headers, "application/json")
