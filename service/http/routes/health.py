"""Health checks, metrics, and the served model."""

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from can_ser_client.schemas import HealthOut, ServedModelOut
from service.http.dependencies import AppStateDep
from service.http.names import refuse_unknown_parameters
from service.http.openapi import refusals
from service.results.serialisation import to_served_model

router = APIRouter(tags=["service"])
metrics_router = APIRouter(tags=["service"])
"""Not included where CAN_METRICS is off."""


class MetricsResponse(Response):
    """Metrics in the text format of Prometheus."""

    media_type = CONTENT_TYPE_LATEST


@router.get("/health/live", response_model_exclude_none=True)
async def live() -> HealthOut:
    """Whether the process runs."""
    return HealthOut(status="live")


@router.get("/health/ready", responses=refusals(503), response_model_exclude_none=True)
async def ready(state: AppStateDep) -> HealthOut:
    """Whether every model has been loaded and run once; `detail` states what is not available."""
    state.require_healthy()
    return HealthOut(status="ready", detail="; ".join(state.details) or None)


@metrics_router.get("/metrics", response_class=MetricsResponse, responses=refusals(401, 403))
async def metrics(state: AppStateDep) -> Response:
    """Metrics in the text format of Prometheus."""
    return MetricsResponse(state.metrics.write())


@router.get("/model", dependencies=[Depends(refuse_unknown_parameters)], responses=refusals(400, 401, 403))
async def served_model(state: AppStateDep) -> ServedModelOut:
    """The served weights and aligner, and the reason for the choice of the aligner."""
    return to_served_model(state.engine, state.settings)
