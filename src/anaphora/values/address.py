"""Addresses of servers: which of them are near."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


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


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
