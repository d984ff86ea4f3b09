"""Is it alive, can it answer, and what does it serve?"""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from service.dependencies import LifecycleDep
from service.presentation import present_served
from service.schemas import HealthOut, Problem, ServedModelOut

router = APIRouter(tags=["service"])


@router.get("/health/live")
async def live() -> HealthOut:
    """The process runs."""
    return HealthOut(status="live")


@router.get("/health/ready", responses={503: {"model": Problem}})
async def ready(lifecycle: LifecycleDep) -> HealthOut:
    """Every model has answered its warm-up."""
    lifecycle.require_ready()
    return HealthOut(status="ready")


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(lifecycle: LifecycleDep) -> Response:
    """Prometheus's text format."""
    return Response(lifecycle.metrics.write(), media_type=CONTENT_TYPE_LATEST)


@router.get("/model")
async def served_model(lifecycle: LifecycleDep) -> ServedModelOut:
    """Which weights and which aligner answer, and why these."""
    return present_served(lifecycle.engine, lifecycle.settings)
