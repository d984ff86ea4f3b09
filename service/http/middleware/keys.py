"""Who may ask, and how often: API keys and a limit on each key's own requests.

Only SHA-256 digests of keys are in the settings. A key is 32 random bytes, so that no slow hash is needed.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

from starlette.datastructures import Headers

from alignment.timing import Seconds
from service.errors import RateLimitedError, WrongKeyError

SUBPROTOCOL = "can-ser"
_OWNER_LETTERS = 16


def make_key() -> tuple[str, str]:
    """A new key, and the digest of it that goes into CAN_API_KEYS."""
    key = secrets.token_urlsafe(32)
    return key, sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys that are accepted; with none, everybody may ask."""

    def __init__(self, digests: Sequence[str]) -> None:
        """Takes SHA-256 digests in hexadecimal."""
        self._digests = tuple(digest.lower() for digest in digests)

    def identify(self, headers: Headers) -> str:
        """A name for the key that came, "" where none is needed.

        Every digest is compared, in constant time, so that the time taken tells nothing.

        Raises:
            WrongKeyError: no key, or none that is known.
        """
        if not self._digests:
            return ""
        digest = sha256(read_key(headers).encode()).hexdigest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not any(matches):
            raise WrongKeyError()
        return digest[:_OWNER_LETTERS]


def read_key(headers: Headers) -> str:
    """The key of a request; browsers can send one with a WebSocket only as its second subprotocol."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    offered = [part.strip() for part in headers.get("sec-websocket-protocol", "").split(",")]
    if len(offered) == 2 and offered[0] == SUBPROTOCOL:
        return offered[1]
    return headers.get("x-api-key", "")


class RequestRate:
    """At most so many requests a minute for each key, of which a tenth may come at once."""

    def __init__(self, per_minute: int | None, clock: Callable[[], Seconds] = time.monotonic) -> None:
        """Takes None for no limit."""
        self._every_s = 60.0 / per_minute if per_minute else 0.0
        self._slack_s = 6.0
        self._clock = clock
        self._due: dict[str, Seconds] = {}

    def note(self, owner: str) -> None:
        """A request of that key.

        Raises:
            RateLimitedError: it came too early.
        """
        if not owner or not self._every_s:
            return
        now = self._clock()
        due = max(now, self._due.get(owner, now))
        wait_s = due - now - max(0.0, self._slack_s - self._every_s)
        if wait_s > 0:
            raise RateLimitedError(round(60.0 / self._every_s), wait_s)
        self._due[owner] = due + self._every_s
