"""What checkout.js calls from a merchant's page: no secret, the order and payment ids are the capabilities.

open      the page's prefill, notes and description, kept for the payments of the order
complete  a payment that succeeded ─► the three fields that the page's handler gets, signed
          a payment that failed    ─► 400 with the error that `payment.failed` hands over
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.access.limits import limit_address
from api.access.origins import check_origin
from api.process.services import Services, services_of
from api.razorpay.access import merchant_of, payment_signature
from api.razorpay.bodies import checked, read_fields
from api.razorpay.errors import HEADERS, DoubleError, unknown_id
from api.razorpay.orders import owned as owned_order
from api.razorpay.payments import owned as owned_payment
from api.razorpay.schemas import Completion, Opening
from domain.payment import PaymentStatus
from store.razorpay.orders import remember_opening
from topics.razorpay.entities import Entity, Payer
from topics.razorpay.failures import failure_of

PENDING = "The payment is not decided yet"


async def script(request: Request) -> Response:
    """The page's script tag may use this address in place of the original's."""
    url = f"{services_of(request).settings.checkout_url}/v1/checkout.js"
    return RedirectResponse(url, 302, headers=HEADERS)


async def open_(request: Request) -> Entity:
    body = checked(Opening, await read_fields(request))
    services, merchant_id = await _page(request, body.key)
    payer = Payer(email=body.email, contact=body.contact, description=body.description, notes=body.notes or {})
    if not await remember_opening(services.pool, body.order_id, merchant_id, payer, notes=bool(body.notes)):
        raise unknown_id()
    return {"order_id": body.order_id}


async def complete(request: Request) -> Entity:
    body = checked(Completion, await read_fields(request))
    services, merchant_id = await _page(request, body.key)
    await owned_order(services, body.order_id, merchant_id)
    payment = (await owned_payment(services, body.payment_id, merchant_id)).payment
    if payment.order_id != body.order_id:
        raise unknown_id()
    metadata = {"order_id": body.order_id, "payment_id": body.payment_id}
    failure = failure_of(payment.error_code)
    if failure is not None:
        raise DoubleError(
            failure.description,
            code=failure.code,
            source=failure.source,
            step=failure.step,
            reason=failure.reason,
            metadata=metadata,
        )
    if payment.status is not PaymentStatus.SUCCESS:
        raise DoubleError(PENDING, metadata=metadata)
    signature = await payment_signature(services, body.key, order_id=body.order_id, payment_id=body.payment_id)
    return {
        "razorpay_payment_id": body.payment_id,
        "razorpay_order_id": body.order_id,
        "razorpay_signature": signature,
    }


async def _page(request: Request, key: str) -> tuple[Services, str]:
    """(services, merchant) of a page that may call. Raises ApiError 403, 429 or DoubleError 401."""
    services = services_of(request)
    await limit_address(request, "razorpay-checkout", services.settings.rate_limit_public_per_minute)
    merchant_id = await merchant_of(services, key)
    await check_origin(request, merchant_id)
    return services, merchant_id
