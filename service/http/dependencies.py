"""What routes need, each under one name; coroutines, because FastAPI runs plain functions in a thread."""

from typing import Annotated

from fastapi import Depends, Request

from service.http.lifecycle import Lifecycle


async def get_lifecycle(request: Request) -> Lifecycle:
    """The application's engine and its state."""
    lifecycle: Lifecycle = request.app.state.lifecycle
    return lifecycle


LifecycleDep = Annotated[Lifecycle, Depends(get_lifecycle)]


async def get_owner(request: Request) -> str:
    """Whose key came with the request; "" where none is needed."""
    owner: str = getattr(request.state, "owner", "")
    return owner


OwnerDep = Annotated[str, Depends(get_owner)]
