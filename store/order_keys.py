"""The rows of order_keys: nodes of each day's tree (runtime/order_keys.py), from which every order's key is derived.

    order id ─► its day ─► the one node above the order ─► its key          no node: the order is erased, or too old

A process caches what it has read for FRESH_SECONDS, so that sealing and opening cost no query under load, and no
process has an erased order's key FRESH_SECONDS after its erasure. The roots of the next AHEAD_DAYS are made in advance:
a database that is restored from a backup, or a standby that lacks the last second, still has the keys of today's
orders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Self

from domain.ids import ORDER, is_id, made_at_ms
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.keyring import KeyRing
from runtime.order_keys import (
    KEY_BYTES,
    LEVELS,
    MARK,
    Keys,
    OrderKey,
    is_sealed,
    key_below,
    opened,
    opened_text,
    order_of,
    orders_in,
    path_of,
    without,
)
from runtime.secrets import Sealed, seal, unseal
from runtime.settings import Settings
from store.driver import Connection, Pool, Row

AHEAD_DAYS = 35
"""A backup of this age still has the keys of all orders since."""
FRESH_SECONDS = 5.0
KEPT_MAX = 50_000
"""Nodes and absences that a process remembers; then it forgets all of them."""
QUERY_SECONDS = 3.0

# order_keys_pkey. Of all nodes on the way to an order at most one is there.
FIND = "SELECT id, key_sealed FROM order_keys WHERE id = ANY($1::text[])"
# order_keys_day. A day with any node has had its root.
MAKE = """
INSERT INTO order_keys (id, day, key_sealed)
SELECT root.id, root.day, root.key
  FROM unnest($1::text[], $2::date[], $3::bytea[]) AS root (id, day, key)
 WHERE NOT EXISTS (SELECT FROM order_keys old WHERE old.day = root.day)
    ON CONFLICT (id) DO NOTHING
"""
# order_keys_pkey
# Of a day one at a time: a session that waits for a row that is replaced does not see the replacement.
ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('order_keys', $1::date - DATE '2000-01-01'))"
LOCK = "SELECT id, key_sealed FROM order_keys WHERE id = ANY($1::text[]) FOR UPDATE"
REMOVE = "DELETE FROM order_keys WHERE id = $1"
REPLACE = "INSERT INTO order_keys (id, day, key_sealed) SELECT * FROM unnest($1::text[], $2::date[], $3::bytea[])"


@dataclass(frozen=True, slots=True)
class Node:
    """`way`: the steps from the day's root."""

    way: str
    key: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    """A node, or that there is none, as read at `at` (monotonic seconds)."""

    node: Node | None
    at: float


class OrderKeys:
    """One process's access to the keys."""

    def __init__(self, pool: Pool, ring: KeyRing, *, days: int = 0, clock: Clock = SYSTEM_CLOCK) -> None:
        """`days`: how long after its creation an order's key can be used; 0: no limit."""
        self._pool = pool
        self._ring = ring
        self._days = days
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        """By row id, and by order id for orders without a node."""

    @classmethod
    def of(cls, pool: Pool, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> Self:
        """With the ring and the days of the settings."""
        return cls(pool, settings.keys, days=settings.personal_fields_days, clock=clock)

    async def key_to_seal(self, order_id: str) -> OrderKey | None:
        """The order's key; its day's tree is made if there is none. None: the order is erased, or too old.

        Raises DatabaseError.
        """
        found = (await self.keys_of([order_id]))[order_id]
        if found is not None or not is_id(ORDER, order_id) or self._is_too_old(order_id):
            return found
        await make_roots(self._pool, self._ring, day_of(order_id))
        self._kept.pop(order_id, None)  # another process may have made them in between
        return (await self.keys_of([order_id]))[order_id]

    async def keys_of(self, order_ids: Iterable[str]) -> Keys:
        """Raises DatabaseError."""
        found: dict[str, OrderKey | None] = {}
        unknown: list[str] = []
        for order_id in order_ids:
            kept = self._remembered(order_id)
            if kept is None:
                unknown.append(order_id)
            else:
                found[order_id] = _key(order_id, kept.node)
        if unknown:
            for order_id, node in (await self._read(unknown)).items():
                found[order_id] = _key(order_id, node)
        return found

    async def opened(self, content: bytes) -> bytes:
        """The JSON text with its sealed fields opened (runtime/order_keys.py). Raises DatabaseError."""
        if MARK not in content:
            return content
        return opened(content, await self.keys_of(orders_in(content)))

    async def opened_text(self, text: str) -> str:
        """One field, or ERASED. Raises DatabaseError."""
        return opened_text(text, await self.keys_of([order_of(text)])) if is_sealed(text) else text

    def _remembered(self, order_id: str) -> _Kept | None:
        fresh_from = self._clock.monotonic() - FRESH_SECONDS
        for name in _names(order_id):
            kept = self._kept.get(name)
            if kept is not None and kept.at >= fresh_from:
                return kept
        return None

    async def _read(self, order_ids: Sequence[str]) -> dict[str, Node | None]:
        at = self._clock.monotonic()
        usable = [order_id for order_id in order_ids if not self._is_too_old(order_id)]
        ids = [row_id for order_id in usable for row_id in row_ids(order_id)]
        rows = await self._pool.fetch(FIND, ids, timeout=QUERY_SECONDS) if ids else []
        nodes = {row["id"]: _node(row, self._ring) for row in rows}
        if len(self._kept) > KEPT_MAX:
            self._kept.clear()
        found: dict[str, Node | None] = {}
        for order_id in order_ids:
            name = next((row_id for row_id in row_ids(order_id) if row_id in nodes), None)
            node = None if name is None or order_id not in usable else nodes[name]
            self._kept[order_id if node is None or name is None else name] = _Kept(node, at)
            found[order_id] = node
        return found

    def _is_too_old(self, order_id: str) -> bool:
        return self._days > 0 and day_of(order_id) < self._clock.now().date() - timedelta(days=self._days)


async def make_roots(pool: Pool, ring: KeyRing, first: date) -> None:
    """Make the missing trees of this day and the AHEAD_DAYS after it."""
    days = [first + timedelta(days=ahead) for ahead in range(AHEAD_DAYS + 1)]
    ids = [_root_id(day) for day in days]
    sealed = [_sealed(os.urandom(KEY_BYTES), ring, row_id) for row_id in ids]
    await pool.execute(MAKE, ids, days, sealed, timeout=QUERY_SECONDS)


async def forget(connection: Connection, ring: KeyRing, order_id: str) -> bool:
    """Inside a transaction: remove every trace of the order's key. False if there is none."""
    await connection.execute(ALONE, day_of(order_id))
    row = await connection.fetchrow(LOCK, row_ids(order_id))
    if row is None:
        return False
    node = _node(row, ring)
    day, root = day_of(order_id), row["id"].removesuffix(node.way)
    beside = without(node.key, node.way, path_of(order_id))
    ids = [root + other for other in beside]
    sealed = [_sealed(key, ring, row_id) for row_id, key in zip(ids, beside.values(), strict=True)]
    await connection.execute(REMOVE, row["id"])
    await connection.execute(REPLACE, ids, [day] * len(ids), sealed)
    return True


@lru_cache(maxsize=8_192)
def day_of(order_id: str) -> date:
    """The day of an order's tree: that of its id. An id of another form counts as the oldest."""
    if not is_id(ORDER, order_id):
        return date.min
    return datetime.fromtimestamp(made_at_ms(order_id) / 1_000, UTC).date()


def row_ids(order_id: str) -> list[str]:
    """Where the node above the order can be, from the root down."""
    return [*_names(order_id)][:-1]


def _names(order_id: str) -> Iterator[str]:
    """`row_ids`, and last the order's own id. Most orders are found by the first: their day's root."""
    if is_id(ORDER, order_id):
        root = _root_id(day_of(order_id))
        yield root
        path = path_of(order_id)
        yield from (root + path[:steps] for steps in range(1, LEVELS + 1))
    yield order_id


@lru_cache(maxsize=1_024)
def _root_id(day: date) -> str:
    return f"{day:%Y%m%d}/"


def _node(row: Row, ring: KeyRing) -> Node:
    return Node(row["id"].partition("/")[2], _unsealed(row["key_sealed"], ring, row["id"]))


def _key(order_id: str, node: Node | None) -> OrderKey | None:
    return None if node is None else key_below(node.key, path_of(order_id)[len(node.way) :], order_id)


def _sealed(key: bytes, ring: KeyRing, row_id: str) -> bytes:
    return seal(key.hex(), ring, Sealed.ORDER_KEY, row_id)


def _unsealed(sealed: bytes, ring: KeyRing, row_id: str) -> bytes:
    return bytes.fromhex(unseal(sealed, ring, Sealed.ORDER_KEY, row_id))
