"""Payments of the double: read, list, change, capture, and make one without a browser."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

import orjson
from starlette.requests import Request

from api.access.audit import noted
from api.access.caller import Caller
from api.http.errors import ApiError, refused
from api.process.services import Services, services_of
from api.razorpay.bodies import checked, read_fields
from api.razorpay.commands import decided
from api.razorpay.customers import check_named
from api.razorpay.errors import (
    ALREADY_CAPTURED,
    CAPTURE_AMOUNT,
    NOT_A_CARD,
    NOT_AUTHORIZED,
    DoubleError,
    not_part,
    unknown_id,
)
from api.razorpay.ignored import without_effect
from api.razorpay.queries import collection, expanded, read_query
from api.razorpay.schemas import (
    PAYMENTS_BEYOND,
    PAYMENTS_WITHOUT_EFFECT,
    Changed,
    NewCapture,
    NewPayment,
    NewVpa,
    PageQuery,
    as_texts,
)
from api.schemas.payments import Means, check_instrument
from api.schemas.payments import NewPayment as Instrument
from domain.audited import Action
from domain.ids import ORDER, PAYMENT, is_id
from domain.payment import UNDECIDED, CapturePayment, CreatePayment, Payment, PaymentStatus
from domain.rejection import NOT_CAPTURABLE, ORDER_NOT_FOUND, VPA_INVALID, Rejected
from domain.resource import payment_resource
from domain.upi import is_vpa
from store.connections import through_restart
from store.razorpay.payments import (
    ShownPayment,
    change_payment_notes,
    find_shown_payment,
    insert_payer,
    list_shown_payments,
)
from topics.razorpay.entities import TIMED_OUT, Entity, Payer, card_entity, payment_entity


async def list_(request: Request, caller: Caller) -> Entity:
    part = read_query(request, PageQuery).part
    with_card = expanded(request, "card")
    found = await list_shown_payments(services_of(request).pool, caller.merchant_id, part)
    return collection([shown(one, with_card=with_card) for one in found])


async def not_payments(request: Request, _caller: Caller) -> Entity:
    """Names of the original that would match as a payment's id."""
    raise not_part(f"GET {request.url.path}")


async def read(request: Request, caller: Caller) -> Entity:
    found = await owned(services_of(request), request.path_params["id"], caller.merchant_id)
    return shown(found, with_card=expanded(request, "card"))


async def card(request: Request, caller: Caller) -> Entity:
    found = await owned(services_of(request), request.path_params["id"], caller.merchant_id)
    if found.payment.method != "card":
        raise DoubleError(NOT_A_CARD, source="NA", step="NA", reason="NA")
    return card_entity(payment_resource(found.payment), found.payer)


async def change(request: Request, caller: Caller) -> Entity:
    body = checked(Changed, await read_fields(request))
    services, payment_id = services_of(request), request.path_params["id"]
    await owned(services, payment_id, caller.merchant_id)
    await change_payment_notes(services.pool, payment_id, caller.merchant_id, body.notes)
    return shown(await owned(services, payment_id, caller.merchant_id))


async def capture(request: Request, caller: Caller) -> Entity:
    """All of an authorized payment, once. The text of a refusal depends on the payment's state then.

    The command has the requested amount: a refund before the capture leaves less, and the capture is refused.
    """
    body = checked(NewCapture, await read_fields(request))
    services, payment_id = services_of(request), request.path_params["id"]
    found = await owned(services, payment_id, caller.merchant_id)
    payment = found.payment
    _check_capturable(payment)
    if body.amount != payment.amount:
        raise DoubleError(CAPTURE_AMOUNT, field="amount")
    if body.currency not in (None, payment.currency):
        raise DoubleError("The currency should match the payment's currency", field="currency")
    command = CapturePayment(
        order_id=payment.order_id, payment_id=payment.id, merchant_id=caller.merchant_id, amount=body.amount
    )
    await noted(request, caller, Action.CAPTURE_REQUESTED, payment.id, after={"amount": body.amount})
    try:
        decision = await decided(request, command)
    except ApiError as error:
        if error.description == NOT_CAPTURABLE.description:
            _check_capturable((await owned(services, payment_id, caller.merchant_id)).payment)
        raise
    return payment_entity(orjson.loads(decision.body), found.payer)


def _check_capturable(payment: Payment) -> None:
    """Raises DoubleError with the text that programs search for."""
    if payment.captured:
        raise DoubleError(ALREADY_CAPTURED)
    if payment.status is not PaymentStatus.SUCCESS:
        raise DoubleError(NOT_AUTHORIZED)


async def create(request: Request, caller: Caller) -> Entity:
    """Pay an order as its payer would, from a test. The payer's texts are written first: events may follow at once."""
    body = checked(NewPayment, await read_fields(request), beyond=PAYMENTS_BEYOND)
    services = services_of(request)
    means = await check_instrument(_instrument(body), services.bank, test_mode=True)
    if isinstance(means, Rejected):
        raise refused(means)
    if not is_id(ORDER, body.order_id):
        raise refused(ORDER_NOT_FOUND)
    await check_named(services, body.customer_id, caller.merchant_id)
    payment_id = services.ids.make_id(PAYMENT)
    await insert_payer(services.pool, payment_id, caller.merchant_id, _payer(body), notes=_keeps_notes(body))
    await decided(request, _command(body, means, payment_id, caller, services), new_id=payment_id)
    without_effect(request, _without_effect(body))
    return {"razorpay_payment_id": payment_id, "razorpay_order_id": body.order_id, "next": []}


def _without_effect(body: NewPayment) -> list[str]:
    """What describes the payer's machine, an instrument of the other method, and a second address."""
    names = [name for name in PAYMENTS_WITHOUT_EFFECT if getattr(body, name) is not None]
    match body.method:
        case "card":
            return names + [name for name in ("vpa", "upi") if getattr(body, name) is not None]
        case "upi":
            names += ["card"] if body.card is not None else []
            if body.upi is not None:
                names += ["vpa"] if body.vpa not in (None, body.upi.vpa or body.vpa) else []
                names += ["upi.expiry_time"] if body.upi.expiry_time is not None else []
            return names
    assert_never(body.method)


async def validate_vpa(request: Request, _caller: Caller) -> Entity:
    body = checked(NewVpa, await read_fields(request))
    if not is_vpa(body.vpa):
        raise refused(VPA_INVALID)
    return {"vpa": body.vpa, "success": True, "customer_name": None}


def _instrument(body: NewPayment) -> Instrument:
    """The payment's instrument in the form that our own API accepts. Raises DoubleError if it is missing."""
    match body.method:
        case "card":
            if body.card is None:
                raise DoubleError("The card field is required.", field="card")
            means = {"method": "card", "card": body.card.model_dump(exclude={"name"})}
        case "upi":
            means = {"method": "upi", "vpa": _vpa(body)}
        case _:
            assert_never(body.method)
    return Instrument.model_validate({"order_id": body.order_id, **means})


def _vpa(body: NewPayment) -> str:
    if body.upi is not None and body.upi.flow == "intent":
        raise not_part("UPI intent without a browser", "upi.flow")
    vpa = body.vpa if body.upi is None or body.upi.vpa is None else body.upi.vpa
    if vpa is None:
        raise DoubleError("The vpa field is required.", field="vpa")
    return vpa


def _payer(body: NewPayment) -> Payer:
    """What our payments have no field for."""
    return Payer(
        customer_id=body.customer_id,
        card_name=body.card.name if body.card is not None else None,
        notes=body.notes or {},
    )


def _keeps_notes(body: NewPayment) -> bool:
    """Our payments store notes that are texts; if there are none, ours copy the order's."""
    return body.notes is not None and (not body.notes or as_texts(body.notes) != body.notes)


def _command(body: NewPayment, means: Means, payment_id: str, caller: Caller, services: Services) -> CreatePayment:
    return CreatePayment(
        order_id=body.order_id,
        payment_id=payment_id,
        merchant_id=caller.merchant_id,
        instrument=means.instrument,
        token=means.token,
        amount=body.amount,
        currency=body.currency,
        deadline_at=services.clock.now() + timedelta(seconds=services.settings.payment_deadline_seconds),
        email=body.email,
        contact=body.contact,
        description=body.description,
        notes=as_texts(body.notes) if body.notes else None,
    )


async def owned(services: Services, payment_id: str, merchant_id: str) -> ShownPayment:
    """Raises DoubleError 400 if the merchant has no such payment."""
    if not is_id(PAYMENT, payment_id):
        raise unknown_id()
    found = await through_restart(lambda: find_shown_payment(services.pool, payment_id, merchant_id))
    if found is None:
        raise unknown_id()
    return found


def shown(found: ShownPayment, *, with_card: bool = False) -> Entity:
    resource: dict[str, object] = dict(payment_resource(found.payment))
    if found.authorizes_late and found.payment.status in UNDECIDED:
        resource |= TIMED_OUT
    return payment_entity(resource, found.payer, with_card=with_card)
