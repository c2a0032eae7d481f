"""A merchant's API keys: several at a time, named, revocable, replaced with an overlap.

usable = not revoked and not expired        KEYS_CHANGED (Redis)  the key's public half, published at every change

Secrets are never here: only their keyed hash (runtime/secrets.py). Every API process is notified of a change, and drops
its cached copy of that key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from store.accounts.audit_log import Values, Witness
from store.driver import Connection, Pool, Row

KEYS_CHANGED = "keys-changed"
LIVE_KEYS_MAX = 20
"""A merchant's keys that are not revoked."""


class TooManyKeysError(ValueError):
    """The merchant has LIVE_KEYS_MAX keys already."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may be used for, where and until when. Without them: everything, everywhere, without expiry."""

    scopes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    id: str
    key: str
    secret_hash: bytes
    hashed_by: bytes
    """Tag of the gateway's key under which the secret is hashed (runtime/keyring.py)."""
    name: str
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Rehashed:
    """A secret under another key of the gateway, and that key's tag."""

    secret_hash: bytes
    hashed_by: bytes


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
    hashed_by: bytes | None
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]


COLUMNS = (
    "id, merchant_id, key, secret_hash, hashed_by, name, scopes, addresses, created_at, last_used_at, expires_at, "
    "revoked_at"
)

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
INSERT INTO api_keys (id, merchant_id, key, secret_hash, hashed_by, name, scopes, addresses, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING {COLUMNS}
"""
# api_keys_pkey
REVOKE = """
UPDATE api_keys
   SET revoked_at = coalesce(revoked_at, now())
 WHERE id = $2 AND merchant_id = $1
RETURNING key
"""
# api_keys_pkey. An earlier expiry remains: a rotation never extends a key's life. An expiry within the overlap may come
# from an earlier rotation whose response was lost: the successor does not inherit it.
EXPIRE = """
WITH found AS (
    SELECT id, expires_at
      FROM api_keys
     WHERE id = $2 AND merchant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
       FOR UPDATE
)
UPDATE api_keys AS old
   SET expires_at = least(found.expires_at, now() + make_interval(hours => $3))
  FROM found
 WHERE old.id = found.id
RETURNING old.key, old.name, old.scopes, old.addresses, old.expires_at,
          CASE WHEN found.expires_at > now() + make_interval(hours => $3) THEN found.expires_at END AS ends_at
"""
REHASH = "UPDATE api_keys SET secret_hash = $3, hashed_by = $4 WHERE id = $1 AND secret_hash = $2"
USED_AGAIN_AFTER = "1 minute"
USED = f"""
UPDATE api_keys
   SET last_used_at = now()
 WHERE id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '{USED_AGAIN_AFTER}')
"""


def _key_of(row: Row | None) -> ApiKey:
    assert row is not None
    return ApiKey(**{**row, "scopes": tuple(row["scopes"]), "addresses": tuple(row["addresses"])})


async def find_api_key(pool: Pool, key: str) -> ApiKey | None:
    """The usable key with this public half."""
    row = await pool.fetchrow(FIND, key)
    return _key_of(row) if row else None


async def touch_api_keys(pool: Pool, key_ids: Sequence[str]) -> None:
    """Move `last_used_at` to now, unless it was moved in the last minute: never a write for each request."""
    await pool.execute(USED, key_ids)


async def rehash_api_key(pool: Pool, found: ApiKey, rehashed: Rehashed) -> None:
    """Keep a secret under the newest key of the ring, unless the key's secret has changed in between."""
    await pool.execute(REHASH, found.id, found.secret_hash, rehashed.secret_hash, rehashed.hashed_by)


async def list_keys(pool: Pool, merchant_id: str) -> list[ApiKey]:
    """All of a merchant's keys, including revoked ones, newest first."""
    return [_key_of(row) for row in await pool.fetch(LIST, merchant_id)]


async def insert_key(connection: Connection, merchant_id: str, new: NewKey) -> ApiKey:
    """Insert within the caller's transaction."""
    limits = new.limits
    row = await connection.fetchrow(
        INSERT, new.id, merchant_id, new.key, new.secret_hash, new.hashed_by, new.name,
        list(limits.scopes), list(limits.addresses), limits.expires_at,
    )  # fmt: skip
    return _key_of(row)


async def create_key(pool: Pool, merchant_id: str, new: NewKey, witness: Witness) -> ApiKey:
    """Raises TooManyKeysError."""
    async with pool.acquire() as connection, connection.transaction():
        await _lock_room(connection, merchant_id)
        added = await insert_key(connection, merchant_id, new)
        await witness.attest(connection, added.id, after=facts_of(added))
        return added


def facts_of(key: ApiKey) -> Values:
    """Of a key, for the audit log."""
    return {
        "key": key.key,
        "name": key.name,
        "scopes": list(key.scopes),
        "addresses": list(key.addresses),
        "expires_at": key.expires_at,
    }


async def rotate_key(
    pool: Pool, merchant_id: str, key_id: str, *, new: NewKey, overlap_hours: int, witness: Witness
) -> tuple[str, ApiKey] | None:
    """Add a new key beside one that expires after the overlap; returns the old one's public half and the new key.

    The new one inherits the name, the scopes, the addresses, and an expiry after the overlap; the expiry in `new`
    applies if it is earlier. None if the merchant has no such usable key. Raises TooManyKeysError.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _lock_room(connection, merchant_id)
        old = await connection.fetchrow(EXPIRE, merchant_id, key_id, overlap_hours)
        if old is None:
            return None
        ends = [end for end in (new.limits.expires_at, old["ends_at"]) if end is not None]
        limits = Limits(tuple(old["scopes"]), tuple(old["addresses"]), min(ends, default=None))
        named = replace(new, name=old["name"], limits=limits)
        added = await insert_key(connection, merchant_id, named)
        before = {"key": old["key"], "expires_at": old["expires_at"]}
        await witness.attest(connection, key_id, before=before, after={"id": added.id, **facts_of(added)})
        return old["key"], added


async def revoke_key(pool: Pool, merchant_id: str, key_id: str, witness: Witness) -> str | None:
    """Revoke a key at once; returns its public half, or None if the merchant has no such key."""
    async with pool.acquire() as connection, connection.transaction():
        key: str | None = await connection.fetchval(REVOKE, merchant_id, key_id)
        if key is not None:
            await witness.attest(connection, key_id, before={"key": key})
        return key


async def _lock_room(connection: Connection, merchant_id: str) -> None:
    """One key change of a merchant at a time, so that two at once cannot pass the maximum together."""
    await connection.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", merchant_id)
    if await connection.fetchval(COUNT_LIVE, merchant_id) >= LIVE_KEYS_MAX:
        raise TooManyKeysError(f"at most {LIVE_KEYS_MAX} active keys")
