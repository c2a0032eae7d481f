"""A payer's way back to the shop: which addresses an order may have, and where its payer goes now."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from api.http.errors import bad_request
from api.process.services import Services
from domain.order import ENDED, OrderStatus
from domain.payment import UNDECIDED, Payment
from domain.signature import Secrets
from domain.way_back import Outcome, address_of, origin_of, signature_of
from runtime.logs import get_logger
from runtime.secrets import Sealed, SealError, seal, unseal
from store.accounts.merchants import find as find_merchant
from store.accounts.return_secrets import ReturnSecrets, find_return_secrets, keep_return_secret

log = get_logger("way-back")

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SECRET_PREFIX, SECRET_BYTES = "retsec_", 32


async def check_return_url(
    services: Services, merchant_id: str, url: str | None, *, by_browser: bool, field: str = "return_url"
) -> None:
    """Raises ApiError 400, about `field`, for an address outside the merchant's allowed origins.

    A merchant that lists none may send its payers to any page over https, in test mode to this machine as well. A
    browser's order may not: its creator could send another payer anywhere after a real payment.
    """
    if url is None:
        return
    origin = origin_of(url)
    merchant = await find_merchant(services.pool, merchant_id)
    allowed = merchant.allowed_origins if merchant is not None else ()
    if origin in allowed or origin in services.own_origins:
        return
    if allowed:
        raise bad_request("return_url must begin with one of the merchant's allowed origins", field)
    if by_browser and not services.settings.test_mode:
        raise bad_request("return_url needs an allowed origin of the merchant", field)
    secure = origin is not None and origin.startswith("https:")
    if not secure and not (services.settings.test_mode and urlsplit(url).hostname in LOOPBACK):
        raise bad_request("return_url must be an https address", field)


def new_return_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


async def way_back(services: Services, order: Mapping[str, Any], payment: Payment | None) -> dict[str, str] | None:
    """What the checkout sends the payer back with; None while there is no payment, a payment is under way, or the
    secret cannot be opened with the keys that are here: a page without a way back is better than no page."""
    url, outcome = order.get("return_url"), _outcome(order, payment)
    if url is None or outcome is None:
        return None
    try:
        signing = await _secrets(services, order["merchant_id"])
    except SealError:
        log.error("return_secret_unreadable", merchant_id=order["merchant_id"])
        return None
    return {
        "url": address_of(url, outcome, signing),
        "order_id": outcome.order_id,
        "payment_id": outcome.payment_id,
        "status": outcome.status,
        "signature": signature_of(signing.current, outcome),
    }


def _outcome(order: Mapping[str, Any], payment: Payment | None) -> Outcome | None:
    """The latest payment's status, or, without any payment, that of the ended order."""
    if payment is not None:
        return None if payment.status in UNDECIDED else Outcome(order["id"], payment.id, payment.status)
    return Outcome(order["id"], "", order["status"]) if OrderStatus(order["status"]) in ENDED else None


async def _secrets(services: Services, merchant_id: str) -> Secrets:
    """The merchant's; one is made where it has none, so that no payer's way back waits for a setting."""
    found = await find_return_secrets(services.pool, merchant_id)
    if found.current is None:
        found = await keep_return_secret(
            services.pool, merchant_id, sealed_return_secret(services, merchant_id, new_return_secret())
        )
    assert found.current is not None, "orders belong to a merchant"
    opened = partial(unseal, ring=services.settings.keys, kind=Sealed.RETURN_SECRET, row_id=merchant_id)
    previous = () if not _still_proves(found, services) else (opened(found.previous or b""),)
    return Secrets(opened(found.current), previous)


def sealed_return_secret(services: Services, merchant_id: str, secret: str) -> bytes:
    return seal(secret, services.settings.keys, Sealed.RETURN_SECRET, merchant_id)


def _still_proves(found: ReturnSecrets, services: Services) -> bool:
    return found.previous_expires_at is not None and found.previous_expires_at > services.clock.now()
