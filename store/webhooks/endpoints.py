"""Webhook endpoints (table `webhooks`): control-plane rows, written by the API.

The secret is kept sealed; after creation and rotation only its hint can be read. Deleting keeps the row, because the
log refers to it; nothing more is sent to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.delivery import PREVIOUS_SECRETS_MAX, ROTATION_OVERLAP, OffReason
from store.accounts.audit_log import Values, Witness, differing
from store.driver import Pool, Row
from store.webhooks.endpoint_events import Switch, record_switches

ENDPOINTS_MAX = 50
"""For each merchant: every event becomes as many requests."""


class TooManyEndpointsError(ValueError):
    """The merchant has ENDPOINTS_MAX endpoints already."""


class TooManySecretsError(ValueError):
    """PREVIOUS_SECRETS_MAX earlier secrets of the endpoint still sign."""


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
    header_names: tuple[str, ...]
    previous_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    razorpay_events: tuple[str, ...] | None = None
    """Of an endpoint in the format of the Razorpay double (docs/RAZORPAY.md): its events by the double's names."""
    razorpay_alert_email: str | None = None
    razorpay_shuffled: bool = False


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
    headers_sealed: bytes | None = None
    header_names: Sequence[str] = ()
    razorpay_events: Sequence[str] | None = None
    razorpay_alert_email: str | None = None
    razorpay_shuffled: bool = False


COLUMNS = (
    "id, url, events, description, ordering, active, disabled_reason, secret_hint, header_names, "
    "(SELECT max(ends_at) FROM unnest(previous_secrets_expire_at) AS ends_at WHERE ends_at > now()) "
    "AS previous_expires_at, created_at, updated_at, razorpay_events, razorpay_alert_email, razorpay_shuffled"
)
INSERT = f"""
INSERT INTO webhooks (id, merchant_id, url, events, description, ordering, active, disabled_reason, secret_sealed,
                      secret_hint, is_config, headers_sealed, header_names, razorpay_events, razorpay_alert_email,
                      razorpay_shuffled)
VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN NOT $7::boolean THEN 'merchant' END, $8, $9, $10, $11, $12, $13, $14,
        $15)
RETURNING {COLUMNS}
"""
# webhooks_merchant
LIST = f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = $1 AND deleted_at IS NULL ORDER BY created_at, id"
FIND = f"SELECT {COLUMNS} FROM webhooks WHERE id = $2 AND merchant_id = $1 AND deleted_at IS NULL"
# webhooks_one_config
FIND_CONFIG = f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = $1 AND is_config AND deleted_at IS NULL"
# webhooks_pkey. The row's lock keeps two rotations from forgetting each other's secret.
SIGNING = """
SELECT secret_sealed, previous_secrets_sealed, previous_secrets_expire_at, active
  FROM webhooks
 WHERE id = $2
   AND merchant_id = $1
   AND deleted_at IS NULL
   FOR UPDATE
"""
ROTATE = f"""
UPDATE webhooks
   SET previous_secrets_sealed = $3, previous_secrets_expire_at = $4, secret_sealed = $5, secret_hint = $6,
       updated_at = $7
 WHERE id = $2
   AND merchant_id = $1
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


async def insert_endpoint(pool: Pool, new: NewEndpoint, witness: Witness) -> Endpoint:
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
            new.secret_sealed, new.secret_hint, new.is_config, new.headers_sealed, list(new.header_names),
            new.razorpay_events, new.razorpay_alert_email, new.razorpay_shuffled,
        )  # fmt: skip
        endpoint = _endpoint_of(row)
        await witness.attest(connection, endpoint.id, after=facts_of(endpoint))
    return endpoint


def facts_of(endpoint: Endpoint) -> Values:
    """What an endpoint gets and where, for the audit log. Its headers by their names, its secret by its hint."""
    return {
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "ordering": endpoint.ordering,
        "active": endpoint.active,
        "header_names": list(endpoint.header_names),
        "secret_hint": endpoint.secret_hint,
    }


async def list_endpoints(pool: Pool, merchant_id: str) -> list[Endpoint]:
    """Oldest first."""
    return [_endpoint_of(row) for row in await pool.fetch(LIST, merchant_id)]


async def find_endpoint(pool: Pool, merchant_id: str, endpoint_id: str) -> Endpoint | None:
    return _maybe(await pool.fetchrow(FIND, merchant_id, endpoint_id))


async def find_config(pool: Pool, merchant_id: str) -> Endpoint | None:
    """The endpoint behind /webhooks/config."""
    return _maybe(await pool.fetchrow(FIND_CONFIG, merchant_id))


@dataclass(frozen=True, slots=True)
class Changed:
    """The current endpoint. `switches`: the event if it was disabled or enabled."""

    endpoint: Endpoint
    switches: tuple[Switch, ...]


async def change_endpoint(
    pool: Pool, merchant_id: str, endpoint_id: str, changes: dict[str, Any], at: datetime, witness: Witness
) -> Changed | None:
    """Set columns of CHANGEABLE. Enabling clears earlier failures; held deliveries are sent within a second."""
    assignments, values = _assignments(changes)
    async with pool.acquire() as connection, connection.transaction():
        locked = await connection.fetchrow(SIGNING, merchant_id, endpoint_id)
        if locked is None:
            return None
        before = _endpoint_of(await connection.fetchrow(FIND, merchant_id, endpoint_id))
        row = await connection.fetchrow(
            f"UPDATE webhooks SET {assignments}, updated_at = now() "
            f"WHERE id = $2 AND merchant_id = $1 RETURNING {COLUMNS}",
            merchant_id,
            endpoint_id,
            *values,
        )
        endpoint = _endpoint_of(row)
        switches = await record_switches(connection, [endpoint_id] if endpoint.active != before.active else [], at)
        await witness.attest(connection, endpoint_id, **differing(facts_of(before), facts_of(endpoint)))
        return Changed(endpoint, switches)


CHANGEABLE = frozenset(
    {
        "url", "events", "description", "ordering", "active", "headers_sealed", "header_names",
        "razorpay_events", "razorpay_alert_email", "secret_sealed", "secret_hint",
    }
)  # fmt: skip


def _assignments(changes: dict[str, Any]) -> tuple[str, list[Any]]:
    assert changes and set(changes) <= CHANGEABLE, "column names come from here, never from a request"
    columns = dict(changes)
    if "active" in columns:
        columns["disabled_reason"] = None if columns["active"] else OffReason.MERCHANT
        if columns["active"]:
            columns |= {"failures_in_a_row": 0, "failing_since": None}
    return ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=3)), list(columns.values())


async def rotate_secret(
    pool: Pool,
    merchant_id: str,
    endpoint_id: str,
    *,
    secret_sealed: bytes,
    secret_hint: str,
    expire_previous: bool,
    at: datetime,
    witness: Witness,
) -> Endpoint | None:
    """A new secret. Each earlier one signs beside it until ROTATION_OVERLAP after its own rotation, or ends now.

    Raises TooManySecretsError if PREVIOUS_SECRETS_MAX of them would still sign after this one.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(SIGNING, merchant_id, endpoint_id)
        if row is None:
            return None
        kept = [] if expire_previous else _still_signing(row, at)
        if len(kept) > PREVIOUS_SECRETS_MAX:
            raise TooManySecretsError
        rotated = await connection.fetchrow(
            ROTATE, merchant_id, endpoint_id, [sealed for sealed, _ in kept], [ends_at for _, ends_at in kept],
            secret_sealed, secret_hint, at,
        )  # fmt: skip
        endpoint = _endpoint_of(rotated)
        after = {"secret_hint": secret_hint, "previous_expires_at": endpoint.previous_expires_at}
        await witness.attest(connection, endpoint_id, after=after)
    return endpoint


def _still_signing(row: Row, at: datetime) -> list[tuple[bytes, datetime]]:
    """The secret that is replaced now, and earlier ones that have not ended; newest first."""
    earlier = zip(row["previous_secrets_sealed"], row["previous_secrets_expire_at"], strict=True)
    return [(row["secret_sealed"], at + ROTATION_OVERLAP), *((sealed, end) for sealed, end in earlier if end > at)]


async def delete_endpoint(pool: Pool, merchant_id: str, endpoint_id: str, witness: Witness) -> bool:
    """True if there was one. Its undecided deliveries end as failed, with a dead letter each."""
    async with pool.acquire() as connection, connection.transaction():
        before = _maybe(await connection.fetchrow(FIND, merchant_id, endpoint_id))
        deleted = await connection.fetchval(DELETE, merchant_id, endpoint_id) is not None
        if deleted and before is not None:
            await witness.attest(connection, endpoint_id, before=facts_of(before))
    return deleted


def _maybe(row: Row | None) -> Endpoint | None:
    return None if row is None else _endpoint_of(row)


def _endpoint_of(row: Row | None) -> Endpoint:
    assert row is not None
    values = dict(row)
    values["events"] = tuple(values["events"])
    values["header_names"] = tuple(values["header_names"])
    if values["razorpay_events"] is not None:
        values["razorpay_events"] = tuple(values["razorpay_events"])
    return Endpoint(**values)
