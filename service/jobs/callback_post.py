"""One HTTP request to the receiver of a callback.

The connection goes to an address that was checked after name resolution, so that a name that changes between the check
and the connection (DNS rebinding) has no effect. HTTP libraries resolve the name themselves, and follow redirects or
read the whole response unless told otherwise; here neither is possible: the connection is closed after the head of the
response. Proxies of the environment are not used, since they would resolve the name again.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Final

import httptools

from alignment.timing import Seconds
from service.jobs.callback_address import NETWORKS_VARIABLE, Address, CallbackAddress, CallbackPolicy

MAX_HEAD_BYTES: Final = 16_384
"""Bytes of a response that are read at most."""
_MAX_ADDRESSES: Final = 4
_RESOLVERS: Final = 4
_GONE: Final = 410


class DeliveryError(Exception):
    """An attempt failed.

    Attributes:
        final: Whether a further attempt is useless.
        retry_after_s: Shortest wait that the receiver requests; 0 for none.
    """

    def __init__(self, reason: str, *, final: bool = False, retry_after_s: Seconds = 0.0) -> None:
        self.final, self.retry_after_s = final, retry_after_s
        super().__init__(reason)


class CallbackClient:
    """Sends requests to receivers; names are resolved in threads of their own, which nothing else waits for."""

    def __init__(self, policy: CallbackPolicy, timeout_s: Seconds) -> None:
        """Open no connection yet.

        Args:
            policy: Allowed addresses.
            timeout_s: Longest time of a request, from the resolution of its host to the head of the response.
        """
        self._policy, self._timeout_s = policy, timeout_s
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, "callback-names")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def post(self, address: CallbackAddress, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a request; every status 2xx is a success.

        Raises:
            DeliveryError: The receiver cannot be reached, must not be reached, or responds with another status.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._exchange(address, _write_request(address, body, headers))
        except TimeoutError as exc:
            raise DeliveryError(f"no response within {self._timeout_s:g} s") from exc
        except ssl.SSLError as exc:
            reason = getattr(exc, "verify_message", "") or exc.reason or "handshake failed"
            raise DeliveryError(f"the TLS connection failed ({reason})") from exc
        except OSError as exc:
            raise DeliveryError(f"the connection failed ({_describe(exc)})") from exc
        _check_status(response)

    def close(self) -> None:
        """End the threads; one that still resolves a name ends when the resolver does."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def _exchange(self, address: CallbackAddress, request: bytes) -> "_ResponseHead":
        reader, writer = await self._connect(address)
        try:
            writer.write(request)
            await writer.drain()
            return await _read_head(reader)
        finally:
            # Nothing more of the response is read, and no end of TLS is awaited.
            writer.transport.abort()

    async def _connect(self, address: CallbackAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = await asyncio.to_thread(lambda: self._tls) if address.scheme == "https" else None
        failure: OSError = OSError("no address")
        for each in (await self._resolve(address))[:_MAX_ADDRESSES]:
            try:
                return await asyncio.open_connection(
                    str(each), address.port, ssl=tls, server_hostname=address.host if tls else None
                )
            except OSError as exc:
                failure = exc
        raise failure

    async def _resolve(self, address: CallbackAddress) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            names = await loop.run_in_executor(self._resolvers, _look_up, address.host, address.port)
        except (socket.gaierror, UnicodeError) as exc:
            raise DeliveryError("the host name cannot be resolved") from exc
        if allowed := self._policy.select(address, names):
            return allowed
        raise DeliveryError(
            "the host resolves to an address that is not public; the operator can allow its network with "
            + NETWORKS_VARIABLE
        )


class _ResponseHead:
    """Status and headers of a response; the callbacks are those of httptools.

    Attributes:
        status: Status; 0 until the head is complete.
        retry_after_s: Value of Retry-After in seconds; 0 without one.
    """

    def __init__(self) -> None:
        self.status = 0
        self.retry_after_s = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse bytes.

        Raises:
            DeliveryError: They are not HTTP.
        """
        try:
            with suppress(httptools.HttpParserUpgrade):
                self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            raise DeliveryError("the response is not HTTP") from exc

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header."""
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 10:
            self.retry_after_s = int(value)

    def on_headers_complete(self) -> None:
        """Called after the headers; interim responses (1xx) precede the response."""
        status = self._parser.get_status_code()
        if status >= 200 and not self.status:
            self.status = status


async def _read_head(reader: asyncio.StreamReader) -> _ResponseHead:
    head, size = _ResponseHead(), 0
    while not head.status:
        data = await reader.read(MAX_HEAD_BYTES - size)
        if not data:
            full = size >= MAX_HEAD_BYTES
            raise DeliveryError(
                "the headers of the response are too long" if full else "the connection ended before a response"
            )
        size += len(data)
        head.feed(data)
    return head


def _check_status(response: _ResponseHead) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryError(f"the receiver redirects (status {status}); redirects are not followed, name its address")
    reason = f"the receiver responded with status {status}"
    raise DeliveryError(reason, final=status == _GONE, retry_after_s=response.retry_after_s)


def _write_request(address: CallbackAddress, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {address.target} HTTP/1.1",
        f"host: {address.authority}",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _look_up(host: str, port: int) -> list[str]:
    """IP addresses of a host, without duplicates; this blocks."""
    return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def _describe(error: OSError) -> str:
    """Reason of a failed connection, without the address that asyncio's messages hold."""
    if error.errno is None:
        return type(error).__name__
    text = os.strerror(error.errno)
    return text[0].lower() + text[1:]
