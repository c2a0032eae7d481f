"""Webhook endpoints (table `webhooks`): control-plane rows, written by the API.

The secret is kept sealed; after creation and rotation only its hint can be read. Deleting keeps the row, for the log
refers to it; nothing is sent to it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from domain.delivery import ROTATION_OVERLAP, OffReason

ENDPOINTS_MAX = 50
"""For each merchant: every event becomes as many requests."""


class TooManyEndpointsError(ValueError):
    """The merchant has ENDPOINTS_MAX endpoints already."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    id: str
    url: str
    events: tuple[str, ...]
    description: str | None
    ordering: str
    active: bool
    disabled_reason: str | None
    secret_hint: str
    secret_sealed: bytes
    previous_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    id: str
    merchant_id: str
    url: str
    events: Sequence[str]
    description: str | None
    ordering: str
    active: bool
    secret_sealed: bytes
    secret_hint: str
    is_config: bool = False


COLUMNS = (
    "id, url, events, description, ordering, active, disabled_reason, secret_hint, secret_sealed, "
    "CASE WHEN previous_expires_at > now() THEN previous_expires_at END AS previous_expires_at, created_at, updated_at"
)
INSERT = f"""
INSERT INTO webhooks (id, merchant_id, url, events, description, ordering, active, disabled_reason, secret_sealed,
                      secret_hint, is_config)
VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN NOT $7::boolean THEN 'merchant' END, $8, $9, $10)
RETURNING {COLUMNS}
"""
# webhooks_merchant
LIST = f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = $1 AND deleted_at IS NULL ORDER BY created_at, id"
FIND = f"SELECT {COLUMNS} FROM webhooks WHERE id = $2 AND merchant_id = $1 AND deleted_at IS NULL"
# webhooks_one_config
FIND_CONFIG = f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = $1 AND is_config AND deleted_at IS NULL"
ROTATE = f"""
UPDATE webhooks
   SET previous_secret_sealed = secret_sealed, previous_expires_at = now() + $5::interval,
       secret_sealed = $3, secret_hint = $4, updated_at = now()
 WHERE id = $2
   AND merchant_id = $1
   AND deleted_at IS NULL
RETURNING {COLUMNS}
"""
DELETE = """
UPDATE webhooks
   SET deleted_at = now(), updated_at = now()
 WHERE id = $2
   AND merchant_id = $1
   AND deleted_at IS NULL
RETURNING id
"""


async def insert_endpoint(pool: asyncpg.Pool, new: NewEndpoint) -> Endpoint:
    """Raises TooManyEndpointsError, or UniqueViolationError for a second config endpoint."""
    async with pool.acquire() as connection, connection.transaction():
        # One merchant's endpoints are counted by one request at a time.
        await connection.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", new.merchant_id)
        count = await connection.fetchval(
            "SELECT count(*) FROM webhooks WHERE merchant_id = $1 AND deleted_at IS NULL", new.merchant_id
        )
        if count >= ENDPOINTS_MAX:
            raise TooManyEndpointsError
        row = await connection.fetchrow(
            INSERT, new.id, new.merchant_id, new.url, list(new.events), new.description, new.ordering, new.active,
            new.secret_sealed, new.secret_hint, new.is_config,
        )  # fmt: skip
    return _endpoint_of(row)


async def list_endpoints(pool: asyncpg.Pool, merchant_id: str) -> list[Endpoint]:
    """Oldest first."""
    return [_endpoint_of(row) for row in await pool.fetch(LIST, merchant_id)]


async def find_endpoint(pool: asyncpg.Pool, merchant_id: str, endpoint_id: str) -> Endpoint | None:
    return _maybe(await pool.fetchrow(FIND, merchant_id, endpoint_id))


async def find_config(pool: asyncpg.Pool, merchant_id: str) -> Endpoint | None:
    """The endpoint behind /webhooks/config."""
    return _maybe(await pool.fetchrow(FIND_CONFIG, merchant_id))


async def change_endpoint(
    pool: asyncpg.Pool, merchant_id: str, endpoint_id: str, changes: dict[str, Any]
) -> Endpoint | None:
    """Set columns of CHANGEABLE. Switching on forgets earlier failures; what was held goes out within a second."""
    assignments, values = _assignments(changes)
    row = await pool.fetchrow(
        f"UPDATE webhooks SET {assignments}, updated_at = now() "
        f"WHERE id = $2 AND merchant_id = $1 AND deleted_at IS NULL RETURNING {COLUMNS}",
        merchant_id,
        endpoint_id,
        *values,
    )
    return _maybe(row)


CHANGEABLE = frozenset({"url", "events", "description", "ordering", "active"})


def _assignments(changes: dict[str, Any]) -> tuple[str, list[Any]]:
    assert changes and set(changes) <= CHANGEABLE, "column names come from here, never from a request"
    columns = dict(changes)
    if "active" in columns:
        columns["disabled_reason"] = None if columns["active"] else OffReason.MERCHANT
        if columns["active"]:
            columns |= {"failures_in_a_row": 0, "failing_since": None}
    return ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=3)), list(columns.values())


async def rotate_secret(
    pool: asyncpg.Pool, merchant_id: str, endpoint_id: str, *, secret_sealed: bytes, secret_hint: str
) -> Endpoint | None:
    """A new secret; the old one signs beside it for ROTATION_OVERLAP."""
    row = await pool.fetchrow(ROTATE, merchant_id, endpoint_id, secret_sealed, secret_hint, ROTATION_OVERLAP)
    return _maybe(row)


async def delete_endpoint(pool: asyncpg.Pool, merchant_id: str, endpoint_id: str) -> bool:
    """True where there was one. Its undecided deliveries end as failed, with a dead letter each."""
    return await pool.fetchval(DELETE, merchant_id, endpoint_id) is not None


def _maybe(row: asyncpg.Record | None) -> Endpoint | None:
    return None if row is None else _endpoint_of(row)


def _endpoint_of(row: asyncpg.Record | None) -> Endpoint:
    assert row is not None
    values = dict(row)
    values["events"] = tuple(values["events"])
    return Endpoint(**values)
