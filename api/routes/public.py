"""Routes of a payer's browser: no secret, the unguessable order id is the capability. Rate-limited by address."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.access.audit import noted
from api.access.auth import authenticated_or_payer
from api.access.limits import limit_address
from api.access.origins import check_origin
from api.access.scopes import Scope, allows
from api.answers.answers import as_decided, respond
from api.answers.idempotency import key_of
from api.answers.resources import Found, find, json_response, known_order
from api.http.bodies import read_json, read_optional_json
from api.http.errors import FORBIDDEN, ApiError, bad_request, refused, unauthenticated
from api.http.ignored import note_unused
from api.openapi.annotations import errors, json_body
from api.process.payee import payee_of
from api.process.services import services_of
from api.process.way_back import way_back
from api.routes.orders import EXAMPLE, submit_order
from api.routes.payments import owned_payment, read_payment, submit_payment
from api.schemas.body import Nothing
from api.schemas.orders import NewPublicOrder, OrderView
from api.schemas.payments import NEW_PAYMENT_EXAMPLE, NewPayment, PaymentView, PublicPaymentView
from api.schemas.public import PublicOrderView
from domain.audited import Action
from domain.currency import minor_units
from domain.ids import ORDER, PAYMENT, SEEDED_MERCHANT_ID, is_id
from domain.instrument import methods_for
from domain.money import DEFAULT_CURRENCY
from domain.payment import UNDECIDED, CancelPayment, Payment
from domain.rejection import ORDER_NOT_FOUND, PAYMENT_NOT_FOUND
from domain.resource import payment_resource
from runtime.clock import make_id
from store.accounts.merchants import Merchant
from store.accounts.merchants import find as find_merchant
from store.driver import Pool
from store.orders import find_order, latest_payment
from store.payments import find_payment
from store.refunds import RefundFilter, list_refunds
from topics.envelope import encode_json

router = APIRouter(tags=["Checkout"])
REFUNDS_MAX = 100
"""Refunds shown on a receipt."""


@router.post(
    "/orders/public",
    summary="Create an order from a browser",
    description="Only for merchants that allow browsers to create orders, up to the merchant's maximum.",
    status_code=201,
    response_model=OrderView,
    responses={
        202: {"model": OrderView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 403, 409, 413, 422, 429, 503),
    },
    openapi_extra=json_body(NewPublicOrder, {**EXAMPLE, "key": "key_test_abc123"}, idempotent=True),
)
async def create_order(request: Request) -> Response:
    await limit_address(request, "orders-public", services_of(request).settings.rate_limit_public_per_minute)
    body = await read_json(request, NewPublicOrder)
    merchant = await _merchant_named(request, body.key or request.headers.get("x-api-key"))
    await check_origin(request, merchant.id)
    if not merchant.browser_orders_enabled:
        raise ApiError(FORBIDDEN, "This merchant does not accept orders from browsers")
    maximum = _maximum(merchant, body.currency_or_default)
    if maximum is not None and body.amount > maximum:
        raise bad_request(f"amount must be at most {maximum}", "amount")
    receipt = body.receipt or make_id("rcpt_")
    return await submit_order(request, body, merchant_id=merchant.id, receipt=receipt, route="orders-public")


def _maximum(merchant: Merchant, currency: str) -> int | None:
    """The merchant's maximum in minor units of this currency: the same number of units as it is in rupees."""
    maximum = merchant.browser_orders_max_amount
    if maximum is None:
        return None
    return maximum * minor_units(currency) // minor_units(DEFAULT_CURRENCY)


async def _merchant_named(request: Request, key: str | None) -> Merchant:
    """The merchant behind a publishable key; without one, in test mode, the test merchant."""
    services = services_of(request)
    if key:
        found = await services.keys.find(key)
        if found is not None and not allows(found.scopes, Scope.PAYMENTS):
            raise ApiError(FORBIDDEN, f"This API key lacks the scope '{Scope.PAYMENTS}'")
        merchant_id = None if found is None else found.merchant_id
    else:
        merchant_id = SEEDED_MERCHANT_ID if services.settings.test_mode else None
    merchant = None if merchant_id is None else await find_merchant(services.pool, merchant_id)
    if merchant is None:
        raise unauthenticated()
    return merchant


@router.post(
    "/payments/public",
    summary="Pay an order from a browser",
    status_code=201,
    response_model=PublicPaymentView,
    responses={
        202: {"model": PublicPaymentView, "description": "Accepted, but not decided yet"},
        **errors(400, 403, 404, 409, 413, 422, 429, 503),
    },
    openapi_extra=json_body(NewPayment, NEW_PAYMENT_EXAMPLE, idempotent=True),
)
async def create_payment(request: Request) -> Response:
    await limit_address(request, "payments-public", services_of(request).settings.rate_limit_public_per_minute)
    body, means = await read_payment(request, NewPayment)
    _without_notes(request, body)
    key = key_of(request, scope=body.order_id, route="payments-public", fields=body.fields())
    order = await _order(request, body.order_id)
    return await submit_payment(
        request, body, means, key=key, merchant_id=order.merchant_id, public=True, shape=_public_body
    )


def _without_notes(request: Request, body: NewPayment) -> None:
    """Notes belong to the merchant: its server relies on their content."""
    if body.root.notes is not None:
        note_unused(request, "notes")
        body.root.notes = None


@router.get(
    "/orders/public/{order_id}",
    summary="Read an order from a browser",
    response_model=PublicOrderView,
    responses=errors(403, 404, 429, 503),
)
@router.get("/orders/{order_id}/public", include_in_schema=False)
async def read_order(request: Request, order_id: str) -> Response:
    await limit_reads(request)
    found = await _order(request, order_id)
    services = services_of(request)
    merchant = await find_merchant(services.pool, found.merchant_id)
    if merchant is None:
        raise refused(ORDER_NOT_FOUND)
    payment = await latest_payment(services.pool, order_id)
    order = found.resource
    return json_response(
        {
            **{
                name: order[name]
                for name in ("id", "amount", "currency", "status", "created_at", "receipt", "expires_at")
            },
            "return_url": order.get("return_url"),
            "return_to": await way_back(services, order, payment),
            "description": order.get("payment_link", {}).get("description"),
            "merchant": {"id": merchant.id, "name": merchant.name},
            "methods": methods_for(order["currency"]),
            "upi_payee": payee_of(merchant, test_mode=services.settings.test_mode),
            "test_mode": services.settings.test_mode,
            "allowed_origins": merchant.allowed_origins,
            "payment": None if payment is None else public_shape(dict(payment_resource(payment))),
            "refunds": [] if payment is None else await _refunds(services.pool, payment),
        }
    )


async def _refunds(pool: Pool, payment: Payment) -> list[dict[str, object]]:
    """The payer's part of the payment's refunds; an undecided payment has none."""
    if payment.status in UNDECIDED:
        return []
    of_payment = RefundFilter(payment_id=payment.id)
    found = await list_refunds(pool, payment.merchant_id, of_payment, after=None, limit=REFUNDS_MAX)
    return [{"amount": refund.amount, "status": refund.status, "automatic": refund.automatic} for refund in found]


@router.post(
    "/payments/{payment_id}/cancel",
    summary="Cancel a pending payment",
    description="For the payer, without credentials, or the merchant. The gateway asks the bank to cancel the attempt; "
    "meanwhile the payment has `cancellation: requested`. The bank either cancels it (FAILED, `PAYMENT_CANCELLED`), "
    "reports that it was decided before, or refuses (`cancellation: refused`). The order accepts another payment only "
    "after a failure. A payment that is already decided does not change.",
    response_model=PublicPaymentView | PaymentView,
    responses={
        202: {"model": PublicPaymentView, "description": "Accepted, not decided yet"},
        **errors(400, 401, 403, 404, 409, 413, 422, 429, 503),
    },
    openapi_extra=json_body(Nothing, {}, required=False, idempotent=True),
)
@router.post("/payments/public/{payment_id}/cancel", include_in_schema=False)
@router.post("/payments/{payment_id}/public/cancel", include_in_schema=False)
async def cancel(request: Request, payment_id: str) -> Response:
    caller = await authenticated_or_payer(request)
    services = services_of(request)
    if caller is None:
        await limit_address(request, "payments-public", services.settings.rate_limit_public_per_minute)
    await read_optional_json(request, Nothing)
    scope = payment_id if caller is None else caller.merchant_id
    key = key_of(request, scope=scope, route="payment-cancels", fields={"payment_id": payment_id})
    if caller is None:
        found = await payment_of_payer(request, payment_id)
    else:
        found = await owned_payment(services, payment_id, caller.merchant_id, key=key)
        await noted(request, caller, Action.CANCEL_REQUESTED, payment_id)
    return await respond(
        request,
        CancelPayment(found.order_id, payment_id, None if caller is None else caller.merchant_id),
        key=key,
        merchant_id=found.merchant_id,
        resource_id=payment_id,
        new=False,
        location=f"/api/v1/payments/{payment_id}" + ("/public" if caller is None else ""),
        load=lambda: known_order(services, found.order_id),
        shape=_public_body if caller is None else as_decided,
    )


@router.get(
    "/payments/public/{payment_id}",
    summary="Read a payment from a browser",
    response_model=PublicPaymentView,
    responses=errors(403, 404, 429, 503),
)
@router.get("/payments/{payment_id}/public", include_in_schema=False)
async def read_payment_as_payer(request: Request, payment_id: str) -> Response:
    await limit_reads(request)
    found = await payment_of_payer(request, payment_id)
    return json_response(public_shape(found.resource))


async def payment_of_payer(request: Request, payment_id: str) -> Found:
    """Raises ApiError 404, or 403 for a page that the merchant does not allow."""
    found = await find(services_of(request), payment_id, find_payment) if is_id(PAYMENT, payment_id) else None
    if found is None:
        raise refused(PAYMENT_NOT_FOUND)
    await check_origin(request, found.merchant_id)
    return found


async def _order(request: Request, order_id: str) -> Found:
    found = await find(services_of(request), order_id, find_order) if is_id(ORDER, order_id) else None
    if found is None:
        raise refused(ORDER_NOT_FOUND)
    await check_origin(request, found.merchant_id)
    return found


async def limit_reads(request: Request) -> None:
    """Reads are cheaper than writes and more frequent: a checkout polls."""
    await limit_address(request, "reads-public", services_of(request).settings.rate_limit_public_per_minute * 4)


MERCHANTS_ALONE = frozenset({"merchant_id", "amount_owed", "name", "email", "contact", "notes"})
"""The payer's data is among them: a payment's id is printed on receipts, and is enough to read this."""


def public_shape(payment: dict[str, Any]) -> dict[str, Any]:
    """A payment without the fields that only the merchant may read."""
    return {name: value for name, value in payment.items() if name not in MERCHANTS_ALONE}


def _public_body(body: str) -> bytes:
    return encode_json(public_shape(orjson.loads(body)))
