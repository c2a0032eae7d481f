"""Payment links of the double: orders with a description and a customer, as everywhere (domain/link.py). No e-mail or
text message is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.access.audit import noted
from api.access.caller import Caller
from api.access.limits import limit_address
from api.http.errors import ApiError
from api.process.services import Services, services_of
from api.process.way_back import check_return_url
from api.razorpay.bodies import checked, read_fields
from api.razorpay.commands import decided
from api.razorpay.errors import HEADERS, DoubleError, unknown_id
from api.razorpay.ignored import without_effect
from api.razorpay.queries import read_query
from api.razorpay.schemas import LINKS_BEYOND, LINKS_WITHOUT_EFFECT, LinksQuery, NewLink, as_texts
from api.routes.links import link_url
from domain.audited import Action
from domain.ids import LINK, ORDER, is_id
from domain.link import PaymentLink, ResendLink, link_id, order_of_link
from domain.order import CancelOrder, CaptureMode, CreateOrder
from domain.rejection import ORDER_ALREADY_PAID, ORDER_NOT_PAYABLE
from domain.resource import order_resource, payment_resource
from domain.signature import hex_signature
from runtime.secrets import Sealed, SealError, unseal
from store.connections import through_restart
from store.razorpay.links import Callback, find_callback
from store.razorpay.orders import OrderWishes, ShownOrder, Terms, find_shown_order, insert_terms, list_shown_orders
from store.razorpay.payments import payments_of_orders
from topics.razorpay.entities import Entity, Totals, link_entity

MEDIA = ("sms", "email")
CALLBACK = "/v1/checkout/public/links/{id}"
"""The route that redirects a link's payer to the merchant's `callback_url`."""
PAID = "Payment Link is already paid"
ENDED = "Payment Link is cancelled or has expired"


async def create(request: Request, caller: Caller) -> Entity:
    """Captured automatically, as the original's links are."""
    body = checked(NewLink, await read_fields(request), beyond=LINKS_BEYOND)
    services = services_of(request)
    order_id = services.ids.make_id(ORDER)
    notes = as_texts(body.notes)
    terms = Terms(
        notes=None if notes == body.notes else body.notes,
        callback_url=body.callback_url or None,
        callback_key_id=caller.key_id if body.callback_url else None,
    )
    await _check_callback(services, caller.merchant_id, terms.callback_url)
    await insert_terms(services.pool, order_id, caller.merchant_id, terms)
    command = CreateOrder(
        order_id=order_id,
        merchant_id=caller.merchant_id,
        amount=body.amount,
        currency=body.currency,
        receipt=body.reference_id,
        notes=notes,
        expires_at=None if body.expire_by is None else datetime.fromtimestamp(body.expire_by, UTC),
        capture=CaptureMode.AUTOMATIC,
        return_url=None if terms.callback_url is None else _callback_address(services, order_id),
        link=PaymentLink(
            url=link_url(services.settings, order_id),
            description=body.description,
            name=body.customer.name,
            email=body.customer.email,
            contact=body.customer.contact,
        ),
    )
    try:
        decision = await decided(request, command, new_id=order_id)
    except ApiError as error:
        if error.field != "expires_at":
            raise
        raise DoubleError(error.description.replace("expires_at", "expire_by"), field="expire_by") from None
    without_effect(request, [name for name in LINKS_WITHOUT_EFFECT if getattr(body, name) is not None])
    return link_entity(orjson.loads(decision.body), Totals(), (), notes=body.notes, callback_url=terms.callback_url)


async def callback(request: Request) -> Response:
    """The payer arrives here from the checkout and is redirected to the merchant, as the original does it: by GET,
    signed.

    A payer whose link is not paid returns to the link: the original has no callback for a failure.
    """
    services, link = services_of(request), request.path_params["id"]
    await limit_address(request, "razorpay-checkout", services.settings.rate_limit_public_per_minute)
    found = await find_callback(services.pool, order_of_link(link)) if is_id(LINK, link) else None
    if found is None:
        raise unknown_id()
    if found.payment_id is None:
        return RedirectResponse(found.link_url, 303, headers=HEADERS)
    reference = await services.order_keys.opened_text(found.receipt or "")
    return RedirectResponse(_signed(services, link, found, found.payment_id, reference), 303, headers=HEADERS)


def _signed(services: Services, link: str, found: Callback, payment_id: str, reference: str) -> str:
    """Raises DoubleError if no key of the ring opens the secret."""
    status = "paid"
    try:
        secret = unseal(found.secret_sealed, services.settings.keys, Sealed.API_SECRET, found.key_id)
    except SealError:
        raise unknown_id() from None
    added = {
        "razorpay_payment_id": payment_id,
        "razorpay_payment_link_id": link,
        "razorpay_payment_link_reference_id": reference,
        "razorpay_payment_link_status": status,
        "razorpay_signature": hex_signature(secret, f"{link}|{reference}|{status}|{payment_id}".encode()),
    }
    parts = urlsplit(found.callback_url)
    query = "&".join(part for part in (parts.query, urlencode(added)) if part)
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))


def _callback_address(services: Services, order_id: str) -> str:
    """Where the checkout sends the payer of this link: here, and from here to the merchant."""
    return f"{services.settings.api_url}{CALLBACK.replace('{id}', link_id(order_id))}"


async def _check_callback(services: Services, merchant_id: str, url: str | None) -> None:
    """As for every way back to a shop: raises DoubleError for an address outside the merchant's allowed origins."""
    try:
        await check_return_url(services, merchant_id, url, by_browser=False)
    except ApiError as error:
        raise DoubleError(error.description.replace("return_url", "callback_url"), field="callback_url") from None


async def list_(request: Request, caller: Caller) -> Entity:
    query = read_query(request, LinksQuery)
    services = services_of(request)
    wishes = OrderWishes(receipt=query.reference_id, linked=True)
    found = await list_shown_orders(services.pool, caller.merchant_id, wishes, query.part)
    return {"payment_links": await _shown_all(services, found)}


async def read(request: Request, caller: Caller) -> Entity:
    return await _shown(services_of(request), request.path_params["id"], caller.merchant_id)


async def cancel(request: Request, caller: Caller) -> Entity:
    order = (await _owned(services_of(request), request.path_params["id"], caller.merchant_id)).order
    if order.status != "CREATED":
        raise DoubleError(PAID if order.status == "PAID" else ENDED)
    without_effect(request, await read_fields(request))
    await noted(request, caller, Action.CANCEL_REQUESTED, order.id)
    await _decided(request, CancelOrder(order.id, caller.merchant_id))
    return await _shown(services_of(request), link_id(order.id), caller.merchant_id)


async def notify(request: Request, caller: Caller) -> Entity:
    """`payment_link.resent` for the merchant's own mailer; the double sends nothing."""
    if request.path_params["medium"] not in MEDIA:
        raise DoubleError("The medium must be sms or email.", field="medium")
    order = (await _owned(services_of(request), request.path_params["id"], caller.merchant_id)).order
    without_effect(request, await read_fields(request))
    await _decided(request, ResendLink(order.id, caller.merchant_id))
    return {"success": True}


async def _decided(request: Request, command: CancelOrder | ResendLink) -> None:
    """Raises DoubleError with the double's text."""
    try:
        await decided(request, command)
    except ApiError as error:
        words = {ORDER_ALREADY_PAID.description: PAID, ORDER_NOT_PAYABLE.description: ENDED}
        if error.description in words:
            raise DoubleError(words[error.description]) from None
        raise


async def _shown(services: Services, plink: str, merchant_id: str) -> Entity:
    (shown,) = await _shown_all(services, [await _owned(services, plink, merchant_id)])
    return shown


async def _shown_all(services: Services, found: Sequence[ShownOrder]) -> list[Entity]:
    payments = await payments_of_orders(services.pool, [one.order.id for one in found])
    return [
        link_entity(
            order_resource(one.order),
            one.totals,
            [payment_resource(paid.payment) for paid in payments[one.order.id] if paid.payment.captured],
            notes=one.notes,
            callback_url=one.callback_url,
        )
        for one in found
    ]


async def _owned(services: Services, plink: str, merchant_id: str) -> ShownOrder:
    """Raises DoubleError 400 if the merchant has no such link."""
    if not is_id(LINK, plink):
        raise unknown_id()
    found = await through_restart(lambda: find_shown_order(services.pool, order_of_link(plink), merchant_id))
    if found is None or found.order.link is None:
        raise unknown_id()
    return found
