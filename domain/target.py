"""Where webhooks may go: the rules for a URL, and for the address it resolves to.

The URL is checked when an endpoint is saved, to tell the merchant early. The address is checked when the connection is
made, after DNS, because a name can change its mind; that check alone is the guard.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

URL_CHARACTERS_MAX = 2_048
ALLOWED_PORTS_PUBLIC = frozenset({80, 443, *range(1_024, 65_536)})
"""Ports below 1024 belong to other protocols; a webhook sent there is somebody's attack."""
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_NUMERIC_HOST = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?\Z", re.IGNORECASE)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain")


@dataclass(frozen=True, slots=True)
class BadTarget:
    """Why a URL is refused; `description` is for the merchant."""

    description: str


def check_url(url: str, *, private_allowed: bool) -> BadTarget | None:
    """None where webhooks may be sent to this URL as far as its text tells."""
    if len(url) > URL_CHARACTERS_MAX:
        return BadTarget(f"url must not be longer than {URL_CHARACTERS_MAX} characters")
    if not _VISIBLE.match(url) or "\\" in url:
        return BadTarget("url must hold only visible ASCII characters; encode everything else")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return BadTarget("url is not a valid URL")
    if parts.scheme not in ("http", "https"):
        return BadTarget("url must begin with http:// or https://")
    if not parts.hostname:
        return BadTarget("url must name a host")
    if parts.username is not None or parts.password is not None:
        return BadTarget("url must not hold a user name or password")
    if parts.fragment:
        return BadTarget("url must not hold a fragment")
    if port == 0:
        return BadTarget("url must not use port 0")
    return None if private_allowed else _check_public(parts.hostname, port)


def _check_public(host: str, port: int | None) -> BadTarget | None:
    if port is not None and port not in ALLOWED_PORTS_PUBLIC:
        return BadTarget(f"url must not use port {port}")
    private = BadTarget("url must not point to a private or local address")
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(_LOCAL_SUFFIXES):
        return private
    try:
        return None if address_is_public(name) else private
    except ValueError:
        # Not an address in its usual form: `127.1`, `2130706433`, `0x7f.0.0.1` and `0177.0.0.1` are addresses to
        # the resolver all the same.
        return private if _NUMERIC_HOST.match(name) else None


def address_is_public(address: str) -> bool:
    """True where the address is reachable on the public internet. Raises ValueError where it is no address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or _nat64(parsed) or _compatible(parsed)
        if inner is not None:
            return address_is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """IPv4 address inside 64:ff9b::/96 (RFC 6052)."""
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _compatible(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """IPv4 address inside ::/96, the deprecated IPv4-compatible form."""
    number = int(address)
    return ipaddress.IPv4Address(number) if 1 < number <= 0xFFFF_FFFF else None
