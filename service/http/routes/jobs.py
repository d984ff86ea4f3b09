"""Long recordings: a job now, its answer later."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, UploadFile
from starlette.responses import Response

from service.http.dependencies import AppStateDep, OwnerDep
from service.http.forms import ALIGNER, EXPLAIN, LANGUAGE, NAME_LETTERS, RECORDING, WORDS
from service.http.openapi import refusals
from service.jobs.runner import JobRequest
from service.jobs.store import Job
from service.results.schemas import Explain, JobOut, ProgressOut

router = APIRouter(tags=["jobs"])


_LOCATION: Final[dict[int | str, dict[str, Any]]] = {
    202: {"headers": {"Location": {"description": "Where to ask for the answer.", "schema": {"type": "string"}}}}
}


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobOut,
    responses=_LOCATION | refusals(400, 401, 408, 413, 415, 422, 429, 503),
)
async def create_job(
    lifecycle: AppStateDep,
    owner: OwnerDep,
    file: Annotated[UploadFile, File(description=RECORDING)],
    words: Annotated[str | None, Form(description=WORDS)] = None,
    language: Annotated[str | None, Form(description=LANGUAGE, max_length=NAME_LETTERS)] = None,
    aligner: Annotated[str | None, Form(description=ALIGNER, max_length=NAME_LETTERS)] = None,
    explain: Annotated[Explain, Form(description=EXPLAIN)] = "true",
) -> Response:
    """Takes a recording of up to hours; `Location` says where to ask for the answer.

    The recording is kept on disk until the job has ended, and no longer. A job survives the end of the service's
    process and goes on where it was.
    """
    job = await lifecycle.jobs.submit(file.file, JobRequest(words, language, aligner, explain), owner)
    return _respond(job, lifecycle.settings.jobs.keep_s, 202, {"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{job_id}", response_model=JobOut, responses=refusals(401, 404, 503))
async def read_job(lifecycle: AppStateDep, owner: OwnerDep, job_id: str) -> Response:
    """How far a job is, and its answer once it is done."""
    return _respond(await lifecycle.jobs.find(job_id, owner), lifecycle.settings.jobs.keep_s)


@router.delete("/jobs/{job_id}", status_code=204, response_class=Response, responses=refusals(401, 404, 503))
async def delete_job(lifecycle: AppStateDep, owner: OwnerDep, job_id: str) -> None:
    """Stops and forgets a job, its recording and its answer."""
    await lifecycle.jobs.delete(job_id, owner)


def _respond(job: Job, keep_s: float, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    told = JobOut(
        id=job.id,
        status=job.status,
        created_at=datetime.fromtimestamp(job.created, UTC),
        expires_at=None if job.ended is None else datetime.fromtimestamp(job.ended + keep_s, UTC),
        progress=ProgressOut(done_s=round(job.done_s, 3), total_s=job.total_s),
    )
    # The answer is JSON already, and may be long.
    head = told.model_dump_json(exclude={"result", "problem"})[:-1]
    body = f'{head},"result":{job.result or "null"},"problem":{job.problem or "null"}}}'
    return Response(body, status, headers, "application/json")
