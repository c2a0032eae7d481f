"""Refunds by users whose role has a limit: their requests for one payment together stay within it.

The requests are counted in the audit log, under the lock that orders its entries, and each is recorded in the same
transaction before the command is submitted. So two requests at once cannot pass the limit together, and a request that
the actor refuses, or a refund that the bank refuses, still counts. A repeat with the same id counts once.
"""

from __future__ import annotations

from domain.role import RefundLimit
from store.accounts.audit_log import LOCK, Values, Witness
from store.driver import Pool

# audit_log_subject
REQUESTED = """
SELECT coalesce(sum((asked ->> 'amount')::bigint), 0)
  FROM (SELECT DISTINCT body::jsonb -> 'after' AS asked
          FROM audit_log
         WHERE chain = $1 AND subject = $2 AND action = 'refund.requested') requests
 WHERE asked ? 'limit' AND asked ->> 'refund_id' <> $3
"""


class LimitPassedError(ValueError):
    """`left`: minor units that may still be requested."""

    def __init__(self, left: int) -> None:
        super().__init__(f"{left} left")
        self.left = left


async def attest_limited_refund(
    pool: Pool, witness: Witness, payment_id: str, *, refund_id: str, amount: int, limit: RefundLimit, requested: Values
) -> None:
    """Record the request. Raises LimitPassedError if it exceeds what earlier ones have left."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK, witness.doing.chain)
        before = int(await connection.fetchval(REQUESTED, witness.doing.chain, payment_id, refund_id))
        if before + amount > limit.amount:
            raise LimitPassedError(max(0, limit.amount - before))
        await witness.attest(connection, payment_id, after={**requested, "limit": limit.amount})
