"""Bounded numbers of what clients may hold at once, in all and for each API key."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import ServiceError


class Places:
    """Places that are held for the duration of a block."""

    def __init__(self, limit: int, owner_limit: int, full: Callable[[int], ServiceError]) -> None:
        """All places are free.

        Args:
            limit: Number of places.
            owner_limit: Number of places of one API key; requests without a key are bounded by `limit` only.
            full: Creates the error where a limit is reached, from that limit.
        """
        self._limit, self._owner_limit, self._full = limit, owner_limit, full
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """Number of places in use."""
        return self._held.total()

    def require(self, owner: str) -> None:
        """Raise where no place is free.

        Raises:
            ServiceError: As `full` creates it.
        """
        if self.held >= self._limit:
            raise self._full(self._limit)
        if owner and self._held[owner] >= self._owner_limit:
            raise self._full(self._owner_limit)

    @contextmanager
    def hold(self, owner: str) -> Iterator[None]:
        """Hold a place for the duration of the block.

        Raises:
            ServiceError: As `full` creates it.
        """
        self.require(owner)
        self._held[owner] += 1
        try:
            yield
        finally:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
