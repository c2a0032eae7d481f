"""Sealed secrets of the API keys that have called the double: used for its signatures.

A secret is stored here when its owner presents it, in test mode only; of a key that never calls the double only the
keyed hash is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from store.driver import Pool

# razorpay_keys_pkey
KEEP = """
INSERT INTO razorpay_keys (key_id, secret_sealed) VALUES ($1, $2)
    ON CONFLICT (key_id) DO UPDATE SET secret_sealed = excluded.secret_sealed
"""
# api_keys_key_key, razorpay_keys_pkey
FIND = """
SELECT k.merchant_id, r.key_id, r.secret_sealed
  FROM api_keys k
  JOIN razorpay_keys r ON r.key_id = k.id
 WHERE k.key = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
"""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """The sealed secret of an API key, and whose key it is."""

    merchant_id: str
    key_id: str
    secret_sealed: bytes


async def keep_secret(pool: Pool, key_id: str, secret_sealed: bytes) -> None:
    """The seeded key may get another secret from the settings, so the last one presented counts."""
    await pool.execute(KEEP, key_id, secret_sealed)


async def find_secret(pool: Pool, key: str) -> KeptSecret | None:
    """Of a usable key by its public half; None if it never called the double."""
    row = await pool.fetchrow(FIND, key)
    return None if row is None else KeptSecret(**row)
