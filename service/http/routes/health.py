"""Is it alive, can it answer, and what does it serve?"""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.http.dependencies import AppStateDep
from service.http.openapi import refusals
from service.results.schemas import HealthOut, ServedModelOut
from service.results.serialisation import present_served

router = APIRouter(tags=["service"])


class MetricsResponse(Response):
    """Prometheus's text format."""

    media_type = CONTENT_TYPE_LATEST


@router.get("/health/live")
async def live() -> HealthOut:
    """The process runs."""
    return HealthOut(status="live")


@router.get("/health/ready", responses=refusals(503))
async def ready(lifecycle: AppStateDep) -> HealthOut:
    """Every model has answered its warm-up."""
    lifecycle.require_ready()
    return HealthOut(status="ready")


@router.get("/metrics", response_class=MetricsResponse, responses=refusals(401))
async def metrics(lifecycle: AppStateDep) -> Response:
    """Prometheus's text format."""
    return MetricsResponse(lifecycle.metrics.write())


@router.get("/model", responses=refusals(401))
async def served_model(lifecycle: AppStateDep) -> ServedModelOut:
    """Which weights and which aligner answer, and why these."""
    return present_served(lifecycle.engine, lifecycle.settings)
