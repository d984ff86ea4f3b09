"""What routes need, each under one name; coroutines, because FastAPI runs plain functions in a thread."""

from typing import Annotated

from fastapi import Depends, Request

from service.http.lifecycle import AppState


async def get_state(request: Request) -> AppState:
    """The application's engine and its state."""
    lifecycle: AppState = request.app.state.lifecycle
    return lifecycle


AppStateDep = Annotated[AppState, Depends(get_state)]


async def get_owner(request: Request) -> str:
    """Whose key came with the request; "" where none is needed."""
    owner: str = getattr(request.state, "owner", "")
    return owner


OwnerDep = Annotated[str, Depends(get_owner)]
