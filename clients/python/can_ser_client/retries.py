"""Retries of refused and failed requests: the rule of both clients, without input or output of its own."""

import random
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from typing import Final

import httpx

from can_ser_client.responses import to_error

RETRIED: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
REFUSED_BEFORE_WORK: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# After a read timeout the service may still process the request, and a retry would add to its load; the others are
# mistakes of the address or of the caller.
_PERMANENT: Final = (httpx.ReadTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts, and the waits between them.

    Attributes:
        attempts: Total number of attempts; 1 disables retries.
        first_wait_s: Wait before the second attempt where the service names no time; doubled each time, and reduced by
            a random share of up to one half, so that clients that failed together do not retry together.
        longest_wait_s: Upper bound of a wait; a service that requests a longer one is not retried.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0

    def wait_s(self, outcome: Outcome, attempt: int, *, repeatable: bool = True) -> float | None:
        """Seconds until the next attempt; None for no further one.

        Args:
            outcome: Response or error of the last attempt.
            attempt: Number of the last attempt, from 1.
            repeatable: False where a request that was processed must not be sent twice, as for a new job: it is then
                repeated only if the service certainly did not process it.
        """
        if attempt >= self.attempts or not _is_temporary(outcome, repeatable=repeatable):
            return None
        backoff: float = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        if isinstance(outcome, httpx.TransportError):
            return backoff
        requested_s = read_retry_after(outcome.headers.get("retry-after"))
        if requested_s is None:
            return backoff
        return requested_s if requested_s <= self.longest_wait_s else None


def attempt(
    request: httpx.Request, policy: RetryPolicy, *, repeatable: bool = True
) -> Generator[httpx.Request | float, Outcome | None, httpx.Response]:
    """Successful response of a request.

    Args:
        request: The request, with a body that can be sent again.
        policy: Number of attempts, and the waits between them.
        repeatable: See `RetryPolicy.wait_s`.

    Yields:
        A request to send, whose outcome is to be sent back, or seconds to wait.

    Raises:
        RefusedError: The service refuses the request, or is still busy after the last attempt.
        UnreachableError: The service does not respond.
    """
    for number in count(1):
        outcome = yield request
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        if outcome is None:
            raise TypeError("send the outcome of the request")
        wait_s = policy.wait_s(outcome, number, repeatable=repeatable)
        if wait_s is None:
            retry_after_s = None
            if isinstance(outcome, httpx.Response):
                retry_after_s = read_retry_after(outcome.headers.get("retry-after"))
            raise to_error(outcome, str(request.url), retry_after_s)
        yield float(wait_s)
    raise AssertionError("count never ends")


def _is_temporary(outcome: Outcome, *, repeatable: bool) -> bool:
    if isinstance(outcome, httpx.TransportError):
        return isinstance(outcome, _NOT_SENT) if not repeatable else not isinstance(outcome, _PERMANENT)
    if not repeatable:
        return outcome.status_code in REFUSED_BEFORE_WORK
    return outcome.status_code in RETRIED or _is_proxy_error(outcome)


def _is_proxy_error(response: httpx.Response) -> bool:
    """Whether a proxy failed: that of Ray Serve returns 500 when the ingress behind it has died."""
    own = "problem+json" in response.headers.get("content-type", "")
    return response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and not own


def read_retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None without a valid one.

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
