"""The secret by which a merchant verifies its payers' return: sealed, and during a rotation with the previous one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.delivery import ROTATION_OVERLAP
from store.accounts.audit_log import Witness
from store.driver import Pool

# merchants_pkey
FIND = """
SELECT return_secret_sealed AS current, previous_return_secret_sealed AS previous,
       previous_return_secret_expires_at AS previous_expires_at
  FROM merchants
 WHERE id = $1
"""
# Two payers may come back first at once: one secret stays.
KEEP = "UPDATE merchants SET return_secret_sealed = $2 WHERE id = $1 AND return_secret_sealed IS NULL"
# The row's lock keeps two rotations at once from dropping the secret that the shop still has.
FIND_PREVIOUS = "SELECT previous_return_secret_expires_at FROM merchants WHERE id = $1 FOR UPDATE"
ROTATE = """
UPDATE merchants
   SET previous_return_secret_sealed = CASE WHEN $3::timestamptz IS NULL THEN NULL ELSE return_secret_sealed END,
       previous_return_secret_expires_at = CASE WHEN return_secret_sealed IS NULL THEN NULL ELSE $3::timestamptz END,
       return_secret_sealed = $2,
       updated_at = now()
 WHERE id = $1
RETURNING previous_return_secret_expires_at
"""


class PreviousSignsError(ValueError):
    """The previous secret still signs: another rotation would end it early."""


@dataclass(frozen=True, slots=True)
class ReturnSecrets:
    """Sealed. `previous_expires_at`: until when the previous one signs too."""

    current: bytes | None
    previous: bytes | None
    previous_expires_at: datetime | None


async def find_return_secrets(pool: Pool, merchant_id: str) -> ReturnSecrets:
    row = await pool.fetchrow(FIND, merchant_id)
    return ReturnSecrets(None, None, None) if row is None else ReturnSecrets(**row)


async def keep_return_secret(pool: Pool, merchant_id: str, sealed: bytes) -> ReturnSecrets:
    """The merchant's secrets; this one is added if there was none."""
    await pool.execute(KEEP, merchant_id, sealed)
    return await find_return_secrets(pool, merchant_id)


async def rotate_return_secret(
    pool: Pool, merchant_id: str, sealed: bytes, *, expire_previous: bool, at: datetime, witness: Witness
) -> datetime | None:
    """A new secret. The previous one signs beside it for ROTATION_OVERLAP, or expires now; returns until when.

    Raises PreviousSignsError if an earlier one still signs, unless `expire_previous`.
    """
    async with pool.acquire() as connection, connection.transaction():
        signs_until = await connection.fetchval(FIND_PREVIOUS, merchant_id)
        if not expire_previous and signs_until is not None and signs_until > at:
            raise PreviousSignsError
        until: datetime | None = await connection.fetchval(
            ROTATE, merchant_id, sealed, None if expire_previous else at + ROTATION_OVERLAP
        )
        await witness.attest(connection, merchant_id, after={"previous_expires_at": until})
    return until
