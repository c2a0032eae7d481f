"""A merchant's API keys: several at a time, named, revocable, replaced with an overlap.

usable = not revoked and not expired        KEYS_CHANGED (Redis)  the key's public half, told at every change

Secrets are never here: only their keyed hash (runtime/secrets.py). A change is told to every API process, which
forgets what it had cached about that key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from store.driver import Connection, Pool, Row

KEYS_CHANGED = "keys-changed"
LIVE_KEYS_MAX = 20
"""A merchant's keys that are not revoked."""


class TooManyKeysError(ValueError):
    """The merchant has LIVE_KEYS_MAX keys already."""


@dataclass(frozen=True, slots=True)
class NewKey:
    id: str
    key: str
    secret_hash: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`key` is the public half; of the secret only the keyed hash is known. Times are aware UTC instants."""

    id: str
    merchant_id: str
    key: str
    secret_hash: bytes
    name: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


COLUMNS = "id, merchant_id, key, secret_hash, name, created_at, last_used_at, expires_at, revoked_at"

# api_keys_key_key
FIND = f"""
SELECT {COLUMNS}
  FROM api_keys
 WHERE key = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
# api_keys_merchant_id
LIST = f"SELECT {COLUMNS} FROM api_keys WHERE merchant_id = $1 ORDER BY created_at DESC, id DESC"
COUNT_LIVE = "SELECT count(*) FROM api_keys WHERE merchant_id = $1 AND revoked_at IS NULL"
INSERT = f"""
INSERT INTO api_keys (id, merchant_id, key, secret_hash, name)
VALUES ($1, $2, $3, $4, $5)
RETURNING {COLUMNS}
"""
# api_keys_pkey
REVOKE = """
UPDATE api_keys
   SET revoked_at = coalesce(revoked_at, now())
 WHERE id = $2 AND merchant_id = $1
RETURNING key
"""
# An earlier end that was set before stays: a rotation never makes a key live longer.
EXPIRE = """
UPDATE api_keys
   SET expires_at = least(expires_at, now() + make_interval(hours => $3))
 WHERE id = $2 AND merchant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
RETURNING key, name
"""
USED_AGAIN_AFTER = "5 minutes"
USED = f"""
UPDATE api_keys
   SET last_used_at = now()
 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '{USED_AGAIN_AFTER}')
"""


def _key_of(row: Row | None) -> ApiKey:
    assert row is not None
    return ApiKey(**dict(row))


async def find_api_key(pool: Pool, key: str) -> ApiKey | None:
    """The usable key with this public half."""
    row = await pool.fetchrow(FIND, key)
    return _key_of(row) if row else None


async def touch_api_key(pool: Pool, key_id: str) -> None:
    """Move `last_used_at` to now, unless it was moved in the last minutes: never a write for each request."""
    await pool.execute(USED, key_id)


async def list_keys(pool: Pool, merchant_id: str) -> list[ApiKey]:
    """All of a merchant's keys, the revoked ones too, newest first."""
    return [_key_of(row) for row in await pool.fetch(LIST, merchant_id)]


async def insert_key(connection: Connection, merchant_id: str, new: NewKey) -> ApiKey:
    """Insert within the caller's transaction."""
    row = await connection.fetchrow(INSERT, new.id, merchant_id, new.key, new.secret_hash, new.name)
    return _key_of(row)


async def create_key(pool: Pool, merchant_id: str, new: NewKey) -> ApiKey:
    """Raises TooManyKeysError."""
    async with pool.acquire() as connection, connection.transaction():
        await _lock_room(connection, merchant_id)
        return await insert_key(connection, merchant_id, new)


async def rotate_key(
    pool: Pool, merchant_id: str, key_id: str, *, new: NewKey, overlap_hours: int
) -> tuple[str, ApiKey] | None:
    """Put a new key beside one that ends after the overlap; the old one's public half and the new key.

    The new one takes over the name. None where the merchant has no such usable key. Raises TooManyKeysError.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _lock_room(connection, merchant_id)
        old = await connection.fetchrow(EXPIRE, merchant_id, key_id, overlap_hours)
        if old is None:
            return None
        named = NewKey(new.id, new.key, new.secret_hash, old["name"])
        return old["key"], await insert_key(connection, merchant_id, named)


async def revoke_key(pool: Pool, merchant_id: str, key_id: str) -> str | None:
    """End a key at once; its public half, or None where the merchant has no such key."""
    key: str | None = await pool.fetchval(REVOKE, merchant_id, key_id)
    return key


async def _lock_room(connection: Connection, merchant_id: str) -> None:
    """One key change of a merchant at a time, so that two at once cannot pass the maximum together."""
    await connection.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", merchant_id)
    if await connection.fetchval(COUNT_LIVE, merchant_id) >= LIVE_KEYS_MAX:
        raise TooManyKeysError(f"at most {LIVE_KEYS_MAX} keys that are not revoked")
