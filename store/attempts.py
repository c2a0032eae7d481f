"""What is still open at the bank: payments and refunds without an outcome past their deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from domain.ids import PAYMENT, REFUND
from domain.payment import Payment
from domain.refund import Refund
from store.driver import Pool
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
# payments_pkey, refunds_pkey
PAYMENT_ORDER = "SELECT order_id FROM payments WHERE id = $1"
REFUND_ORDER = "SELECT order_id FROM refunds WHERE id = $1"
PAYMENT_STATE = """
SELECT status NOT IN ('CREATED', 'PROCESSING') AS decided, now() - created_at AS age FROM payments WHERE id = $1
"""
REFUND_STATE = "SELECT status <> 'PENDING' AS decided, now() - created_at AS age FROM refunds WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Overdue:
    """What has been waiting for an outcome past its deadline."""

    payments: list[Payment]
    refunds: list[Refund]


@dataclass(frozen=True, slots=True)
class AttemptState:
    """Whether a payment or refund has its outcome, and the time since its creation."""

    decided: bool
    age: timedelta


async def overdue(pool: Pool, *, older_than_seconds: float, limit: int) -> Overdue:
    """At most `limit` of each kind, the oldest deadline first."""
    payments = await pool.fetch(OVERDUE_PAYMENTS, older_than_seconds, limit)
    refunds = await pool.fetch(OVERDUE_REFUNDS, older_than_seconds, limit)
    return Overdue([payment_of(row) for row in payments], [refund_of(row) for row in refunds])


class AttemptStore:
    """What the processor reads, over its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def order_of_attempt(self, attempt_id: str) -> str | None:
        return await order_of_attempt(self._pool, attempt_id)

    async def state_of_attempt(self, attempt_id: str) -> AttemptState | None:
        return await state_of_attempt(self._pool, attempt_id)


async def order_of_attempt(pool: Pool, attempt_id: str) -> str | None:
    """Order of a payment's or refund's attempt; None if it is not ours."""
    if attempt_id.startswith(PAYMENT):
        order_id: str | None = await pool.fetchval(PAYMENT_ORDER, attempt_id)
        return order_id
    if attempt_id.startswith(REFUND):
        refund_order_id: str | None = await pool.fetchval(REFUND_ORDER, attempt_id)
        return refund_order_id
    return None


async def state_of_attempt(pool: Pool, attempt_id: str) -> AttemptState | None:
    """State of a payment's or refund's attempt; None if it is not ours."""
    row = await pool.fetchrow(PAYMENT_STATE if attempt_id.startswith(PAYMENT) else REFUND_STATE, attempt_id)
    return None if row is None else AttemptState(row["decided"], row["age"])
