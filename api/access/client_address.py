"""The client's network address: the peer's, or the one that a trusted proxy in front of us recorded.

    client ─► proxy (trusted) ─► proxy (trusted) ─► API
              X-Forwarded-For: client, proxy            read from the right, up to the first that is not trusted

Only the peer's address is certain. The client may have forged anything to the left of an untrusted address in the
header. `Forwarded` is not read: a proxy that writes one header passes the other on as the client sent it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import Request

Network = IPv4Network | IPv6Network
HOPS_MAX = 16
"""Entries of X-Forwarded-For that are read, from the right; no chain of trusted proxies is longer."""
IPV6_CLIENT_BITS = 64
"""The prefix that a provider assigns to one customer; its 2^64 addresses are one client."""


class TrustedProxies:
    """The proxies whose X-Forwarded-For is trusted. False if there are none."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of the client behind `peer`: a peer that is not trusted is the client itself."""
        client = peer
        if not self._trusts(peer):
            return peer
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for hop in reversed(forwarded.split(",")[-HOPS_MAX:]):
            address = _address(hop.strip())
            if address is None:
                return client  # entries to the left of an unreadable one cannot be trusted either
            client = str(address)
            if not self._trusts(client):
                return client
        return client

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 192.0.2.7` as networks. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_of(request: Request) -> str:
    """The client's address, as the edge found it; "" if the server does not have it."""
    return request.client.host if request.client else ""


def is_within(address: str, allowed: Sequence[str]) -> bool:
    """Whether an address is in one of these networks, `10.0.0.0/8` or `192.0.2.7`. Anything else is in none."""
    found = _address(address)
    return found is not None and any(found in network for network in _networks(tuple(allowed)))


@lru_cache(maxsize=1_024)
def _networks(allowed: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(one) for one in allowed)


@lru_cache(maxsize=4_096)
def network_of(text: str) -> str:
    """The part of an address that stands for one client: all of IPv4, the /64 of IPv6. Other text stays as it is."""
    address = _address(text)
    if not isinstance(address, IPv6Address):
        return text if address is None else str(address)
    return str(ip_network((address, IPV6_CLIENT_BITS), strict=False))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, with a port, in brackets; IPv4 in an IPv6 shell is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
