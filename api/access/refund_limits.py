"""A refund's entry in the audit log, and the merchant's limit for users whose role has one."""

from __future__ import annotations

from starlette.requests import Request

from api.access.audit import noted, witness
from api.access.caller import Caller
from api.http.errors import FORBIDDEN, ApiError, bad_request
from api.process.services import services_of
from domain.audited import Action
from domain.currency import decimal_text
from domain.role import REFUNDS_ARE_LIMITED
from store.accounts.audit_log import Values
from store.accounts.limited_refunds import LimitPassedError, attest_limited_refund
from store.accounts.merchants import find_refund_limit


async def note_refund(
    request: Request,
    caller: Caller,
    payment_id: str,
    *,
    refund_id: str,
    amount: int | None,
    currency: str,
    requested: Values,
) -> None:
    """Record the refund that is about to be requested. Raises ApiError 400 or 403 for a limited role."""
    if caller.role not in REFUNDS_ARE_LIMITED:
        await noted(request, caller, Action.REFUND_REQUESTED, payment_id, after=requested)
        return
    role, pool = f"the role '{caller.role}'", services_of(request).pool
    limit = await find_refund_limit(pool, caller.merchant_id)
    if limit is None:
        raise ApiError(FORBIDDEN, f"An owner has not set a refund limit for {role}")
    if currency != limit.currency:
        raise ApiError(
            FORBIDDEN, f"Refunds of {role} are limited to {limit.currency}, and this payment is in {currency}"
        )
    if amount is None:
        raise bad_request(f"amount is required, because refunds of {role} are limited", "amount")
    seen = witness(request, caller, Action.REFUND_REQUESTED)
    try:
        await attest_limited_refund(
            pool, seen, payment_id, refund_id=refund_id, amount=amount, limit=limit, requested=requested
        )
    except LimitPassedError as error:
        allowed, left = (f"{limit.currency} {decimal_text(one, limit.currency)}" for one in (limit.amount, error.left))
        raise ApiError(
            FORBIDDEN,
            f"Refunds of {role} are limited to {allowed} for one payment, of which {left} is left; "
            "an owner may refund more",
            field="amount",
        ) from None
