"""When a client asks again: one rule, which the synchronous and the asynchronous client both follow.

It does no input or output. `exchange` yields what is to be done, a request or a wait, and is sent what came of it.
"""

import random
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from typing import Final

import httpx

from service.errors import RefusedError, UnreachableError

RETRIED: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done for that long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently.

    Attributes:
        attempts: in all; 1 never asks again.
        first_wait_s: before the second attempt where the service names no time; doubled each time, with up to half of
            it taken off by chance, so that clients that failed together do not come back together.
        longest_wait_s: no wait is longer; a service that asks for more is not asked again.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0

    def wait_s(self, outcome: Outcome, attempt: int) -> float | None:
        """Seconds until the next attempt; None when there is to be none."""
        if attempt >= self.attempts:
            return None
        guess: float = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(outcome, httpx.TransportError):
            # After a timeout the service may still be at it: more of the same would not help it.
            return None if isinstance(outcome, httpx.ReadTimeout) else guess
        if outcome.status_code not in RETRIED and not _is_of_a_proxy(outcome):
            return None
        asked_s = read_retry_after(outcome.headers.get("retry-after"))
        if asked_s is None:
            return guess
        return asked_s if asked_s <= self.longest_wait_s else None


def exchange(request: httpx.Request, policy: RetryPolicy) -> Generator[httpx.Request | Wait, Outcome | None, bytes]:
    """The body of a good answer.

    Yields:
        A request to be sent, or a wait.

    Raises:
        RefusedError: the service answered a problem, or still does after the last attempt.
        UnreachableError: no answer came.
    """
    for attempt in count(1):
        outcome = yield request
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome.content
        if outcome is None:
            raise TypeError("a request was yielded: send its outcome")
        wait_s = policy.wait_s(outcome, attempt)
        if wait_s is None:
            raise _error_of(outcome, str(request.url))
        yield Wait(wait_s)
    raise AssertionError("count never ends")


def _is_of_a_proxy(response: httpx.Response) -> bool:
    """Whether something in between failed: Ray Serve's proxy says 500 when the ingress behind it died."""
    ours = "problem+json" in response.headers.get("content-type", "")
    return response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and not ours


def read_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None without one that makes sense.

    Source: RFC 9110, Section 10.2.3.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _error_of(outcome: Outcome, url: str) -> RefusedError | UnreachableError:
    if isinstance(outcome, httpx.TransportError):
        return UnreachableError(url, str(outcome) or type(outcome).__name__)
    try:
        problem = outcome.json()
    except ValueError:
        problem = {}
    known = problem if isinstance(problem, dict) else {}
    return RefusedError(
        outcome.status_code,
        str(known.get("code", "")),
        str(known.get("detail") or outcome.reason_phrase),
        str(known.get("request_id") or outcome.headers.get("x-request-id", "")),
        read_retry_after(outcome.headers.get("retry-after")),
    )
