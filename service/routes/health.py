"""Is it alive, can it answer, and what does it serve?"""

from fastapi import APIRouter

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


@router.get("/model")
async def served_model(lifecycle: LifecycleDep) -> ServedModelOut:
    """Which weights and which aligner answer, and why these."""
    return present_served(lifecycle.engine)
