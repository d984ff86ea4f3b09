"""Addresses of callbacks: which are accepted, and which addresses of the network they may resolve to.

A callback is a request that a client makes the service send. Without these rules it could reach services that only this
machine or its network can reach (server-side request forgery).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from service.errors import CallbackRefusedError
from service.setting_values import read_callback_host

Address = IPv4Address | IPv6Address
HOSTS_VARIABLE: Final = "CAN_JOBS__CALLBACK_HOSTS"
NETWORKS_VARIABLE: Final = "CAN_JOBS__CALLBACK_NETWORKS"
_MAX_LENGTH: Final = 2_000
_PORTS: Final = {"https": 443, "http": 80}
# urlsplit removes some control characters, and other parsers read a backslash as a slash.
_FORBIDDEN: Final = re.compile(r"[^\x21-\x7e]|[\\<>\"{}|^`]")
_WAY_OUT: Final = "send an address like https://hooks.example.org/can-ser?job=1"


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """An accepted address.

    Attributes:
        scheme: "https" or "http".
        host: Name or IP address, in lower case, without brackets.
        port: TCP port.
        target: Path and query of the request.
        is_listed_address: Whether the host is an IP address, which the settings list as such.
    """

    scheme: str
    host: str
    port: int
    target: str
    is_listed_address: bool

    @property
    def authority(self) -> str:
        """Host and port as in the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class CallbackPolicy:
    """The hosts and networks to which callbacks may be sent."""

    def __init__(self, hosts: Iterable[str], networks: Iterable[str]) -> None:
        """Allow these.

        Args:
            hosts: Entries of CAN_JOBS__CALLBACK_HOSTS.
            networks: Networks in addition to public addresses.
        """
        self._hosts = [read_callback_host(entry) for entry in hosts]
        self._networks = tuple(map(ip_network, networks))

    @property
    def allows_any(self) -> bool:
        """Whether there are callbacks at all."""
        return bool(self._hosts)

    def check(self, url: str) -> CallbackAddress:
        """The parts of an address that a client names.

        Raises:
            CallbackRefusedError: It is not an address, or its host is not listed.
        """
        parts, port = _split(url)
        host = (parts.hostname or "").removesuffix(".")
        address = _read_address(host)
        host = str(address or host)
        if not self.allows_any:
            raise CallbackRefusedError(
                "is refused: this service sends none", f"the operator can allow hosts with {HOSTS_VARIABLE}"
            )
        if not any(each.matches(parts.scheme, host, port) for each in self._hosts):
            raise CallbackRefusedError(
                f"names {parts.scheme}://{parts.netloc[:200]}, which is not an allowed host",
                f"the operator can list it in {HOSTS_VARIABLE}",
            )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return CallbackAddress(parts.scheme, host, port, target, address is not None)

    def select(self, address: CallbackAddress, resolved: Iterable[str]) -> list[Address]:
        """The addresses of the network, among those of the host, to which a connection may be opened.

        A listed IP address is allowed as it is.

        Args:
            address: The accepted address.
            resolved: IP addresses of its host.
        """
        candidates = [each for each in map(_read_address, resolved) if each is not None]
        return [each for each in candidates if address.is_listed_address or self._permits(each)]

    def _permits(self, address: Address) -> bool:
        address = getattr(address, "ipv4_mapped", None) or address
        return is_public(address) or any(address in network for network in self._networks)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet: not private, loopback, link-local, multicast or reserved.

    Addresses that hold an IPv4 address for a gateway (6to4, Teredo, NAT64) are not public: they may reach any network.

    Source: IANA's registries of special-purpose addresses, as in `ipaddress`.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _split(url: str) -> tuple[SplitResult, int]:
    """Parts of an address, and its port."""
    if len(url) > _MAX_LENGTH:
        raise CallbackRefusedError(f"has {len(url)} characters, the limit is {_MAX_LENGTH}", _WAY_OUT)
    if _FORBIDDEN.search(url):
        raise CallbackRefusedError("holds characters that an address cannot hold", "percent-encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise CallbackRefusedError(f"is not an address ({exc})", _WAY_OUT) from exc
    if parts.scheme not in _PORTS or not parts.hostname:
        raise CallbackRefusedError("is not an address with https://", _WAY_OUT)
    if parts.username is not None or parts.fragment or "%" in parts.netloc or port == 0:
        raise CallbackRefusedError("holds a user name, a fragment, a zone or port 0", f"omit it; {_WAY_OUT}")
    return parts, port or _PORTS[parts.scheme]


def _read_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
