"""What an erasure reads and changes: the order's key, and the few places that hold texts of other systems.

    forgotten(order)   key gone (store/order_keys.py) ─ answers of the merchant's servers emptied ─ remembered as erased

One transaction each. Everything else that is stored of an order is sealed, and unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from domain.ids import event_id
from runtime.keyring import KeyRing
from store.driver import Connection, Pool, Row
from store.order_keys import forget, row_ids
from topics.razorpay.webhooks import PLACES_MAX, delivery_event_id

PAGE = 5_000
ERASED_PAGE = 200
# webhook_logs_once_per_endpoint, webhook_attempts_pkey. A server may send back what it was sent.
EMPTY_RESPONSES = """
UPDATE webhook_attempts
   SET response_body = NULL,
       response_headers = NULL
 WHERE log_id IN (SELECT id FROM webhook_logs WHERE event_id = ANY($1::text[]))
   AND (response_body IS NOT NULL OR response_headers IS NOT NULL)
"""
COUNT_RESPONSES = """
SELECT count(*)
  FROM webhook_attempts
 WHERE log_id IN (SELECT id FROM webhook_logs WHERE event_id = ANY($1::text[]))
   AND (response_body IS NOT NULL OR response_headers IS NOT NULL)
"""
# events_pkey
EVENTS = "SELECT sequence FROM events WHERE order_id = $1"
# erased_orders_pkey
REMEMBER = "INSERT INTO erased_orders (order_id) VALUES ($1) ON CONFLICT (order_id) DO NOTHING"
ERASED_AMONG = "SELECT order_id FROM erased_orders WHERE order_id = ANY($1::text[])"
ERASED_AFTER = "SELECT order_id FROM erased_orders WHERE order_id > $1 ORDER BY order_id LIMIT $2"
# events_pkey
PAYLOADS = "SELECT order_id, sequence, payload FROM events WHERE order_id = ANY($1::text[]) ORDER BY order_id, sequence"
# order_keys_pkey
KEYED_AMONG = "SELECT id FROM order_keys WHERE id = ANY($1::text[])"
HAS_KEY = "SELECT EXISTS (SELECT FROM order_keys WHERE id = ANY($1::text[]))"
# payments_pkey; orders_pkey
CONTACTS = {
    "payments": """
SELECT id, order_id, email, contact
  FROM payments
 WHERE id > $1 AND (contact IS NOT NULL OR email IS NOT NULL)
 ORDER BY id
 LIMIT $2""",
    "orders": """
SELECT id, id AS order_id, link::jsonb ->> 'email' AS email, link::jsonb ->> 'contact' AS contact
  FROM orders
 WHERE id > $1 AND link IS NOT NULL
 ORDER BY id
 LIMIT $2""",
}


@dataclass(frozen=True, slots=True)
class Reached:
    """How an order's payer can be reached, sealed or not."""

    order_id: str
    email: str | None
    contact: str | None


async def forgotten(pool: Pool, ring: KeyRing, order_id: str) -> bool:
    """Delete the order's key and the responses of its merchant's servers. False if the key was already deleted."""
    async with pool.acquire() as connection, connection.transaction():
        had_key = await forget(connection, ring, order_id)
        await _empty_responses(connection, order_id)
        await connection.execute(REMEMBER, order_id)
    return had_key


async def empty_responses(pool: Pool, order_id: str) -> None:
    """Responses of servers since the key was deleted: to requests sent while a process still had it cached."""
    async with pool.acquire() as connection:
        await _empty_responses(connection, order_id)


async def _empty_responses(connection: Connection, order_id: str) -> None:
    await connection.execute(EMPTY_RESPONSES, await _event_ids(connection, order_id))


async def has_key(pool: Pool, order_id: str) -> bool:
    return bool(await pool.fetchval(HAS_KEY, row_ids(order_id)))


async def count_responses(pool: Pool, order_id: str) -> int:
    """Stored responses of the merchant's servers to webhooks about the order."""
    async with pool.acquire() as connection:
        return int(await connection.fetchval(COUNT_RESPONSES, await _event_ids(connection, order_id)))


async def erased_among(pool: Pool, order_ids: Sequence[str]) -> set[str]:
    """Those that this database remembers as erased."""
    return {row["order_id"] for row in await pool.fetch(ERASED_AMONG, order_ids)}


async def erased_pages(pool: Pool) -> AsyncIterator[list[str]]:
    """The orders that this database remembers as erased, some at a time."""
    after = ""
    while rows := await pool.fetch(ERASED_AFTER, after, ERASED_PAGE):
        yield [row["order_id"] for row in rows]
        after = rows[-1]["order_id"]


async def erased_events(pool: Pool, order_ids: Sequence[str]) -> list[Row]:
    """Events of these orders: `order_id`, `sequence` and `payload`."""
    return await pool.fetch(PAYLOADS, order_ids)


async def keyed_among(pool: Pool, order_ids: Sequence[str]) -> set[str]:
    """Those of the orders that still have a key."""
    places = {order_id: row_ids(order_id) for order_id in order_ids}
    expected = sorted({row_id for ids in places.values() for row_id in ids})
    found = {row["id"] for row in await pool.fetch(KEYED_AMONG, expected)}
    return {order_id for order_id, ids in places.items() if not found.isdisjoint(ids)}


async def contacts(pool: Pool) -> AsyncIterator[list[Reached]]:
    """All e-mail addresses and telephone numbers, in chunks: all payments, then all payment links."""
    for query in CONTACTS.values():
        after = ""
        while rows := await pool.fetch(query, after, PAGE):
            yield [_reached(row) for row in rows]
            after = rows[-1]["id"]


async def _event_ids(connection: Connection, order_id: str) -> list[str]:
    """Of all webhooks: one event can become several of the double's."""
    rows = await connection.fetch(EVENTS, order_id)
    return [
        delivery_event_id(event_id(order_id, row["sequence"]), place) for row in rows for place in range(PLACES_MAX)
    ]


def _reached(row: Row) -> Reached:
    return Reached(row["order_id"], row["email"], row["contact"])
