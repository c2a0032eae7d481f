"""Resources promised with a 202: on the log, not decided in time. Stored here, so that no later read returns 404.

One row for each promised request, under the identity of its row in the inbox (command id, nonce). Of the requests with
one Idempotency-Key only one has an open promise: another gets one once the earlier was refused. A payment that was
promised with its order is a promise of both.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from store.driver import Pool

INSERT = """
INSERT INTO promises (command_id, nonce, resource_id, order_id, merchant_id, resource, fingerprint, order_resource)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (command_id, nonce) DO NOTHING
"""
# promises_pkey, commands_pkey
OTHER_IS_OPEN = """
SELECT EXISTS (SELECT FROM promises other
                WHERE other.command_id = $1
                  AND other.nonce <> $2
                  AND NOT EXISTS (SELECT FROM commands refusal
                                   WHERE refusal.id = other.command_id
                                     AND refusal.nonce = other.nonce
                                     AND refusal.rejected))
"""
# Two API workers may promise for one key at once. Held until the end of the transaction.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7240011))"
# promises_resource_id, promises_order_id
FIND = """
SELECT command_id, nonce, resource_id, order_id, merchant_id, resource, fingerprint, order_resource
  FROM (SELECT * FROM promises WHERE resource_id = $1
         UNION ALL
        SELECT * FROM promises WHERE order_id = $1 AND order_resource IS NOT NULL) AS found
 ORDER BY promised_at DESC
 LIMIT 1
"""
# promises_pkey
FIND_IDS = """
SELECT resource_id, order_id
  FROM promises
 WHERE command_id = $1
   AND fingerprint = $2
 ORDER BY promised_at DESC
 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Promise:
    """`resource`: JSON in the public shape, as it was returned; `fingerprint`: of what was sent, names sorted,
    None without an Idempotency-Key. `order_resource`: the order, if the same request creates it."""

    command_id: str
    nonce: str
    resource_id: str
    order_id: str
    merchant_id: str
    resource: str
    fingerprint: str | None
    order_resource: str | None = None


@dataclass(frozen=True, slots=True)
class PromisedIds:
    """What a request was promised."""

    resource_id: str
    order_id: str


async def make_promise(pool: Pool, promise: Promise, *, timeout: float) -> bool:
    """Record it; False if another request with the same key has an open promise. Can be repeated.

    Raises the database's errors: whether it was recorded is unknown then.
    """
    if not promise.nonce:
        await pool.execute(INSERT, *astuple(promise), timeout=timeout)
        return True
    async with pool.acquire(timeout=timeout) as connection, connection.transaction():
        await connection.execute(LOCK, promise.command_id, timeout=timeout)
        if await connection.fetchval(OTHER_IS_OPEN, promise.command_id, promise.nonce, timeout=timeout):
            return False
        await connection.execute(INSERT, *astuple(promise), timeout=timeout)
        return True


async def find_promise(pool: Pool, resource_id: str, *, timeout: float) -> Promise | None:
    """The newest promise of this resource, or of a payment with this order."""
    row = await pool.fetchrow(FIND, resource_id, timeout=timeout)
    return None if row is None else Promise(**row)


async def promised_ids(pool: Pool, command_id: str, fingerprint: str, *, timeout: float) -> PromisedIds | None:
    """What was promised last to such a request under this Idempotency-Key."""
    row = await pool.fetchrow(FIND_IDS, command_id, fingerprint, timeout=timeout)
    return None if row is None else PromisedIds(**row)
