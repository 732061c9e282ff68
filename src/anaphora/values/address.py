"""Addresses of servers: which of them are near."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qsl, urlsplit

_SHORTEST_SECRET = 8


def is_loopback(url: str) -> bool:
    """Tells if an address is on this machine: no proxy is asked for it."""
    host = _host(url)
    return host == "localhost" or host.startswith("127.") or host == "::1"


def is_near(url: str) -> bool:
    """Tells if an address is on this machine or in its own network."""
    host = _host(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".lan", ".internal", ".home.arpa"))
    return address.is_private or address.is_loopback or address.is_link_local


def secrets_in(url: str) -> tuple[str, ...]:
    """Gives the parts of an address that may be keys: the password or name before the host, and the values of its query."""
    try:
        parts = urlsplit(url)
        found = (parts.password or "", parts.username or "", *(value for _, value in parse_qsl(parts.query)))
    except ValueError:
        return ()
    return tuple(one for one in found if len(one) >= _SHORTEST_SECRET)


def without_secrets(url: str) -> str:
    """Gives an address as it may be shown: without name, password and query."""
    scheme, found, rest = url.partition("://")
    if not found:
        return "…"
    host = rest.partition("/")[0].rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host}/…" if len(scheme) <= 10 else "…"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
