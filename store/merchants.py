"""Merchants: who they are, how they sign in, and what they allow.

create(...)        the merchant and its first key pair, both or neither
find, find_login   by id; by e-mail, with the password hash
change             name, allowed origins, browser orders
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.order import CaptureMode
from store.api_keys import NewKey, insert_key
from store.driver import Pool, Row
from store.errors import DuplicateError


class EmailTakenError(ValueError):
    """Another merchant has signed up with this e-mail address."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """`browser_orders_max_amount` in minor units; None: no maximum of its own."""

    id: str
    name: str
    email: str
    allowed_origins: tuple[str, ...]
    browser_orders_enabled: bool
    browser_orders_max_amount: int | None
    created_at: datetime
    capture: CaptureMode
    capture_within_minutes: int | None


@dataclass(frozen=True, slots=True)
class BrowserOrders:
    """Whether pages may create orders without a secret, and up to which amount in minor units."""

    enabled: bool
    max_amount: int | None


@dataclass(frozen=True, slots=True)
class CaptureTerms:
    """How payments of orders that do not say it are captured. `within_minutes` None: whenever the merchant likes."""

    mode: CaptureMode = CaptureMode.MANUAL
    within_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time to capture payments in; None: none."""

    minutes: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a merchant wants otherwise; None: as it is."""

    name: str | None = None
    allowed_origins: tuple[str, ...] | None = None
    browser_orders: BrowserOrders | None = None
    capture: CaptureMode | None = None
    capture_within: Deadline | None = None


COLUMNS = """id, name, email, allowed_origins, browser_orders_enabled, browser_orders_max_amount, created_at, capture,
       capture_within_minutes"""


def _merchant_of(row: Row | None) -> Merchant:
    assert row is not None
    return Merchant(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        allowed_origins=tuple(row["allowed_origins"]),
        browser_orders_enabled=row["browser_orders_enabled"],
        browser_orders_max_amount=row["browser_orders_max_amount"],
        created_at=row["created_at"],
        capture=CaptureMode(row["capture"]),
        capture_within_minutes=row["capture_within_minutes"],
    )


async def create(pool: Pool, *, merchant_id: str, name: str, email: str, password_hash: str, key: NewKey) -> Merchant:
    """Insert a merchant and its first key. Raises EmailTakenError."""
    async with pool.acquire() as connection, connection.transaction():
        try:
            row = await connection.fetchrow(
                f"INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, $2, $3, $4) RETURNING {COLUMNS}",
                merchant_id,
                name,
                email,
                password_hash,
            )
        except DuplicateError as error:
            raise EmailTakenError(email) from error
        await insert_key(connection, merchant_id, key)
    return _merchant_of(row)


# merchants_pkey
FIND = f"SELECT {COLUMNS} FROM merchants WHERE id = $1"
# merchants_pkey
FIND_CAPTURE_TERMS = "SELECT capture, capture_within_minutes FROM merchants WHERE id = $1"
# merchants_email
FIND_LOGIN = f"SELECT {COLUMNS}, password_hash FROM merchants WHERE lower(email) = lower($1)"
# merchants_pkey
REPLACE_PASSWORD_HASH = "UPDATE merchants SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
# One statement: two changes of different things at once both last.
CHANGE = f"""
UPDATE merchants
   SET name = coalesce($2, name),
       allowed_origins = coalesce($3::text[], allowed_origins),
       browser_orders_enabled = coalesce($4, browser_orders_enabled),
       browser_orders_max_amount = CASE WHEN $4 IS NULL THEN browser_orders_max_amount ELSE $5 END,
       capture = coalesce($6, capture),
       capture_within_minutes = CASE WHEN $7 THEN $8::int ELSE capture_within_minutes END,
       updated_at = now()
 WHERE id = $1
RETURNING {COLUMNS}
"""


async def find_capture_terms(pool: Pool, merchant_id: str) -> CaptureTerms:
    row = await pool.fetchrow(FIND_CAPTURE_TERMS, merchant_id)
    return CaptureTerms() if row is None else CaptureTerms(CaptureMode(row["capture"]), row["capture_within_minutes"])


async def find(pool: Pool, merchant_id: str) -> Merchant | None:
    row = await pool.fetchrow(FIND, merchant_id)
    return _merchant_of(row) if row else None


async def find_login(pool: Pool, email: str) -> tuple[Merchant, str] | None:
    """The merchant of an e-mail address, whatever its case, and its password hash."""
    row = await pool.fetchrow(FIND_LOGIN, email)
    return (_merchant_of(row), row["password_hash"]) if row else None


async def replace_password_hash(pool: Pool, merchant_id: str, *, old: str, new: str) -> None:
    """Store `new` unless the password was changed since `old` was read."""
    await pool.execute(REPLACE_PASSWORD_HASH, merchant_id, old, new)


async def change(pool: Pool, merchant_id: str, wanted: Change) -> Merchant | None:
    """The merchant as changed, or None where there is no such merchant."""
    orders = wanted.browser_orders
    row = await pool.fetchrow(
        CHANGE,
        merchant_id,
        wanted.name,
        wanted.allowed_origins,
        orders.enabled if orders else None,
        orders.max_amount if orders else None,
        wanted.capture,
        wanted.capture_within is not None,
        wanted.capture_within.minutes if wanted.capture_within else None,
    )
    return _merchant_of(row) if row else None
