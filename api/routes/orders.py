"""Orders of a merchant: create, read, list, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.audit import noted
from api.access.auth import Caller, authenticated, looking_up
from api.answers.answers import Shape, respond
from api.answers.idempotency import key_of, new_id_for
from api.answers.resources import Found, find, json_response, known_order
from api.http.bodies import read_json, read_optional_json
from api.http.cursor import LIMIT_DEFAULT, Cursor, Limit, page_of, place_of
from api.http.errors import refused
from api.http.period import Period, period
from api.http.search import CurrencyFilter, search_text
from api.openapi.annotations import errors, json_body
from api.process.bus import Key
from api.process.services import Services, services_of
from api.process.way_back import check_return_url
from api.schemas.body import Nothing
from api.schemas.orders import NewOrder, NewPublicOrder, OrderBody, OrderPage, OrderView
from domain.audited import Action
from domain.ids import ORDER, is_id
from domain.link import PaymentLink, link_id
from domain.order import CancelOrder, CreateOrder, Order, OrderStatus
from domain.rejection import ORDER_NOT_FOUND
from domain.resource import order_resource
from store.accounts.merchants import CaptureTerms
from store.orders import OrderFilter, count_attempts, find_order, list_orders
from topics.envelope import encode_json

router = APIRouter(tags=["Orders"])
Face = Callable[[str], PaymentLink]
"""Order id -> the payment link that the order is."""
EXAMPLE = {"amount": 50000, "currency": "INR", "receipt": "invoice-42", "notes": {"colour": "green"}}


@router.post(
    "/orders",
    summary="Create an order",
    status_code=201,
    response_model=OrderView,
    responses={
        202: {"model": OrderView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 409, 413, 422, 503),
    },
    openapi_extra=json_body(NewOrder, EXAMPLE, idempotent=True),
)
async def create_order(request: Request) -> Response:
    caller = await authenticated(request)
    body = await read_json(request, NewOrder)
    return await submit_order(request, body, merchant_id=caller.merchant_id, receipt=body.receipt, route="orders")


async def submit_order(
    request: Request,
    body: OrderBody,
    *,
    merchant_id: str,
    receipt: str | None,
    route: str,
    face: Face | None = None,
    shape: Shape | None = None,
) -> Response:
    """The response to a new order, from a merchant or a payer. `face`: it is a payment link."""
    key = key_of(request, scope=merchant_id, route=route, fields=body.fields())
    services = services_of(request)
    await check_return_url(services, merchant_id, body.return_url, by_browser=isinstance(body, NewPublicOrder))
    terms = await capture_terms(services, merchant_id, body)
    promised = await services.commands.promised(key)
    order_id = new_id_for(request, ORDER, key) if promised is None else promised.resource_id
    command = order_command(body, terms, order_id, merchant_id=merchant_id, receipt=receipt, face=face)
    return await respond(
        request,
        command,
        key=key,
        merchant_id=merchant_id,
        resource_id=order_id,
        new=True,
        location=f"/api/v1/orders/{order_id}" if face is None else f"/api/v1/payment-links/{link_id(order_id)}",
        load=nothing_yet,
        shape=shape or (lambda resource: _with_attempts(resource, 0)),
    )


async def capture_terms(services: Services, merchant_id: str, body: OrderBody) -> CaptureTerms:
    """How the order's payment is captured: only the merchant's own orders may differ from its setting."""
    setting = await services.capture.find(merchant_id)
    return body.terms(setting) if isinstance(body, NewOrder) else setting


def order_command(
    body: OrderBody,
    terms: CaptureTerms,
    order_id: str,
    *,
    merchant_id: str,
    receipt: str | None,
    face: Face | None = None,
) -> CreateOrder:
    return CreateOrder(
        order_id=order_id,
        merchant_id=merchant_id,
        amount=body.amount,
        currency=body.currency_or_default,
        receipt=receipt,
        notes=body.notes or {},
        expires_at=body.expires_at,
        capture=terms.mode,
        capture_within_minutes=terms.within_minutes,
        link=None if face is None else face(order_id),
        return_url=body.return_url,
    )


async def nothing_yet() -> Order | None:
    """The state of an order that was only requested."""
    return None


def _with_attempts(body: str, attempts: int) -> bytes:
    """The order as it was decided, and how many payments of it had begun by then: its events do not carry that."""
    return encode_json(orjson.loads(body) | {"attempts": attempts})


async def _attempts(services: Services, order_id: str) -> int:
    return (await count_attempts(services.pool, [order_id]))[order_id]


def order_filter(
    created: Annotated[Period, Depends(period)],
    status: OrderStatus | None = None,
    receipt: Annotated[str | None, Query(max_length=255)] = None,
    q: Annotated[str | None, Query(max_length=255, description="A complete id, or the beginning of a receipt")] = None,
    currency: CurrencyFilter = None,
    paid: bool | None = None,
    abandoned: Annotated[bool, Query(description="Only unpaid orders whose payments have all failed")] = False,
) -> OrderFilter:
    """Dependency: the filters of every list of orders, the export's too."""
    text = search_text(q)
    return OrderFilter(
        status=status,
        receipt=receipt,
        text=text,
        from_at=created.from_at,
        to_at=created.to_at,
        paid=paid,
        abandoned=abandoned,
        currency=currency,
    )


@router.get("/orders", summary="List orders, newest first", response_model=OrderPage, responses=errors(400, 401, 503))
async def list_(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[OrderFilter, Depends(order_filter)],
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Response:
    pool = services_of(request).pool
    found = await list_orders(pool, caller.merchant_id, filters, after=place_of(cursor), limit=limit + 1)
    attempts = await count_attempts(pool, [order.id for order in found])
    return json_response(page_of(found, limit, lambda order: {**order_resource(order), "attempts": attempts[order.id]}))


@router.post(
    "/orders/{order_id}/cancel",
    summary="Cancel an unpaid order",
    description="No payment of it can start or succeed afterwards. Rejected while a payment is undecided; an order "
    "that has expired or is already cancelled is unchanged.",
    response_model=OrderView,
    responses={
        202: {"model": OrderView, "description": "Accepted, but not decided yet"},
        **errors(400, 401, 404, 409, 413, 422, 503),
    },
    openapi_extra=json_body(Nothing, {}, required=False, idempotent=True),
)
async def cancel(request: Request, order_id: str) -> Response:
    caller = await authenticated(request)
    await read_optional_json(request, Nothing)
    key = key_of(request, scope=caller.merchant_id, route="order-cancels", fields={"order_id": order_id})
    services = services_of(request)
    await owned_order(services, order_id, caller.merchant_id, key=key)
    attempts = await _attempts(services, order_id)
    await noted(request, caller, Action.CANCEL_REQUESTED, order_id)
    return await respond(
        request,
        CancelOrder(order_id, caller.merchant_id),
        key=key,
        merchant_id=caller.merchant_id,
        resource_id=order_id,
        new=False,
        location=f"/api/v1/orders/{order_id}",
        load=lambda: known_order(services, order_id),
        shape=lambda body: _with_attempts(body, attempts),
    )


@router.get("/orders/{order_id}", summary="Read an order", response_model=OrderView, responses=errors(401, 404, 503))
async def read(request: Request, order_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    services = services_of(request)
    found = await owned_order(services, order_id, caller.merchant_id)
    return json_response({**found.resource, "attempts": await _attempts(services, found.order_id)})


async def owned_order(services: Services, order_id: str, merchant_id: str, *, key: Key | None = None) -> Found:
    """The order alone.

    Raises ApiError 404 `Order not found`, or first 422 if the key was used for another request.
    """
    found = await find(services, order_id, find_order) if is_id(ORDER, order_id) else None
    if found is None or found.merchant_id != merchant_id:
        await services.commands.refuse_mismatch(key)
        raise refused(ORDER_NOT_FOUND)
    return found
