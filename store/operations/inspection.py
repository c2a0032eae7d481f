"""Reads of the inspection commands: everything about one order, and what has been waiting too long. Changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from store.commands import Request
from store.driver import Pool

JsonObject = dict[str, Any]

# events_pkey, commands_pkey
EVENTS = """
SELECT e.sequence, e.type, e.at, e.payload, c.decided_at
  FROM events e
  LEFT JOIN commands c
    ON c.id = split_part(split_part(e.payload, '"caused_by":"', 2), '"', 1)
   AND NOT c.rejected
 WHERE e.order_id = $1
   AND e.sequence > $2
 ORDER BY e.sequence
"""
# ledger_pkey
ATTEMPTS_AT_BANK = """
SELECT attempt_id, kind, amount, currency, outcome, error_code, reference, times_asked, times_moved, recorded_at
  FROM bank.ledger
 WHERE attempt_id = ANY($1::text[])
 ORDER BY recorded_at
"""
# webhook_logs_payment, webhook_attempts_pkey
DELIVERIES = """
SELECT l.id, l.endpoint_id, l.event_id, l.event, l.payment_id, l.status, l.attempts, l.created_at, l.next_retry_at,
       l.replay, w.url
  FROM webhook_logs l
  LEFT JOIN webhooks w
    ON w.id = l.endpoint_id
 WHERE l.payment_id = ANY($1::text[])
 ORDER BY l.created_at, l.id
"""
DELIVERY_ATTEMPTS = """
SELECT log_id, attempt, at, duration_ms, response_code, error, next_retry_at
  FROM webhook_attempts
 WHERE log_id = ANY($1::uuid[])
 ORDER BY at, attempt
"""
# events_request_id: the expression is the index's. It stands apart: with DISTINCT and LIMIT in one statement the
# planner walks events_pkey in order until it has found enough (measured at a million events: 14 s, not 1 ms).
REQUEST_ORDERS = """
WITH begun AS MATERIALIZED (
    SELECT order_id
      FROM events
     WHERE split_part(split_part(payload, '"request_id":"', 2), '"', 1) = $1
       AND type IN ('order.created', 'payment.created', 'payment.captured', 'refund.created')
)
SELECT DISTINCT order_id
  FROM begun
 LIMIT 20
"""
# commands_pkey
REFUSALS = """
SELECT c.id, c.nonce, c.reply
  FROM unnest($1::text[], $2::text[]) AS asked (id, nonce)
  JOIN commands c
    ON c.id = asked.id
   AND c.nonce = asked.nonce
 WHERE c.rejected
"""
# orders_pkey, commands_pkey, webhook_logs_pkey
ORDER_THERE = "SELECT id FROM orders WHERE id = $1"
COMMAND_ORDER = "SELECT order_id FROM commands WHERE id = $1 ORDER BY rejected LIMIT 1"
DELIVERY_ORDER = "SELECT order_id FROM webhook_logs WHERE id = $1"


# webhook_logs_due
OVERDUE_DELIVERIES = """
SELECT id, endpoint_id, event_id, payment_id, attempts, next_retry_at AS due_at
  FROM webhook_logs
 WHERE status = 'pending'
   AND next_retry_at < now() - $1::float8 * interval '1 second'
 ORDER BY next_retry_at
 LIMIT $2
"""
# webhook_logs_held, then webhooks_pkey: how many wait at each endpoint, and whether it is enabled
HELD_DELIVERIES = """
SELECT held.endpoint_id, held.waiting, held.oldest_at, w.url, coalesce(w.active, false) AS active, w.disabled_reason
  FROM (SELECT endpoint_id, count(*) AS waiting, min(created_at) AS oldest_at
          FROM webhook_logs
         WHERE status = 'held'
         GROUP BY endpoint_id
         ORDER BY count(*) DESC
         LIMIT $1) AS held
  LEFT JOIN webhooks w
    ON w.id = held.endpoint_id
"""


# refunds_automatic_failed, refunds_payment_id, payments_pkey. What the bank has reversed need not be returned.
UNRETURNED = """
SELECT refused.payment_id, (array_agg(refused.id ORDER BY refused.created_at DESC))[1] AS refund_id,
       refused.amount, refused.currency, count(*) AS tries, max(refused.error_code) AS error_code,
       max(coalesce(refused.updated_at, refused.created_at)) AS refused_at
  FROM refunds refused
 WHERE refused.automatic
   AND refused.status = 'FAILED'
   AND NOT EXISTS (SELECT 1 FROM refunds other
                    WHERE other.payment_id = refused.payment_id
                      AND other.automatic
                      AND other.status = 'PROCESSED')
   AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = refused.payment_id AND p.reversed)
 GROUP BY refused.payment_id, refused.amount, refused.currency
 ORDER BY refused_at
 LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class EventSeen:
    """One event as recorded. `decided_at`: when its transaction committed; None if the inbox row is pruned."""

    sequence: int
    type: str
    at: datetime
    decided_at: datetime | None
    record: JsonObject

    @property
    def written_at(self) -> datetime:
        """Approximate time of its record on the log: right after its commit."""
        return self.decided_at or self.at


async def events_of(pool: Pool, order_id: str, *, after: int = 0) -> list[EventSeen]:
    """The order's events above sequence `after`, in sequence."""
    return [
        EventSeen(row["sequence"], row["type"], row["at"], row["decided_at"], orjson.loads(row["payload"]))
        for row in await pool.fetch(EVENTS, order_id, after)
    ]


async def bank_attempts(pool: Pool, attempt_ids: Sequence[str]) -> list[JsonObject]:
    """The bank's books about these payments and refunds."""
    return [dict(row) for row in await pool.fetch(ATTEMPTS_AT_BANK, attempt_ids)]


async def deliveries_of(pool: Pool, payment_ids: Sequence[str]) -> list[JsonObject]:
    """Webhook deliveries of these payments, each with its `made` attempts."""
    rows = [dict(row) for row in await pool.fetch(DELIVERIES, payment_ids)]
    attempts = await pool.fetch(DELIVERY_ATTEMPTS, [row["id"] for row in rows]) if rows else []
    for row in rows:
        row["made"] = [dict(made) for made in attempts if made["log_id"] == row["id"]]
    return rows


async def orders_of_request(pool: Pool, request_id: str) -> list[str]:
    """Orders that a request's events belong to, at most 20."""
    return [row["order_id"] for row in await pool.fetch(REQUEST_ORDERS, request_id)]


async def refusals_of(pool: Pool, requests: Sequence[Request]) -> dict[Request, str]:
    """Request -> why it was refused, for those that were."""
    rows = await pool.fetch(REFUSALS, [command_id for command_id, _ in requests], [nonce for _, nonce in requests])
    return {(row["id"], row["nonce"]): str(orjson.loads(row["reply"])["description"]) for row in rows}


async def order_of_delivery(pool: Pool, log_id: uuid.UUID) -> str | None:
    order_id: str | None = await pool.fetchval(DELIVERY_ORDER, log_id)
    return order_id


async def order_of_command(pool: Pool, command_id: str) -> str | None:
    order_id: str | None = await pool.fetchval(COMMAND_ORDER, command_id)
    return order_id


async def order_is_known(pool: Pool, order_id: str) -> bool:
    return await pool.fetchval(ORDER_THERE, order_id) is not None


async def overdue_deliveries(pool: Pool, *, older_than_seconds: float, limit: int) -> list[JsonObject]:
    """Deliveries whose next attempt should have been made, the longest overdue first."""
    return [dict(row) for row in await pool.fetch(OVERDUE_DELIVERIES, older_than_seconds, limit)]


async def unreturned(pool: Pool, *, limit: int) -> list[JsonObject]:
    """Payments that the bank charged too late and has not returned, with its refusals, the longest waiting first."""
    return [dict(row) for row in await pool.fetch(UNRETURNED, limit)]


async def held_deliveries(pool: Pool, *, limit: int) -> list[JsonObject]:
    """Endpoints at which deliveries are held, those with the most first."""
    return [dict(row) for row in await pool.fetch(HELD_DELIVERIES, limit)]
