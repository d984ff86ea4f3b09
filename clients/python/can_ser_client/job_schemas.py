"""Schemas of jobs, which the service itself uses."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from can_ser_client.schemas import PredictOut, Problem

JobStatus = Literal["queued", "running", "done", "failed"]


class ProgressOut(BaseModel):
    """Progress of a job."""

    done_s: Annotated[float, Field(description="Seconds of audio that are analysed.")]
    total_s: Annotated[float | None, Field(description="Duration of the audio; null until the file has been read.")]


class CallbackOut(BaseModel):
    """Delivery of the callback of a job."""

    url: Annotated[str, Field(description="Address without its query string.")]
    status: Annotated[
        Literal["waiting", "pending", "delivered", "failed"],
        Field(description="waiting: the job has not ended; pending: it is sent, or will be sent again."),
    ]
    attempts: int
    last_error: Annotated[str | None, Field(description="Why the last attempt failed.")]
    next_attempt_at: Annotated[datetime | None, Field(description="When it is sent again; null unless it is pending.")]
    delivered_at: datetime | None


class JobState(BaseModel):
    """What every description of a job has."""

    id: str
    file: Annotated[str, Field(description="Name of the file; empty where none was sent.")] = ""
    status: JobStatus
    created_at: datetime
    expires_at: Annotated[datetime | None, Field(description="When the job is deleted; null until it has ended.")]
    progress: ProgressOut


class JobOut(JobState):
    """Response of POST /jobs with one recording, and of GET /jobs/{id}."""

    callback: Annotated[CallbackOut | None, Field(description="Delivery of the callback, if there is one.")] = None
    result: Annotated[
        PredictOut | None, Field(description="As the response of POST /predict; null until the job is done.")
    ] = None
    problem: Annotated[Problem | None, Field(description="Why the job failed.")] = None


class JobEntryOut(JobState):
    """A job in a list, without its result."""

    address: Annotated[str, Field(description="Where GET returns the job with its result, and DELETE deletes it.")]
    problem: Annotated[Problem | None, Field(description="Why the job failed.")] = None


class JobListOut(BaseModel):
    """Response of GET /jobs, newest first, and of POST /jobs with several recordings, in their order."""

    jobs: list[JobEntryOut]
    next_cursor: Annotated[
        str | None, Field(description="Value of the parameter `cursor` for older jobs; null on the last page.")
    ] = None
