"""Orders of the double."""

from __future__ import annotations

import orjson
from starlette.requests import Request

from api.access.caller import Caller
from api.process.services import Services, services_of
from api.razorpay.bodies import checked, read_fields
from api.razorpay.commands import decided
from api.razorpay.customers import check_named
from api.razorpay.errors import unknown_id
from api.razorpay.ignored import without_effect
from api.razorpay.payments import shown as shown_payment
from api.razorpay.queries import collection, expanded, read_query
from api.razorpay.schemas import ORDERS_BEYOND, Changed, NewOrder, OrdersQuery, as_texts
from domain.ids import ORDER, is_id
from domain.order import CaptureMode, CreateOrder
from domain.resource import order_resource
from store.connections import through_restart
from store.razorpay.orders import (
    OrderWishes,
    ShownOrder,
    Terms,
    change_order_notes,
    find_shown_order,
    insert_terms,
    list_shown_orders,
)
from store.razorpay.payments import payments_of_order, payments_of_orders
from topics.razorpay.entities import Entity, Totals, order_entity


async def create(request: Request, caller: Caller) -> Entity:
    """What our orders have no field for is written first: an order cannot be paid before its id was returned."""
    body = checked(NewOrder, await read_fields(request), beyond=ORDERS_BEYOND)
    services = services_of(request)
    await check_named(services, body.customer_id, caller.merchant_id)
    order_id = services.ids.make_id(ORDER)
    await insert_terms(services.pool, order_id, caller.merchant_id, _terms(body))
    command = CreateOrder(
        order_id=order_id,
        merchant_id=caller.merchant_id,
        amount=body.amount,
        currency=body.currency,
        receipt=body.receipt,
        notes=as_texts(body.notes),
        capture=CaptureMode.AUTOMATIC if body.is_captured_with_success else CaptureMode.MANUAL,
        capture_within_minutes=None if body.is_captured_with_success else body.options.manual_expiry_period,
    )
    decision = await decided(request, command, new_id=order_id)
    without_effect(request, _without_effect(body))
    return order_entity(orjson.loads(decision.body), Totals(), notes=body.notes)


def _terms(body: NewOrder) -> Terms:
    return Terms(
        authorizes_late=body.late_authorization,
        captures_within_minutes=body.captures_within_minutes,
        customer_id=body.customer_id,
        notes=None if body.notes == as_texts(body.notes) else body.notes,
    )


def _without_effect(body: NewOrder) -> list[str]:
    """A checkout offers every method and shows no cart, a refund is never instant, and each period belongs to one kind
    of capture. The new spelling takes precedence over the old one."""
    options = body.options
    names = {
        "payment_capture": None if body.payment is None else body.payment_capture,
        "method": body.method,
        "line_items": body.line_items,
        "line_items_total": body.line_items_total,
        "payment.capture_options.automatic_expiry_period": None if body.captures else options.automatic_expiry_period,
        "payment.capture_options.manual_expiry_period": (
            options.manual_expiry_period if body.is_captured_with_success else None
        ),
        "payment.capture_options.refund_speed": options.refund_speed,
    }
    return [name for name, value in names.items() if value is not None]


async def list_(request: Request, caller: Caller) -> Entity:
    query = read_query(request, OrdersQuery)
    wishes = OrderWishes(query.receipt, query.authorized)
    pool = services_of(request).pool
    found = await list_shown_orders(pool, caller.merchant_id, wishes, query.part)
    return collection(await _with_payments(request, [shown(order) for order in found]))


async def read(request: Request, caller: Caller) -> Entity:
    found = await owned(services_of(request), request.path_params["id"], caller.merchant_id)
    (entity,) = await _with_payments(request, [shown(found)])
    return entity


async def _with_payments(request: Request, entities: list[Entity]) -> list[Entity]:
    """The orders, each with its payments if the caller expands them."""
    with_card = expanded(request, "card")
    if expanded(request, "payments"):
        payments = await payments_of_orders(services_of(request).pool, [entity["id"] for entity in entities])
        for entity in entities:
            entity["payments"] = collection([shown_payment(one, with_card=with_card) for one in payments[entity["id"]]])
    return entities


async def change(request: Request, caller: Caller) -> Entity:
    body = checked(Changed, await read_fields(request))
    services, order_id = services_of(request), request.path_params["id"]
    await owned(services, order_id, caller.merchant_id)
    await change_order_notes(services.pool, order_id, caller.merchant_id, body.notes)
    return shown(await owned(services, order_id, caller.merchant_id))


async def payments(request: Request, caller: Caller) -> Entity:
    services, order_id = services_of(request), request.path_params["id"]
    await owned(services, order_id, caller.merchant_id)
    found, with_card = await payments_of_order(services.pool, order_id, caller.merchant_id), expanded(request, "card")
    return collection([shown_payment(one, with_card=with_card) for one in found])


async def owned(services: Services, order_id: str, merchant_id: str) -> ShownOrder:
    """Raises DoubleError 400 if the merchant has no such order."""
    if not is_id(ORDER, order_id):
        raise unknown_id()
    found = await through_restart(lambda: find_shown_order(services.pool, order_id, merchant_id))
    if found is None:
        raise unknown_id()
    return found


def shown(found: ShownOrder) -> Entity:
    return order_entity(order_resource(found.order), found.totals, notes=found.notes)
