"""Payment links of a merchant: create, read, list, cancel, resend. Each is an order with a description and a customer:
domain/link.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.audit import noted
from api.access.auth import Caller, authenticated, looking_up
from api.answers.answers import respond
from api.answers.idempotency import key_of
from api.answers.resources import Found, find, json_response, known_order
from api.http.bodies import read_json, read_optional_json
from api.http.cursor import LIMIT_DEFAULT, Cursor, Limit, page_of, place_of
from api.http.errors import refused
from api.http.period import Period, period
from api.http.search import CurrencyFilter, search_text
from api.openapi.annotations import errors, json_body
from api.process.bus import Key
from api.process.services import Services, services_of
from api.routes.orders import submit_order
from api.schemas.body import Nothing
from api.schemas.links import NEW_LINK_EXAMPLE, NewPaymentLink, PaymentLinkPage, PaymentLinkView
from domain.audited import Action
from domain.ids import LINK, ORDER, is_id
from domain.link import ResendLink, order_of_link
from domain.order import CancelOrder, Order, OrderStatus
from domain.rejection import LINK_NOT_FOUND
from domain.resource import link_resource, order_resource
from runtime.settings import Settings
from store.orders import OrderFilter, find_order, list_orders
from topics.envelope import encode_json

router = APIRouter(tags=["Payment links"])
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": PaymentLinkView, "description": "Accepted, but not decided yet"}
}


@router.post(
    "/payment-links",
    summary="Create a payment link",
    description="An order with a URL to share. The gateway sends no e-mail; the merchant sends the URL.",
    status_code=201,
    response_model=PaymentLinkView,
    responses={**ACCEPTED, **errors(400, 401, 409, 413, 422, 503)},
    openapi_extra=json_body(NewPaymentLink, NEW_LINK_EXAMPLE, idempotent=True),
)
async def create(request: Request) -> Response:
    caller = await authenticated(request)
    body = await read_json(request, NewPaymentLink)
    settings = services_of(request).settings
    return await submit_order(
        request,
        body,
        merchant_id=caller.merchant_id,
        receipt=body.receipt_or_reference,
        route="payment-links",
        face=lambda order_id: body.face(link_url(settings, order_id)),
        shape=_link_body,
    )


def link_url(settings: Settings, order_id: str) -> str:
    """The page on which the link of this order is paid: as short as an unguessable id can be."""
    return f"{settings.checkout_url.rstrip('/')}/l/{order_id.removeprefix(ORDER)}"


@router.get(
    "/payment-links",
    summary="List payment links, newest first",
    response_model=PaymentLinkPage,
    responses=errors(400, 401, 503),
)
async def list_(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    created: Annotated[Period, Depends(period)],
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
    status: OrderStatus | None = None,
    reference: Annotated[str | None, Query(max_length=255)] = None,
    currency: CurrencyFilter = None,
    q: Annotated[
        str | None, Query(max_length=255, description="A complete id, or the beginning of a reference")
    ] = None,
) -> Response:
    text = search_text(q)
    filters = OrderFilter(
        status=status,
        receipt=reference,
        text=order_of_link(text) if text is not None and is_id(LINK, text) else text,
        from_at=created.from_at,
        to_at=created.to_at,
        linked=True,
        currency=currency,
    )
    found = await list_orders(
        services_of(request).pool, caller.merchant_id, filters, after=place_of(cursor), limit=limit + 1
    )
    return json_response(page_of(found, limit, _shown))


@router.get(
    "/payment-links/{link_id}",
    summary="Read a payment link",
    response_model=PaymentLinkView,
    responses=errors(401, 404, 503),
)
async def read(request: Request, link_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    return json_response(link_resource((await owned_link(services_of(request), link_id, caller.merchant_id)).resource))


@router.post(
    "/payment-links/{link_id}/cancel",
    summary="Cancel an unpaid payment link",
    description="Cancels its order: no payment of it can start or succeed afterwards.",
    response_model=PaymentLinkView,
    responses={**ACCEPTED, **errors(400, 401, 404, 409, 413, 422, 503)},
    openapi_extra=json_body(Nothing, {}, required=False, idempotent=True),
)
async def cancel(request: Request, link_id: str) -> Response:
    caller = await authenticated(request)
    return await _change(request, caller, link_id, CancelOrder(order_of_link(link_id), caller.merchant_id), "cancels")


@router.post(
    "/payment-links/{link_id}/resend",
    summary="Resend a payment link",
    description="The gateway sends no e-mail: the event `payment_link.resent` triggers the merchant's own mailer. At "
    "most 100 times, and only while the link can be paid.",
    response_model=PaymentLinkView,
    responses={**ACCEPTED, **errors(400, 401, 404, 409, 413, 422, 503)},
    openapi_extra=json_body(Nothing, {}, required=False, idempotent=True),
)
async def resend(request: Request, link_id: str) -> Response:
    caller = await authenticated(request)
    return await _change(request, caller, link_id, ResendLink(order_of_link(link_id), caller.merchant_id), "resends")


async def _change(
    request: Request, caller: Caller, link_id: str, command: CancelOrder | ResendLink, what: str
) -> Response:
    await read_optional_json(request, Nothing)
    key = key_of(request, scope=caller.merchant_id, route=f"payment-link-{what}", fields={"link_id": link_id})
    services = services_of(request)
    found = await owned_link(services, link_id, caller.merchant_id, key=key)
    if isinstance(command, CancelOrder):
        await noted(request, caller, Action.CANCEL_REQUESTED, found.order_id)
    return await respond(
        request,
        command,
        key=key,
        merchant_id=caller.merchant_id,
        resource_id=found.order_id,
        new=False,
        location=f"/api/v1/payment-links/{link_id}",
        load=lambda: known_order(services, found.order_id),
        shape=_link_body,
    )


async def owned_link(services: Services, link_id: str, merchant_id: str, *, key: Key | None = None) -> Found:
    """The link's order. Raises ApiError 404 `Payment link not found`, or first 422 if the key was used for another
    request."""
    found = await find(services, order_of_link(link_id), find_order) if is_id(LINK, link_id) else None
    if found is None or found.merchant_id != merchant_id or "payment_link" not in found.resource:
        await services.commands.refuse_mismatch(key)
        raise refused(LINK_NOT_FOUND)
    return found


def _shown(order: Order) -> Mapping[str, Any]:
    return link_resource(order_resource(order))


def _link_body(body: str) -> bytes:
    return encode_json(link_resource(orjson.loads(body)))
