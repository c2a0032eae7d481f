"""Merchants: identity and settings.

create(...)     the merchant, its owner and its first key pair, all or nothing
find            by id
change          name, allowed origins, browser orders, captures, UPI payee
change_access   what its users may do (store/accounts/users.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from domain.order import CaptureMode
from domain.role import RefundLimit
from store.accounts.api_keys import NewKey, insert_key
from store.accounts.audit_log import Values, Witness, differing
from store.driver import Pool, Row
from store.errors import DuplicateError


class EmailTakenError(ValueError):
    """A user signs in with this e-mail address."""


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
    upi_payee: str | None
    """The UPI address that its QR codes pay to."""
    support_refunds: RefundLimit | None
    """None: the role `support` cannot refund."""
    second_factor_required: bool
    """Users without a second factor may only set one up."""


@dataclass(frozen=True, slots=True)
class BrowserOrders:
    """Whether pages may create orders without a secret, and up to which amount in minor units."""

    enabled: bool
    max_amount: int | None


@dataclass(frozen=True, slots=True)
class CaptureTerms:
    """How payments are captured if their order does not set it. `within_minutes` None: no limit."""

    mode: CaptureMode = CaptureMode.MANUAL
    within_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time to capture payments in; None: none."""

    minutes: int | None


@dataclass(frozen=True, slots=True)
class Payee:
    """A UPI address to pay to; None: none."""

    vpa: str | None


@dataclass(frozen=True, slots=True)
class SupportRefunds:
    """What the role `support` may refund; None: nothing."""

    limit: RefundLimit | None


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Changes of what a merchant's users may do; None: unchanged."""

    support_refunds: SupportRefunds | None = None
    second_factor_required: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Changes of a merchant's settings; None: unchanged."""

    name: str | None = None
    allowed_origins: tuple[str, ...] | None = None
    browser_orders: BrowserOrders | None = None
    capture: CaptureMode | None = None
    capture_within: Deadline | None = None
    upi_payee: Payee | None = None


COLUMNS = """id, name, email, allowed_origins, browser_orders_enabled, browser_orders_max_amount, created_at, capture,
       capture_within_minutes, upi_payee, support_refund_max_amount, support_refund_currency, second_factor_required"""


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
        upi_payee=row["upi_payee"],
        support_refunds=_limit_of(row),
        second_factor_required=row["second_factor_required"],
    )


def _limit_of(row: Row) -> RefundLimit | None:
    amount, currency = row["support_refund_max_amount"], row["support_refund_currency"]
    return None if amount is None else RefundLimit(amount, currency)


async def create(
    pool: Pool, *, merchant_id: str, name: str, email: str, password_hash: str, key: NewKey, witness: Witness
) -> Merchant:
    """Insert a merchant and its first key; a trigger adds its owner. Raises EmailTakenError."""
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
        added = await insert_key(connection, merchant_id, key)
        merchant = _merchant_of(row)
        await witness.attest(connection, merchant_id, after={**facts_of(merchant), "key": added.key})
    return merchant


def facts_of(merchant: Merchant) -> Values:
    """What a merchant allows, for the audit log."""
    return {
        "name": merchant.name,
        "email": merchant.email,
        "allowed_origins": list(merchant.allowed_origins),
        "browser_orders_enabled": merchant.browser_orders_enabled,
        "browser_orders_max_amount": merchant.browser_orders_max_amount,
        "capture": merchant.capture,
        "capture_within_minutes": merchant.capture_within_minutes,
        "upi_payee": merchant.upi_payee,
        "support_refunds": None if merchant.support_refunds is None else asdict(merchant.support_refunds),
        "second_factor_required": merchant.second_factor_required,
    }


# merchants_pkey
FIND = f"SELECT {COLUMNS} FROM merchants WHERE id = $1"
FIND_TO_CHANGE = f"{FIND} FOR UPDATE"
# merchants_pkey
FIND_CAPTURE_TERMS = "SELECT capture, capture_within_minutes FROM merchants WHERE id = $1"
# merchants_pkey
FIND_REFUND_LIMIT = "SELECT support_refund_max_amount, support_refund_currency FROM merchants WHERE id = $1"
CHANGE_ACCESS = f"""
UPDATE merchants
   SET support_refund_max_amount = CASE WHEN $2 THEN $3 ELSE support_refund_max_amount END,
       support_refund_currency = CASE WHEN $2 THEN $4 ELSE support_refund_currency END,
       second_factor_required = coalesce($5, second_factor_required),
       updated_at = now()
 WHERE id = $1
RETURNING {COLUMNS}
"""
# One statement: two changes of different things at once both last.
CHANGE = f"""
UPDATE merchants
   SET name = coalesce($2, name),
       allowed_origins = coalesce($3::text[], allowed_origins),
       browser_orders_enabled = coalesce($4, browser_orders_enabled),
       browser_orders_max_amount = CASE WHEN $4 IS NULL THEN browser_orders_max_amount ELSE $5 END,
       capture = coalesce($6, capture),
       capture_within_minutes = CASE WHEN $7 THEN $8::int ELSE capture_within_minutes END,
       upi_payee = CASE WHEN $9 THEN $10 ELSE upi_payee END,
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


async def find_refund_limit(pool: Pool, merchant_id: str) -> RefundLimit | None:
    """What the role `support` may refund of one payment; None: nothing."""
    row = await pool.fetchrow(FIND_REFUND_LIMIT, merchant_id)
    return None if row is None else _limit_of(row)


async def change(pool: Pool, merchant_id: str, changes: Change, witness: Witness) -> Merchant | None:
    """The merchant as changed, or None if there is no such merchant."""
    orders = changes.browser_orders
    values = (
        changes.name,
        changes.allowed_origins,
        orders.enabled if orders else None,
        orders.max_amount if orders else None,
        changes.capture,
        changes.capture_within is not None,
        changes.capture_within.minutes if changes.capture_within else None,
        changes.upi_payee is not None,
        changes.upi_payee.vpa if changes.upi_payee else None,
    )
    return await _changed(pool, merchant_id, CHANGE, values, witness)


async def change_access(pool: Pool, merchant_id: str, changes: AccessChange, witness: Witness) -> Merchant | None:
    """The merchant as changed, or None if there is no such merchant."""
    refunds = changes.support_refunds
    limit = refunds.limit if refunds else None
    values = (
        refunds is not None,
        limit.amount if limit else None,
        limit.currency if limit else None,
        changes.second_factor_required,
    )
    return await _changed(pool, merchant_id, CHANGE_ACCESS, values, witness)


async def _changed(
    pool: Pool, merchant_id: str, query: str, values: Sequence[object], witness: Witness
) -> Merchant | None:
    """One change and its entry in the audit log: what was, what is."""
    async with pool.acquire() as connection, connection.transaction():
        before = await connection.fetchrow(FIND_TO_CHANGE, merchant_id)
        if before is None:
            return None
        row = await connection.fetchrow(query, merchant_id, *values)
        was, merchant = facts_of(_merchant_of(before)), _merchant_of(row)
        await witness.attest(connection, merchant_id, **differing(was, facts_of(merchant)))
    return merchant
