"""Dependencies of routes; coroutines, because FastAPI runs plain functions in a thread."""

from typing import Annotated

from fastapi import Depends, Request

from service.http.lifecycle import AppState


async def get_state(request: Request) -> AppState:
    """State of the application."""
    state: AppState = request.app.state.can_ser
    return state


AppStateDep = Annotated[AppState, Depends(get_state)]


async def get_owner(request: Request) -> str:
    """Name of the API key of the request; "" where none is needed."""
    owner: str = getattr(request.state, "owner", "")
    return owner


OwnerDep = Annotated[str, Depends(get_owner)]
