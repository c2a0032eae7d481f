"""The double's entities: the one table from our resources to its orders, payments, cards and refunds.

    order     CREATED ─► created | attempted     captured payment ─► paid
    payment   CREATED, PROCESSING ─► created     SUCCESS ─► authorized ─► captured ─► refunded     FAILED ─► failed
    refund    PENDING ─► pending                 PROCESSED ─► processed                            FAILED ─► failed

Keys without a counterpart here are null. Amounts are minor units, instants Unix seconds, empty notes a list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from domain.instrument import SCAN_FLOW, Method
from domain.payment import PaymentStatus
from domain.refund import RefundStatus
from topics.razorpay.failures import failure_of

Resource = Mapping[str, Any]
Entity = dict[str, Any]
Notes = Mapping[str, Any]

FEE_BASIS_POINTS = 200
TAX_PERCENT = 18
"""The fee of a captured payment: 2 % of its amount, and GST of 18 % on that. Invented, but never null."""
TIMED_OUT: Entity = {"status": PaymentStatus.FAILED, "error_code": "BANK_TIMEOUT"}
"""Shown for a payment with late authorization until the bank has responded."""
NETWORK_NAMES = {
    "visa": "Visa",
    "mastercard": "MasterCard",
    "amex": "American Express",
    "rupay": "RuPay",
    "unionpay": "Union Pay",
    "jcb": "JCB",
    "diners": "Diners Club",
    "maestro": "Maestro",
}


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of an order's payments. `paid`: minor units captured, whatever was refunded later."""

    attempts: int = 0
    paid: int = 0


@dataclass(frozen=True, slots=True)
class Payer:
    """Data that our payment has no field for; and `email`, `contact`, `description` of the checkout of its order, shown
    if the payment has none. `notes` are the order's if the payment has none."""

    email: str | None = None
    contact: str | None = None
    description: str | None = None
    customer_id: str | None = None
    card_name: str | None = None
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundTerms:
    """What the double stores of a refund. `receipt`: from before refunds had one. `notes` None: the refund's own."""

    receipt: str | None = None
    speed: str = "normal"
    notes: Notes | None = None


def order_entity(order: Resource, totals: Totals, *, notes: Notes | None = None) -> Entity:
    """`notes`: the changed ones; None: as they were when the order was created."""
    return {
        "id": order["id"],
        "entity": "order",
        "amount": order["amount"],
        "amount_paid": totals.paid,
        "amount_due": order["amount"] - totals.paid,
        "currency": order["currency"],
        "receipt": order["receipt"],
        "offer_id": None,
        "status": "paid" if totals.paid else "attempted" if totals.attempts else "created",
        "attempts": totals.attempts,
        "notes": notes_of(order["notes"] if notes is None else notes),
        "created_at": seconds(order["created_at"]),
    }


LINK_STATUS = {"CREATED": "created", "PAID": "paid", "CANCELLED": "cancelled", "EXPIRED": "expired"}


def link_entity(
    order: Resource,
    totals: Totals,
    paid: Sequence[Resource],
    *,
    notes: Notes | None = None,
    callback_url: str | None = None,
) -> Entity:
    """The payment link that an order is. `paid`: its captured payments. Instants in the future are 0, as in the
    original."""
    link, ended_at = order["payment_link"], 0 if order["updated_at"] is None else seconds(order["updated_at"])
    status = LINK_STATUS[order["status"]]
    return {
        "accept_partial": False,
        "amount": order["amount"],
        "amount_paid": totals.paid,
        "callback_method": "get" if callback_url else "",
        "callback_url": callback_url or "",
        "cancelled_at": ended_at if status == "cancelled" else 0,
        "created_at": seconds(order["created_at"]),
        "currency": order["currency"],
        "customer": {name: value for name, value in link["customer"].items() if value is not None},
        "description": link["description"] or "",
        "expire_by": 0 if order["expires_at"] is None else seconds(order["expires_at"]),
        "expired_at": ended_at if status == "expired" else 0,
        "first_min_partial_amount": 0,
        "id": link["id"],
        "notes": dict(order["notes"] if notes is None else notes) or None,
        "notify": {"email": False, "sms": False, "whatsapp": False},
        "order_id": order["id"],
        "payments": [_paid_by(payment) for payment in paid] or None,
        "reference_id": order["receipt"] or "",
        "reminder_enable": False,
        "reminders": [],
        "short_url": link["url"],
        "status": status,
        "updated_at": ended_at or seconds(order["created_at"]),
        "upi_link": False,
        "user_id": "",
    }


def _paid_by(payment: Resource) -> Entity:
    return {
        "amount": payment["amount"],
        "created_at": seconds(payment["created_at"]),
        "method": str(payment["method"]),
        "payment_id": payment["id"],
        "status": "captured",
    }


def payment_entity(payment: Resource, payer: Payer, *, with_card: bool = False) -> Entity:
    """`with_card`: the card itself beside its id, as webhooks and `expand[]=card` show it."""
    method, captured = Method(payment["method"]), bool(payment["captured"])
    fee, tax = fee_and_tax(payment["amount"]) if captured else (None, None)
    failure = failure_of(payment["error_code"])
    entity = {
        "id": payment["id"],
        "entity": "payment",
        "amount": payment["amount"],
        "currency": payment["currency"],
        "status": payment_status(payment),
        "order_id": payment["order_id"],
        "invoice_id": None,
        "international": False,
        "method": str(method),
        "amount_refunded": _returned(payment),
        "refund_status": refund_status(payment),
        "captured": captured,
        "description": payment.get("description") or payer.description,
        "card_id": card_id(payment["id"]) if method is Method.CARD else None,
        "bank": payment.get("bank"),
        "wallet": None,
        "vpa": payment.get("vpa"),
        "email": payment.get("email") or payer.email,
        "contact": payment.get("contact") or payer.contact,
        "notes": notes_of(payer.notes),
        "fee": fee,
        "tax": tax,
        "error_code": failure and failure.code,
        "error_description": failure and failure.description,
        "error_source": failure and failure.source,
        "error_step": failure and failure.step,
        "error_reason": failure and failure.reason,
        "acquirer_data": acquirer_data(payment),
        "created_at": seconds(payment["created_at"]),
    }
    if payer.customer_id is not None:
        entity["customer_id"] = payer.customer_id
    match method:
        case Method.UPI:
            flow = "intent" if payment.get("flow") == SCAN_FLOW else "collect"
            entity["upi"] = {"vpa": payment.get("vpa"), "flow": flow, "payer_account_type": "bank_account"}
        case Method.CARD:
            if with_card:
                entity["card"] = card_entity(payment, payer)
        case Method.NETBANKING:
            pass  # only `bank` above exists
        case _:
            assert_never(method)
    return entity


def card_entity(payment: Resource, payer: Payer) -> Entity:
    """The card of a payment. Only its network and last digits are stored."""
    return {
        "id": card_id(payment["id"]),
        "entity": "card",
        "name": payer.card_name or "",
        "last4": payment["card_last4"],
        "network": NETWORK_NAMES.get(payment["card_network"], "Unknown"),
        "type": "credit",
        "issuer": None,
        "international": False,
        "emi": False,
        "sub_type": "consumer",
        "token_iin": None,
    }


def refund_entity(refund: Resource, terms: RefundTerms) -> Entity:
    """`speed_processed` is `normal` throughout: the simulated bank has no instant refunds."""
    return {
        "id": refund["id"],
        "entity": "refund",
        "amount": refund["amount"],
        "currency": refund["currency"],
        "payment_id": refund["payment_id"],
        "notes": notes_of(refund.get("notes", {}) if terms.notes is None else terms.notes),
        "receipt": refund.get("receipt") or terms.receipt,
        "acquirer_data": {"arn": _digits(refund["id"], 15) if refund["status"] == RefundStatus.PROCESSED else None},
        "created_at": seconds(refund["created_at"]),
        "batch_id": None,
        "status": str(refund["status"]).lower(),
        "speed_processed": "normal",
        "speed_requested": terms.speed,
    }


def payment_status(payment: Resource) -> str:
    """`refunded` once all of it was refunded, captured or not."""
    match payment["status"]:
        case PaymentStatus.FAILED:
            return "failed"
        case PaymentStatus.SUCCESS:
            if _returned(payment) == payment["amount"]:
                return "refunded"
            return "captured" if payment["captured"] else "authorized"
    return "created"


def refund_status(payment: Resource) -> str | None:
    returned = _returned(payment)
    if payment["status"] != PaymentStatus.SUCCESS or not returned:
        return None
    return "full" if returned == payment["amount"] else "partial"


def _returned(payment: Resource) -> int:
    """Minor units that were refunded or are on their way, including those of an uncaptured authorization."""
    return int(payment["amount_refunded"] + payment.get("amount_released", 0))


def fee_and_tax(amount: int) -> tuple[int, int]:
    """(fee including tax, tax) in minor units, halves rounded up."""
    fee = (amount * FEE_BASIS_POINTS + 5_000) // 10_000
    tax = (fee * TAX_PERCENT + 50) // 100
    return fee + tax, tax


def acquirer_data(payment: Resource) -> Entity:
    """The bank's references of a payment, made from its id; null until the bank has the money."""
    known = payment["status"] == PaymentStatus.SUCCESS
    reference = _digits(payment["id"], 12) if known else None
    match method := Method(payment["method"]):
        case Method.UPI:
            return {"rrn": reference}
        case Method.CARD:
            return {"auth_code": reference and reference[:6]}
        case Method.NETBANKING:
            return {"bank_transaction_id": reference}
    assert_never(method)


def card_id(payment_id: str) -> str:
    return "card_" + payment_id.removeprefix("pay_")


def account_id(merchant_id: str) -> str:
    """The merchant's id in webhooks."""
    return "acc_" + merchant_id.removeprefix("mrc_")


def notes_of(notes: Notes) -> Entity | list[Any]:
    """Notes in the double's form: no notes are an empty list."""
    return dict(notes) if notes else []


def seconds(instant: datetime | str) -> int:
    """Unix seconds of a row's or a record's instant."""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return int(at.timestamp())


def _digits(identity: str, count: int) -> str:
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8])
    return f"{number % 10**count:0{count}}"
