"""What is still open at the bank: payments and refunds without an outcome, and money that did not go back."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from domain.ids import PAYMENT, REFUND
from domain.payment import Payment
from domain.refund import LATE_REFUNDS_MAX, Refund
from store.retention import prune_attempts, prune_commands, prune_promises
from store.rows import payment_of, refund_of

# payments_undecided, refunds_pending
OVERDUE_PAYMENTS = """
SELECT * FROM payments
 WHERE status IN ('CREATED', 'PROCESSING') AND deadline_at < now() - $1::float8 * interval '1 second'
 ORDER BY deadline_at
 LIMIT $2
"""
OVERDUE_REFUNDS = """
SELECT * FROM refunds
 WHERE status = 'PENDING' AND deadline_at < now() - $1::float8 * interval '1 second'
 ORDER BY deadline_at
 LIMIT $2
"""
# refunds_automatic_failed, refunds_payment_id, payments_pkey. Each further try waits twice as long as the one before.
UNRETURNED = """
SELECT p.*
  FROM (SELECT refused.payment_id, count(*) AS tries
          FROM refunds refused
         WHERE refused.automatic
           AND refused.status = 'FAILED'
           AND NOT EXISTS (SELECT 1 FROM refunds other
                            WHERE other.payment_id = refused.payment_id
                              AND other.automatic
                              AND other.status <> 'FAILED')
         GROUP BY refused.payment_id
        HAVING count(*) < $1
           AND max(coalesce(refused.updated_at, refused.created_at))
               < now() - $2::float8 * power(2, count(*) - 1) * interval '1 second'
         ORDER BY refused.payment_id
         LIMIT $3) AS due
  JOIN payments p
    ON p.id = due.payment_id
 WHERE NOT p.reversed
"""
# payments_pkey, refunds_pkey
PAYMENT_ORDER = "SELECT order_id FROM payments WHERE id = $1"
REFUND_ORDER = "SELECT order_id FROM refunds WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Overdue:
    """What has been waiting for an outcome past its deadline."""

    payments: list[Payment]
    refunds: list[Refund]


async def overdue(pool: asyncpg.Pool, *, older_than_seconds: float, limit: int) -> Overdue:
    """At most `limit` of each kind, the oldest deadline first."""
    payments = await pool.fetch(OVERDUE_PAYMENTS, older_than_seconds, limit)
    refunds = await pool.fetch(OVERDUE_REFUNDS, older_than_seconds, limit)
    return Overdue([payment_of(row) for row in payments], [refund_of(row) for row in refunds])


async def unreturned(pool: asyncpg.Pool, *, wait_seconds: float, limit: int) -> list[Payment]:
    """Failed payments that the bank charged and did not give back, due for another try."""
    return [payment_of(row) for row in await pool.fetch(UNRETURNED, LATE_REFUNDS_MAX, wait_seconds, limit)]


class AttemptStore:
    """What the processor and the sweeper read, over their pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def overdue(self, *, older_than_seconds: float, limit: int) -> Overdue:
        return await overdue(self._pool, older_than_seconds=older_than_seconds, limit=limit)

    async def unreturned(self, *, wait_seconds: float, limit: int) -> list[Payment]:
        return await unreturned(self._pool, wait_seconds=wait_seconds, limit=limit)

    async def order_of_attempt(self, attempt_id: str) -> str | None:
        return await order_of_attempt(self._pool, attempt_id)

    async def prune_commands(self, *, days: int) -> int:
        return await prune_commands(self._pool, days=days)

    async def prune_promises(self, *, days: int) -> int:
        return await prune_promises(self._pool, days=days)

    async def prune_attempts(self, *, days: int) -> int:
        return await prune_attempts(self._pool, days=days)


async def order_of_attempt(pool: asyncpg.Pool, attempt_id: str) -> str | None:
    """Order of a payment's or refund's attempt; None where it is not ours."""
    if attempt_id.startswith(PAYMENT):
        order_id: str | None = await pool.fetchval(PAYMENT_ORDER, attempt_id)
        return order_id
    if attempt_id.startswith(REFUND):
        refund_order_id: str | None = await pool.fetchval(REFUND_ORDER, attempt_id)
        return refund_order_id
    return None
