"""API keys in memory: a lookup costs one query in TTL_SECONDS for each key, not one for each request.

Bounded, and dropped at once when a key is revoked or rotated: its name is published on KEYS_CHANGED.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.settings import Settings
from store.accounts.api_keys import ApiKey, Rehashed, find_api_key, rehash_api_key, touch_api_keys
from store.connections import through_restart
from store.driver import Pool
from store.errors import DatabaseError

log = get_logger("api-keys")

KEY_LENGTH_MAX = 128
KEYS_MAX = 10_000
TTL_SECONDS = 30.0
RECORD_SECONDS = 2.0
"""Interval between two writes of key uses."""
TTL_UNKNOWN_SECONDS = 2.0
"""Short for keys that do not exist: one that was just created works almost at once."""


@dataclass(slots=True)
class Cached:
    """`found` None: the key does not exist."""

    found: ApiKey | None
    until: float
    touched: bool = False


class KeyCache:
    """Keys by their public half."""

    def __init__(self, settings: Settings, pool: Pool, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._kept: OrderedDict[str, Cached] = OrderedDict()
        self._used: dict[str, tuple[ApiKey, Rehashed | None]] = {}
        """By id; bounded by the keys that are in memory."""
        self._changes = 0
        """How often an entry was dropped."""

    async def find(self, key: str) -> ApiKey | None:
        """The key, or None if it is unknown, revoked or expired. Raises the database's errors."""
        if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
            return None
        cached = self._kept.get(key)
        if cached is None or cached.until < self._clock.monotonic():
            cached = await self._load(key)
        found = cached.found
        if found is not None and found.expires_at is not None and found.expires_at <= self._clock.now():
            return None
        return found

    def used(self, key: str, rehashed: Rehashed | None = None) -> None:
        """Note the use of a key whose secret was right, at most once for each time it was loaded; `run` writes it down.

        `rehashed`: its secret under the newest key of the ring, if an older one matched.
        """
        cached = self._kept.get(key)
        if cached is None or cached.touched or cached.found is None:
            return
        cached.touched = True
        self._used[cached.found.id] = cached.found, rehashed

    async def run(self) -> None:
        """Record uses in the background, until cancelled. Uses that the database does not accept are dropped."""
        while True:
            await asyncio.sleep(RECORD_SECONDS)
            used, self._used = self._used, {}
            if not used:
                continue
            try:
                for found, rehashed in used.values():
                    if rehashed is not None:
                        await rehash_api_key(self._pool, found, rehashed)
                await touch_api_keys(self._pool, list(used))
            except DatabaseError as error:
                log.warning("key_uses_not_recorded", keys=len(used), error=repr(error))

    def forget(self, key: str) -> None:
        self._changes += 1
        self._kept.pop(key, None)

    def forget_all(self) -> None:
        """After a gap in the subscription, changes may have been missed."""
        self._changes += 1
        self._kept.clear()

    async def _load(self, key: str) -> Cached:
        """A key that is dropped while it is being read may have its earlier state: it serves this request only."""
        changes = self._changes
        found = await through_restart(lambda: find_api_key(self._pool, key))
        cached = Cached(found, self._clock.monotonic() + (TTL_UNKNOWN_SECONDS if found is None else TTL_SECONDS))
        if changes != self._changes:
            return cached
        self._kept[key] = cached
        self._kept.move_to_end(key)
        while len(self._kept) > KEYS_MAX:
            self._kept.popitem(last=False)
        return cached
