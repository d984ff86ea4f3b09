"""Names in `Host` that a request may have where no key is required.

A page whose name resolves to this machine (DNS rebinding) is of the same origin for the browser; only its name differs.
The address at which the request arrived does not distinguish it: in a container, requests of a browser on the same
machine arrive from the network of the containers. Accepted are therefore only names that a page cannot choose.

Source: RFC 6761, Section 6.3 (localhost); RFC 6762, Section 3 (local); RFC 8375 (home.arpa); ICANN Board resolution
2024.07.29.06 (internal); RFC 3986, Section 3.2.2 (literal addresses).
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

ANY: Final = "*"
_PRIVATE: Final = (".internal", ".local", ".home.arpa")
"""Ends of names that cannot be registered in public DNS."""


class HostNames:
    """Known host names: literal addresses, this machine, and those that the settings list."""

    def __init__(self, listed: Iterable[str], origins: Iterable[str]) -> None:
        """Names of the settings.

        Args:
            listed: Names; `*.example.org` is every name below example.org, `*` every name.
            origins: Origins, whose hosts are accepted too.
        """
        own = socket.gethostname().lower()
        self._names = {
            "localhost",
            own,
            f"{own}.local",
            *listed,
            *(host_name(read_authority(each)) for each in origins),
        }
        self._suffixes = (".localhost", *(name[1:] for name in listed if name.startswith("*.")))

    def accept(self, host: str, origin: str, server: str) -> bool:
        """Whether a request may have this `Host`.

        A private name, such as that of a container, is not resolved by public DNS: requests of programs may have it. A
        page at such a name comes from a resolver of the local network, and must be listed.

        Args:
            host: Name or address, with or without a port.
            origin: Origin of the page that sent the request; "" for programs.
            server: Address at which the request arrived.
        """
        name = host_name(host)
        if ANY in self._names or _is_address(name) or name in self._names or name.endswith(self._suffixes):
            return True
        return _is_private(name) and not _is_loopback(server) and host_name(read_authority(origin)) != name


def read_authority(origin: str) -> str:
    """Host and port of an origin; "" where it is not an address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def host_name(authority: str) -> str:
    """Name or address of a host with a port; "" where it is neither."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_private(name: str) -> bool:
    return bool(name) and ("." not in name or name.endswith(_PRIVATE))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ip_address(name).is_loopback
