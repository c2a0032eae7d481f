"""Where webhooks may go: the rules for a URL, and for the address it resolves to.

The URL is checked when an endpoint is saved, so that the merchant gets an early error. The address is checked when the
connection is made, after DNS, because a name can resolve differently later; only that check is the guard.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

URL_CHARACTERS_MAX = 2_048
ALLOWED_PORTS_PUBLIC = frozenset({80, 443, *range(1_024, 65_536)})
"""Ports below 1024 belong to other protocols; a webhook sent there is an attack."""
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host (RFC 6890, as all without another source)
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by providers (RFC 6598); 100.100.100.200 is Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local: the metadata service of most clouds
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata service
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
        "198.18.0.0/15",  # benchmarks of network equipment
        "224.0.0.0/4", "240.0.0.0/4",  # multicast, reserved, broadcast
        "168.63.129.16/32",  # Azure's host agent, public by its number only
        "161.26.0.0/16", "166.8.0.0/14",  # IBM Cloud's services, reachable from inside only
    )
)  # fmt: skip
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All that is assigned for global use. Outside: `fc00::/7`, `fe80::/10`, `fec0::/10`, `ff00::/8`, `::/96` and more."""
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32", "3fff::/20",  # documentation
    )
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST_NAME = re.compile(r"[a-z0-9._-]+\Z", re.IGNORECASE)
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_NUMERIC_HOST = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?\Z", re.IGNORECASE)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain")


@dataclass(frozen=True, slots=True)
class BadTarget:
    """Why a URL is refused; `description` is for the merchant."""

    description: str


def check_url(url: str, *, private_allowed: bool) -> BadTarget | None:
    """None if the text of the URL does not forbid webhooks to it."""
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
    if not _HOST_NAME.match(parts.hostname) and not _is_ipv6(parts.hostname):
        return BadTarget("url must name its host by letters, digits, dots and hyphens, or by an IP address")
    if parts.username is not None or parts.password is not None:
        return BadTarget("url must not hold a user name or password")
    if parts.fragment:
        return BadTarget("url must not hold a fragment")
    if port == 0:
        return BadTarget("url must not use port 0")
    return None if private_allowed else _check_public(parts.hostname, port)


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


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
        # Not an address in its usual form: `127.1`, `2130706433`, `0x7f.0.0.1` and `0177.0.0.1` are addresses to the
        # resolver too.
        return private if _NUMERIC_HOST.match(name) else None


def address_is_public(address: str) -> bool:
    """True if the address is reachable on the public internet. Raises ValueError if it is not an address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED_V4)
    inner = parsed.ipv4_mapped or parsed.sixtofour or _nat64(parsed)
    if inner is not None:
        return address_is_public(str(inner))
    return parsed in _GLOBAL_V6 and not any(parsed in network for network in _REFUSED_V6)


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside 64:ff9b::/96 (RFC 6052)."""
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
