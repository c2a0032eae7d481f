"""Money owed: refunds that the bank carried out although no money of their payment covers them, minus what operators
have recorded as settled outside the gateway.

    payments.amount_owed  −  owed_settled.amount  =  open

Below zero, a settled debt has shrunk since, because the bank reversed again: the merchant has paid too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from store.driver import Pool

_OPEN = """
  FROM payments p
  LEFT JOIN owed_settled s
    ON s.payment_id = p.id
 WHERE p.amount_owed > coalesce(s.amount, 0)
"""
_COLUMNS = """
SELECT p.id AS payment_id, p.merchant_id, p.amount_owed - coalesce(s.amount, 0) AS amount, p.currency, p.reversed,
       coalesce(p.updated_at, p.created_at) AS since
"""
# The whole of owed_settled, which is small; payments_pkey
_OVERPAID = f"""{_COLUMNS}
  FROM owed_settled s
  JOIN payments p
    ON p.id = s.payment_id
 WHERE s.amount > p.amount_owed
"""
# payments_owed, owed_settled_pkey
OPEN = f"{_COLUMNS}{_OPEN} UNION ALL {_OVERPAID} ORDER BY since LIMIT $1"
OPEN_OF_MERCHANT = f"{_COLUMNS}{_OPEN} AND p.merchant_id = $1 AND p.currency = $2 ORDER BY p.updated_at LIMIT $3"
TOTALS = f"SELECT p.currency, sum(p.amount_owed - coalesce(s.amount, 0))::bigint AS amount{_OPEN} GROUP BY p.currency"
TOTAL_OF_MERCHANT = f"""
SELECT count(*) AS count, coalesce(sum(p.amount_owed - coalesce(s.amount, 0)), 0)::bigint AS amount
{_OPEN}
   AND p.merchant_id = $1
   AND p.currency = $2
"""
# payments_pkey, owed_settled_pkey. The whole debt as it is now, in one statement: what is added later is open again.
SETTLE = """
INSERT INTO owed_settled AS s (payment_id, amount, note)
SELECT p.id, p.amount_owed, $2
  FROM payments p
  LEFT JOIN owed_settled known
    ON known.payment_id = p.id
 WHERE p.id = $1
   AND p.amount_owed <> coalesce(known.amount, 0)
    ON CONFLICT (payment_id) DO UPDATE
   SET amount = excluded.amount, note = excluded.note, settled_at = now()
 WHERE s.amount <> excluded.amount
RETURNING payment_id
"""


@dataclass(frozen=True, slots=True)
class Owed:
    """An open debt; below zero what the merchant has paid too much. `since`: the payment's last change."""

    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    reversed: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class OwedByMerchant:
    """A merchant's open debts in one currency; `payments` are the ids of the oldest few."""

    count: int
    amount_minor: int
    payments: list[str]


async def owed(pool: Pool, *, limit: int) -> list[Owed]:
    """Open debts of all merchants, and what they have paid too much, the oldest first."""
    return [Owed(**row) for row in await pool.fetch(OPEN, limit)]


async def owed_totals(pool: Pool) -> dict[str, int]:
    """Currency -> minor units open."""
    return {row["currency"]: row["amount"] for row in await pool.fetch(TOTALS)}


async def owed_by(pool: Pool, merchant_id: str, currency: str, *, limit: int) -> OwedByMerchant:
    """What one merchant owes in one currency."""
    total = await pool.fetchrow(TOTAL_OF_MERCHANT, merchant_id, currency)
    assert total is not None
    rows = await pool.fetch(OPEN_OF_MERCHANT, merchant_id, currency, limit) if total["count"] else []
    return OwedByMerchant(total["count"], total["amount"], [row["payment_id"] for row in rows])


async def settle_owed(pool: Pool, payment_id: str, note: str) -> bool:
    """Record the payment's debt as settled, or an overpayment as returned; False if nothing is open."""
    return await pool.fetchval(SETTLE, payment_id, note) is not None
