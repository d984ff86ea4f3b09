"""API keys, and the request rate of each key.

The settings hold only SHA-256 digests of keys. A key is 32 random bytes, so that no slow hash is needed.
"""

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from alignment.timing import Seconds
from service.errors import RateLimitedError, WrongKeyError
from service.http.exception_handlers import refuse
from service.observability.route_path import route_path
from service.settings import Settings

SUBPROTOCOL: Final = "can-ser"
TWILIO_PATH: Final = "/stream/twilio"
"""WebSocket whose client may send its key in a message: the route calls `identify` of the connection's state."""
_OWNER_LENGTH: Final = 16
_WINDOW_S: Final[Seconds] = 60.0
_PUBLIC: Final = ("/health/", "/static/", "/docs", "/openapi.json")


class Authentication:
    """Checks the key of every request except health checks, the page and the documentation."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = KeyRing(settings.api_keys)
        self._rate = RequestRate(settings.key_requests_per_minute)
        self._public = _PUBLIC if settings.metrics == "key" else (*_PUBLIC, "/metrics")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse one request or connection."""
        if scope["type"] not in {"http", "websocket"} or self._is_public(route_path(scope)):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except (WrongKeyError, RateLimitedError) as error:
            await refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        return path == "/" or path.startswith(self._public)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            return
        state = scope.setdefault("state", {})
        if scope["type"] == "websocket" and route_path(scope) == TWILIO_PATH and not read_key(headers):
            state["identify"] = self._identify
            return
        owner = state["owner"] = self._keys.identify(headers)
        if scope["type"] == "websocket" or scope["method"] == "POST":
            self._rate.count(owner)

    def _identify(self, key: str) -> str:
        """Name of a key that a message holds.

        Raises:
            WrongKeyError: It is unknown.
            RateLimitedError: Its limit is reached.
        """
        owner = self._keys.find_owner((sha256(key.encode(errors="replace")).hexdigest(),))
        self._rate.count(owner)
        return owner


def make_key() -> tuple[str, str]:
    """A new key, and its digest for CAN_API_KEYS."""
    key = secrets.token_urlsafe(32)
    return key, sha256(key.encode()).hexdigest()


class KeyRing:
    """The accepted keys; without any, every request is accepted."""

    def __init__(self, digests: Sequence[str]) -> None:
        """Use SHA-256 digests in hexadecimal."""
        self._digests = tuple(digest.lower() for digest in digests)

    def identify(self, headers: Headers) -> str:
        """Name of the key of a request, "" where none is needed.

        Raises:
            WrongKeyError: The request has no key, or an unknown one.
        """
        return self.find_owner(_hash_key(read_key(headers)))

    def find_owner(self, digests: Sequence[str]) -> str:
        """Name of a key of one of these digests, "" where none is needed.

        Every digest is compared, in constant time, so that the duration reveals nothing.

        Raises:
            WrongKeyError: They are unknown.
        """
        if not self._digests:
            return ""
        pairs = [(hmac.compare_digest(each, known), known) for known in self._digests for each in digests]
        matches = [known for is_equal, known in pairs if is_equal]
        if not matches:
            raise WrongKeyError()
        return matches[0][:_OWNER_LENGTH]


def _hash_key(key: str) -> tuple[str, ...]:
    """Digests of the UTF-8 form of a key that was sent in UTF-8 or in Latin-1, as which headers are decoded."""
    return sha256(key.encode("latin-1")).hexdigest(), sha256(key.encode()).hexdigest()


def read_key(headers: Headers) -> str:
    """Key of a request; browsers can send one with a WebSocket only as its second subprotocol."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    offered = [part.strip() for part in headers.get("sec-websocket-protocol", "").split(",")]
    if len(offered) == 2 and offered[0] == SUBPROTOCOL:
        return offered[1]
    return headers.get("x-api-key", "")


class RequestRate:
    """A limit of requests in any 60 s for each key, all of which may arrive at once.

    A further request is accepted as soon as 60 s have passed since the first of those that count. Refused requests do
    not count.
    """

    def __init__(self, per_minute: int | None, clock: Callable[[], Seconds] = time.monotonic) -> None:
        """Use None for no limit."""
        self._per_minute, self._clock = per_minute, clock
        self._accepted: dict[str, deque[Seconds]] = {}

    def count(self, owner: str) -> None:
        """Count a request of a key.

        Raises:
            RateLimitedError: The limit is reached.
        """
        if not owner or not self._per_minute:
            return
        now = self._clock()
        accepted = self._accepted.setdefault(owner, deque(maxlen=self._per_minute))
        if len(accepted) == self._per_minute and (wait_s := accepted[0] + _WINDOW_S - now) > 0:
            raise RateLimitedError(self._per_minute, wait_s)
        accepted.append(now)
