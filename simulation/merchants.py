"""The merchants of a world: their API keys and their webhook endpoints, as rows that exist from the beginning."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from pydantic import SecretStr

from runtime.keyring import KeyRing, tag_of
from runtime.order_keys import Keys, key_below, orders_in, path_of
from runtime.secrets import Sealed, hash_api_secret, seal
from runtime.settings import Settings
from simulation.clock import EPOCH
from simulation.database import Row, Tables
from store.order_keys import row_ids

KEY_DAYS = 3


class Endpoint(NamedTuple):
    """`events`: its filter; empty: all."""

    id: str
    ordering: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merchant:
    """The sender of requests and the receiver of webhooks."""

    id: str
    key: str
    secret: str
    endpoints: tuple[Endpoint, ...]
    upi_payee: str | None = None
    """Whom a QR code pays. None: the stand-in of test mode."""


MERCHANTS = (
    Merchant(
        "test_merchant",
        "key_simulation_first",
        "secret_simulation_first",
        (
            Endpoint("whe_0000000000000001", "per_payment", ()),
            Endpoint(
                "whe_0000000000000002",
                "none",
                ("payment.success", "order.paid", "order.cancelled", "order.expired", "payment_link.paid"),
            ),
        ),
    ),
    Merchant(
        "other_merchant",
        "key_simulation_other",
        "secret_simulation_other",
        (Endpoint("whe_0000000000000003", "per_payment", ()),),
        "other@bank",
    ),
)


def furnish(tables: Tables, settings: Settings, *, webhooks: bool) -> None:
    """Write the merchants' rows."""
    for number, merchant in enumerate(MERCHANTS, 1):
        tables["merchants"][merchant.id] = _row(merchant)
        tables["api_keys"][merchant.key] = {
            "id": f"apk_{number:016}",
            "merchant_id": merchant.id,
            "key": merchant.key,
            "secret_hash": _hashed(merchant.secret, settings.secret_key.get_secret_value()),
            "hashed_by": tag_of(settings.keys.newest),
            "name": "simulation",
            "scopes": [],
            "addresses": [],
            "created_at": EPOCH,
            "last_used_at": None,
            "expires_at": None,
            "revoked_at": None,
        }
        for endpoint in merchant.endpoints if webhooks else ():
            tables["webhooks"][endpoint.id] = _endpoint_row(merchant, endpoint, settings)


def _row(merchant: Merchant) -> Row:
    return {
        "id": merchant.id,
        "name": merchant.id,
        "email": f"{merchant.id}@example.com",
        "allowed_origins": [],
        "browser_orders_enabled": False,
        "browser_orders_max_amount": None,
        "created_at": EPOCH,
        "capture": "manual",
        "capture_within_minutes": None,
        "upi_payee": merchant.upi_payee,
        "support_refund_max_amount": None,
        "support_refund_currency": None,
        "second_factor_required": False,
    }


def furnish_keys(tables: Tables, settings: Settings) -> None:
    """Write the keys of the orders of these days, also as a clock that is a day wrong counts them."""
    for ahead in range(-KEY_DAYS, KEY_DAYS + 1):
        day = (EPOCH + timedelta(days=ahead)).date()
        row_id = f"{day:%Y%m%d}/"
        sealed = _sealed_key(settings.keys, row_id)
        tables["order_keys"][row_id] = {"id": row_id, "day": day, "key_sealed": sealed}


def order_keys(content: bytes) -> Keys:
    """The keys of the orders that have sealed fields in a JSON text."""
    return {one: key_below(_root(row_ids(one)[0]), path_of(one), one) for one in orders_in(content)}


def _root(row_id: str) -> bytes:
    return hashlib.sha256(row_id.encode()).digest()


@cache
def _sealed_key(ring: KeyRing, row_id: str) -> bytes:
    return seal(_root(row_id).hex(), ring, Sealed.ORDER_KEY, row_id)


@cache
def _hashed(secret: str, secret_key: str) -> bytes:
    return hash_api_secret(SecretStr(secret), SecretStr(secret_key))


@cache
def _sealed(ring: KeyRing, endpoint_id: str) -> bytes:
    return seal("whsec_simulation", ring, Sealed.WEBHOOK_SECRET, endpoint_id)


def _endpoint_row(merchant: Merchant, endpoint: Endpoint, settings: Settings) -> Row:
    return {
        "id": endpoint.id,
        "merchant_id": merchant.id,
        "url": f"http://receiver/{endpoint.id}",
        "events": list(endpoint.events),
        "ordering": endpoint.ordering,
        "active": True,
        "disabled_reason": None,
        "deleted_at": None,
        "secret_sealed": _sealed(settings.keys, endpoint.id),
        "description": None,
        "previous_secrets_sealed": None,
        "previous_secrets_expire_at": None,
        "headers_sealed": None,
        "razorpay_events": None,
        "razorpay_shuffled": False,
        "failures_in_a_row": 0,
        "failing_since": None,
        "created_at": EPOCH - timedelta(days=1),
    }
