"""Payments of a merchant: create, read, list, capture, void."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.audit import noted
from api.access.auth import Caller, authenticated, looking_up
from api.answers.answers import Shape, as_decided, respond
from api.answers.idempotency import key_of, new_id_for
from api.answers.resources import Found, find, json_response, known_order
from api.http.bodies import read_json, read_optional_json
from api.http.cursor import LIMIT_DEFAULT, LIMIT_MAX, Cursor, Limit, page_of, place_of
from api.http.errors import bad_request, refused
from api.http.period import Period, period
from api.http.search import CurrencyFilter, search_text
from api.openapi.annotations import errors, json_body
from api.process.bus import Key
from api.process.payee import payee_to_scan
from api.process.services import Services, services_of
from api.process.way_back import check_return_url
from api.routes.orders import capture_terms, nothing_yet, order_command
from api.schemas.body import Nothing
from api.schemas.orders import NewOrder
from api.schemas.payments import (
    NEW_PAYMENT_EXAMPLE,
    Means,
    NewCapture,
    NewMerchantPayment,
    NewPayment,
    PaymentPage,
    PaymentView,
    check_instrument,
)
from domain.audited import Action
from domain.ids import ORDER, PAYMENT, is_id
from domain.instrument import Instrument, Method, UpiScan
from domain.money import AMOUNT_MAX_MINOR
from domain.payment import CapturePayment, CreatePayment, VoidPayment
from domain.purchase import PayNewOrder
from domain.rejection import ORDER_NOT_FOUND, PAYMENT_NOT_FOUND, Rejected
from store.payments import PaymentFilter, find_payment, list_payments
from store.promises import PromisedIds

router = APIRouter(tags=["Payments"])
PaymentBody = TypeVar("PaymentBody", NewPayment, NewMerchantPayment)
Amount = Annotated[int, Query(ge=0, le=AMOUNT_MAX_MINOR)]


@router.post(
    "/payments",
    summary="Pay an order, or create and pay one",
    description="Send `order_id` to pay an order that exists, or `order` to create the order with this payment, in one "
    "request. Both are created, or, if either is refused, neither. The response is the payment.",
    status_code=201,
    response_model=PaymentView,
    responses={
        202: {"model": PaymentView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 404, 409, 413, 422, 503),
    },
    openapi_extra=json_body(NewMerchantPayment, NEW_PAYMENT_EXAMPLE, idempotent=True),
)
async def create_payment(request: Request) -> Response:
    caller = await authenticated(request)
    body, means = await read_payment(request, NewMerchantPayment)
    key = key_of(request, scope=caller.merchant_id, route="payments", fields=body.fields())
    if body.order is None:
        return await submit_payment(request, body, means, key=key, merchant_id=caller.merchant_id)
    return await _submit_both(request, body, body.order, means, key=key, merchant_id=caller.merchant_id)


async def read_payment(request: Request, model: type[PaymentBody]) -> tuple[PaymentBody, Means]:
    """The body and its instrument, both checked."""
    body = await read_json(request, model)
    services = services_of(request)
    means = await check_instrument(body, services.bank, test_mode=services.settings.test_mode)
    if isinstance(means, Rejected):
        raise refused(means)
    return body, means


async def submit_payment(
    request: Request,
    body: NewPayment | NewMerchantPayment,
    means: Means,
    *,
    key: Key | None,
    merchant_id: str,
    public: bool = False,
    shape: Shape = as_decided,
) -> Response:
    """The response to a new payment. `public`: a payer's request, `merchant_id` is the order's."""
    services = services_of(request)
    if not is_id(ORDER, body.order_id):
        await services.commands.refuse_mismatch(key)
        raise refused(ORDER_NOT_FOUND)
    payment_id = new_id_for(request, PAYMENT, key)
    command = _command(
        body,
        means.instrument,
        order_id=body.order_id,
        payment_id=payment_id,
        merchant_id=None if public else merchant_id,
        token=await _token(services, means, merchant_id),
        deadline_at=_deadline(services),
    )
    return await respond(
        request,
        command,
        key=key,
        merchant_id=merchant_id,
        resource_id=payment_id,
        new=True,
        location=f"/api/v1/payments/{payment_id}" + ("/public" if public else ""),
        load=lambda: known_order(services, body.order_id),
        shape=shape,
    )


async def _submit_both(
    request: Request, body: NewMerchantPayment, order: NewOrder, means: Means, *, key: Key | None, merchant_id: str
) -> Response:
    """The response to a new payment of a new order: one command, keyed by the order."""
    services = services_of(request)
    await check_return_url(services, merchant_id, order.return_url, by_browser=False, field="order.return_url")
    terms, token = await capture_terms(services, merchant_id, order), await _token(services, means, merchant_id)
    ids = await services.commands.promised(key)
    if ids is None:
        ids = PromisedIds(new_id_for(request, PAYMENT, key), new_id_for(request, ORDER, key))
    paying = _command(
        body,
        means.instrument,
        order_id=ids.order_id,
        payment_id=ids.resource_id,
        merchant_id=merchant_id,
        token=token,
        deadline_at=_deadline(services),
    )
    ordering = order_command(order, terms, ids.order_id, merchant_id=merchant_id, receipt=order.receipt)
    return await respond(
        request,
        PayNewOrder(ordering, paying),
        key=key,
        merchant_id=merchant_id,
        resource_id=ids.resource_id,
        new=True,
        location=f"/api/v1/payments/{ids.resource_id}",
        load=nothing_yet,
    )


async def _token(services: Services, means: Means, merchant_id: str) -> str:
    """The bank's token for the instrument; of a scan, it also names the payee."""
    if isinstance(means.instrument, UpiScan):
        return means.token + await payee_to_scan(services, merchant_id)
    return means.token


def _deadline(services: Services) -> datetime:
    return services.clock.now() + timedelta(seconds=services.settings.payment_deadline_seconds)


def _command(
    body: NewPayment | NewMerchantPayment,
    instrument: Instrument,
    *,
    order_id: str,
    payment_id: str,
    merchant_id: str | None,
    token: str,
    deadline_at: datetime,
) -> CreatePayment:
    fields = body.root
    return CreatePayment(
        order_id=order_id,
        payment_id=payment_id,
        merchant_id=merchant_id,
        instrument=instrument,
        token=token,
        amount=fields.amount,
        currency=fields.currency,
        deadline_at=deadline_at,
        **fields.given(),
        description=fields.description,
        notes=fields.notes or None,
    )


def payment_filter(
    created: Annotated[Period, Depends(period)],
    status: Literal["CREATED", "PROCESSING", "SUCCESS", "FAILED"] | None = None,
    method: Method | None = None,
    order_id: Annotated[str | None, Query(max_length=64)] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=255,
            description="A complete id; the beginning of a VPA, a card's last digits, the order's receipt, or the "
            "payer's e-mail address, name or phone number; or part of an error code",
        ),
    ] = None,
    amount_min: Amount | None = None,
    amount_max: Amount | None = None,
    captured: bool | None = None,
    currency: CurrencyFilter = None,
    receipt: Annotated[str | None, Query(max_length=255, description="The receipt of the payment's order")] = None,
) -> PaymentFilter:
    """Dependency: the filters of every list of payments, the export's too.

    Raises ApiError 400 if the range of amounts ends before it begins.
    """
    if amount_min is not None and amount_max is not None and amount_min > amount_max:
        raise bad_request("amount_min must not be above amount_max", "amount_min")
    return PaymentFilter(
        status=status,
        method=method,
        order_id=order_id or None,
        text=search_text(q),
        from_at=created.from_at,
        to_at=created.to_at,
        amount_min=amount_min,
        amount_max=amount_max,
        captured=captured,
        currency=currency,
        receipt=receipt,
    )


@router.get(
    "/payments",
    summary="List payments, newest first",
    response_model=PaymentPage | list[PaymentView],
    responses=errors(400, 401, 503),
    description="With `limit` or `cursor`: a page. With neither: a bare array of at most 100.",
)
async def list_(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[PaymentFilter, Depends(payment_filter)],
    limit: Limit | None = None,
    cursor: Cursor = None,
) -> Response:
    pool = services_of(request).pool
    if limit is None and cursor is None:
        found = await list_payments(pool, caller.merchant_id, filters, after=None, limit=LIMIT_MAX)
        return json_response(page_of(found, LIMIT_MAX)["data"])
    size = limit or LIMIT_DEFAULT
    found = await list_payments(pool, caller.merchant_id, filters, after=place_of(cursor), limit=size + 1)
    return json_response(page_of(found, size))


@router.get(
    "/payments/{payment_id}", summary="Read a payment", response_model=PaymentView, responses=errors(401, 404, 503)
)
async def read(request: Request, payment_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    return json_response((await owned_payment(services_of(request), payment_id, caller.merchant_id)).resource)


@router.post(
    "/payments/{payment_id}/capture",
    summary="Capture a successful payment",
    response_model=PaymentView,
    responses={
        202: {"model": PaymentView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 404, 409, 413, 422, 503),
    },
    openapi_extra=json_body(NewCapture, {"amount": 50000}, required=False, idempotent=True),
)
async def capture(request: Request, payment_id: str) -> Response:
    caller = await authenticated(request)
    body = await read_optional_json(request, NewCapture)
    key = key_of(
        request,
        scope=caller.merchant_id,
        route="captures",
        fields={"payment_id": payment_id, "amount": body.amount},
    )
    services = services_of(request)
    found = await owned_payment(services, payment_id, caller.merchant_id, key=key)
    await noted(request, caller, Action.CAPTURE_REQUESTED, payment_id, after={"amount": body.amount})
    command = CapturePayment(
        order_id=found.order_id, payment_id=payment_id, merchant_id=caller.merchant_id, amount=body.amount
    )
    return await respond(
        request,
        command,
        key=key,
        merchant_id=caller.merchant_id,
        resource_id=payment_id,
        new=False,
        location=f"/api/v1/payments/{payment_id}",
        load=lambda: known_order(services, found.order_id),
    )


@router.post(
    "/payments/{payment_id}/void",
    summary="Void an uncaptured payment",
    description="Releases the money to the payer through an automatic refund. The payment stays SUCCESS, with "
    "`voided: true`. Refund a payment that is captured or partly refunded instead.",
    response_model=PaymentView,
    responses={
        202: {"model": PaymentView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 404, 409, 413, 422, 503),
    },
    openapi_extra=json_body(Nothing, {}, required=False, idempotent=True),
)
async def void(request: Request, payment_id: str) -> Response:
    caller = await authenticated(request)
    await read_optional_json(request, Nothing)
    key = key_of(request, scope=caller.merchant_id, route="voids", fields={"payment_id": payment_id})
    services = services_of(request)
    found = await owned_payment(services, payment_id, caller.merchant_id, key=key)
    await noted(request, caller, Action.VOID_REQUESTED, payment_id)
    return await respond(
        request,
        VoidPayment(order_id=found.order_id, payment_id=payment_id, merchant_id=caller.merchant_id),
        key=key,
        merchant_id=caller.merchant_id,
        resource_id=payment_id,
        new=False,
        location=f"/api/v1/payments/{payment_id}",
        load=lambda: known_order(services, found.order_id),
    )


async def owned_payment(services: Services, payment_id: str, merchant_id: str, *, key: Key | None = None) -> Found:
    """Raises ApiError 404 `Payment not found`, or first 422 if the key was used for another request."""
    found = await find(services, payment_id, find_payment) if is_id(PAYMENT, payment_id) else None
    if found is None or found.merchant_id != merchant_id:
        await services.commands.refuse_mismatch(key)
        raise refused(PAYMENT_NOT_FOUND)
    return found
