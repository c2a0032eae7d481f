"""Resolves names to addresses, so that one merchant's names never hold up another's webhooks.

    host ─► cached? ─► this merchant's turn ─► c-ares (/etc/hosts, then DNS) ─► addresses | failure, kept for a moment

c-ares needs no threads: thousands of lookups may wait at a time, whereas `getaddrinfo` has a pool of four. A merchant
waits only for its own lookups: a name is looked up once at a time for each merchant, and a merchant has LOOKUPS_MAX of
them. The check whether an address may be reached is made where the socket is made (sender.py), not here.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakValueDictionary

from aiohttp import AsyncResolver
from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUP_SECONDS = 1.5
"""Within the two seconds that a connection may take."""
TRY_SECONDS = 0.7
TRIES = 2
LOOKUPS_MAX = 8
"""Under way for one merchant; a merchant has at most 50 endpoints, and most names answer within 50 ms."""
FOUND_SECONDS = 10.0
FAILURE_SECONDS = 5.0
"""Long enough that a burst to a dead name costs one lookup, shorter than the first retry."""
KEPT_MAX = 10_000

resolving_for: ContextVar[str] = ContextVar("resolving_for", default="")
"""The merchant for whom this task makes a request."""


class UnresolvedError(OSError):
    """The name has no address; the text is for the delivery log."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The result of the last lookup, until `ends_at` (monotonic)."""

    found: tuple[ResolveResult, ...] | str
    ends_at: float


class Names(AbstractResolver):
    """One event loop's resolver. `nameservers`: `address:port` in place of those in /etc/resolv.conf."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._resolver = AsyncResolver(nameservers=list(nameservers), timeout=TRY_SECONDS, tries=TRIES)
        self._kept: OrderedDict[tuple[str, int, int], _Kept] = OrderedDict()
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`. Raises OSError with an explanation; a failed name keeps raising until it is
        forgotten."""
        numeric = _numeric(host, port)
        if numeric is not None:
            return [numeric]
        key = (host, port, family)
        if (kept := self._known(key)) is None:
            merchant_id = resolving_for.get()
            turn = self._turns.setdefault((merchant_id, host), asyncio.Lock())
            share = self._shares.setdefault(merchant_id, asyncio.Semaphore(LOOKUPS_MAX))
            async with turn:
                kept = self._known(key)
                if kept is None:
                    async with share:
                        kept = self._keep(key, await self._look_up(host, port, family))
        if isinstance(kept.found, str):
            raise UnresolvedError(None, kept.found)
        return list(kept.found)

    async def close(self) -> None:
        await self._resolver.close()

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> tuple[ResolveResult, ...] | str:
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return tuple(await self._resolver.resolve(host, port, family))
        except TimeoutError:
            return f"{host} was not resolved within {LOOKUP_SECONDS:g} s"
        except OSError as error:
            return f"{host} does not resolve: {error.strerror or error}"

    def _known(self, key: tuple[str, int, int]) -> _Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.ends_at > time.monotonic() else None

    def _keep(self, key: tuple[str, int, int], found: tuple[ResolveResult, ...] | str) -> _Kept:
        seconds = FAILURE_SECONDS if isinstance(found, str) else FOUND_SECONDS
        kept = self._kept[key] = _Kept(found, time.monotonic() + seconds)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return kept


def _numeric(host: str, port: int) -> ResolveResult | None:
    """The address behind `127.1` or `0x7f000001`, as the system's resolver reads them; None for a name."""
    try:
        address = socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=flags)
