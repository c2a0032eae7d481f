"""The public shape of each resource: what the API returns, what events carry, what webhooks send. One spelling.

Keys are in the order in which the contract lists them. Instants stay `datetime`; the JSON encoder writes RFC 3339.
Internal fields (bank token, deadline, version) are not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

from domain.action import action_form
from domain.decision import Subject
from domain.instrument import public_form
from domain.link import PaymentLink, link_id
from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund

Json = str | int | bool | datetime | None
Value = Json | dict[str, str] | dict[str, str | datetime] | dict[str, Json | dict[str, str | None]]
Resource = dict[str, Value]


def resource_of(subject: Subject) -> Resource:
    """Public shape of an order, a payment or a refund."""
    match subject:
        case Order():
            return order_resource(subject)
        case Payment():
            return payment_resource(subject)
        case Refund():
            return refund_resource(subject)
    assert_never(subject)


def order_resource(order: Order) -> Resource:
    """`payment_link` is present if the order is one."""
    shape: Resource = {
        "id": order.id,
        "merchant_id": order.merchant_id,
        "amount": order.amount,
        "currency": order.currency,
        "receipt": order.receipt,
        "notes": order.notes,
        "status": order.status,
        "amount_paid": order.amount_paid,
        "capture": order.capture,
        "capture_within_minutes": order.capture_within_minutes,
        "expires_at": None if order.expires_at is None else _to_the_microsecond(order.expires_at),
        "return_url": order.return_url,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }
    if order.link is not None:
        shape["payment_link"] = link_form(order.id, order.link)
    return shape


def link_form(order_id: str, link: PaymentLink) -> dict[str, Json | dict[str, str | None]]:
    """The link as its order's events and responses carry it."""
    return {
        "id": link_id(order_id),
        "url": link.url,
        "description": link.description,
        "customer": {"name": link.name, "email": link.email, "contact": link.contact},
        "resent": link.resent,
    }


def link_resource(order: Mapping[str, Any]) -> dict[str, Any]:
    """The link itself, from the public shape of an order that is one."""
    link = order["payment_link"]
    return {
        "id": link["id"],
        "url": link["url"],
        "merchant_id": order["merchant_id"],
        "order_id": order["id"],
        "amount": order["amount"],
        "currency": order["currency"],
        "description": link["description"],
        "customer": link["customer"],
        "reference": order["receipt"],
        "notes": order["notes"],
        "status": order["status"],
        "amount_paid": order["amount_paid"],
        "resent": link["resent"],
        "expires_at": order["expires_at"],
        "return_url": order["return_url"],
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
    }


def _to_the_microsecond(instant: datetime) -> str:
    """In the encoder's form of our own instants, which are never whole seconds; this one is a merchant's."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def payment_resource(payment: Payment) -> Resource:
    """The fields of its instrument are where the contract lists them: `vpa`, or `card_network` and `card_last4`."""
    shape: Resource = {
        "id": payment.id,
        "order_id": payment.order_id,
        "merchant_id": payment.merchant_id,
        "amount": payment.amount,
        "currency": payment.currency,
        "method": payment.method,
        "status": payment.status,
        "captured": payment.captured,
        "amount_captured": payment.amount_captured,
        "amount_released": payment.amount_released,
        "voided": payment.voided,
        "void_reason": payment.void_reason,
        "capture_before": payment.capture_before,
        "amount_refunded": payment.amount_refunded,
        "amount_owed": payment.amount_owed,
        "reversed": payment.reversed,
    }
    shape |= public_form(payment.instrument)
    shape["name"] = payment.name
    shape["email"] = payment.email
    shape["contact"] = payment.contact
    shape["description"] = payment.description
    shape["receipt"] = payment.receipt
    shape["notes"] = payment.notes
    shape["error_code"] = payment.error_code
    shape["error_description"] = payment.error_description
    shape["next_action"] = action_form(payment.next_action)
    shape["cancellation"] = payment.cancellation
    shape["created_at"] = payment.created_at
    shape["updated_at"] = payment.updated_at
    return shape


def refund_resource(refund: Refund) -> Resource:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "merchant_id": refund.merchant_id,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.reason,
        "receipt": refund.receipt,
        "notes": refund.notes,
        "status": refund.status,
        "automatic": refund.automatic,
        "error_code": refund.error_code,
        "error_description": refund.error_description,
        "created_at": refund.created_at,
        "processed_at": refund.processed_at,
        "updated_at": refund.updated_at,
    }
