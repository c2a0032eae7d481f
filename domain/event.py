"""The events: facts that are kept permanently, one sequence for each order.

An event carries the whole order, payment or refund as the event left it, so every consumer can work from one record
(docs/decisions/0006). A refund's event carries its payment too, whose `amount_refunded` it changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund


class EventType(StrEnum):
    ORDER_CREATED = "order.created"
    ORDER_PAID = "order.paid"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_EXPIRED = "order.expired"
    PAYMENT_LINK_RESENT = "payment_link.resent"
    PAYMENT_LINK_PAID = "payment_link.paid"
    PAYMENT_CREATED = "payment.created"
    PAYMENT_PROCESSING = "payment.processing"
    PAYMENT_ACTION_REQUIRED = "payment.action_required"
    PAYMENT_CANCEL_REQUESTED = "payment.cancel_requested"
    PAYMENT_CANCEL_REFUSED = "payment.cancel_refused"
    PAYMENT_SUCCESS = "payment.success"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_LATE_SUCCESS = "payment.late_success"
    PAYMENT_REVERSED = "payment.reversed"
    PAYMENT_REINSTATED = "payment.reinstated"
    PAYMENT_CAPTURED = "payment.captured"
    PAYMENT_VOIDED = "payment.voided"
    PAYMENT_EXPIRED = "payment.expired"
    REFUND_CREATED = "refund.created"
    REFUND_PROCESSED = "refund.processed"
    REFUND_FAILED = "refund.failed"
    REFUND_LATE_SUCCESS = "refund.late_success"


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """The order was created, or changed to the state carried here."""

    type: EventType
    sequence: int
    at: datetime
    order: Order


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """The payment changed to the state carried here."""

    type: EventType
    sequence: int
    at: datetime
    payment: Payment


@dataclass(frozen=True, slots=True)
class RefundEvent:
    """The refund changed to the state carried here, and its payment with it."""

    type: EventType
    sequence: int
    at: datetime
    refund: Refund
    payment: Payment


Event = OrderEvent | PaymentEvent | RefundEvent
