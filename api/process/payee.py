"""The payee of a QR code: the merchant's own UPI address, or in test mode one that does not exist at any bank."""

from __future__ import annotations

from api.http.errors import refused
from api.process.services import Services
from domain.rejection import NO_PAYEE
from domain.upi import payee_part
from store.accounts.merchants import Merchant
from store.accounts.merchants import find as find_merchant


def payee_of(merchant: Merchant, *, test_mode: bool) -> str | None:
    """A UPI address; None: nothing can be scanned."""
    return merchant.upi_payee or (f"{merchant.id}@gateway" if test_mode else None)


async def payee_to_scan(services: Services, merchant_id: str) -> str:
    """The payee as a UPI link spells it. Raises ApiError 400 if the merchant has none."""
    merchant = await find_merchant(services.pool, merchant_id)
    payee = None if merchant is None else payee_of(merchant, test_mode=services.settings.test_mode)
    if merchant is None or payee is None:
        raise refused(NO_PAYEE)
    return payee_part(payee, merchant.name)
