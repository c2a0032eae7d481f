"""Whether an order may be created, cancelled or resent, and whether it has expired."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain import rejection
from domain.decision import Decision
from domain.event import EventType, OrderEvent
from domain.link import RESENT_MAX, ResendLink
from domain.money import is_payable
from domain.order import (
    ENDED,
    EXPIRES_AFTER_MAX,
    EXPIRES_AFTER_MIN,
    CancelOrder,
    CreateOrder,
    Order,
    OrderStatus,
)
from domain.rejection import Rejected


def create_order(order: Order | None, command: CreateOrder, at: datetime) -> Decision | Rejected:
    if order is not None:
        return Decision((), order) if order.merchant_id == command.merchant_id else rejection.ORDER_EXISTS
    if not is_payable(command.amount):
        return rejection.AMOUNT_TOO_SMALL
    if command.expires_at is not None and not _is_in_range(command.expires_at, at):
        return rejection.EXPIRY_OUT_OF_RANGE
    created = Order(
        id=command.order_id,
        merchant_id=command.merchant_id,
        amount=command.amount,
        currency=command.currency,
        receipt=command.receipt,
        notes=command.notes,
        status=OrderStatus.CREATED,
        version=1,
        last_event_at=at,
        created_at=at,
        updated_at=None,
        expires_at=command.expires_at,
        capture=command.capture,
        capture_within_minutes=command.capture_within_minutes,
        link=command.link,
        return_url=command.return_url,
    )
    return Decision((OrderEvent(EventType.ORDER_CREATED, 1, at, created),), created)


def _is_in_range(expires_at: datetime, at: datetime) -> bool:
    return EXPIRES_AFTER_MIN <= expires_at - at <= EXPIRES_AFTER_MAX


def cancel_order(order: Order | None, command: CancelOrder, at: datetime) -> Decision | Rejected:
    """An ended order is unchanged: it cannot be paid, which is the purpose of cancelling."""
    if order is None or order.merchant_id != command.merchant_id:
        return rejection.ORDER_NOT_FOUND
    if order.status in ENDED:
        return Decision((), order)
    if order.status is OrderStatus.PAID:
        return rejection.ORDER_ALREADY_PAID
    if order.has_undecided_payment:
        return rejection.PAYMENT_IN_PROGRESS
    return _ended(order, OrderStatus.CANCELLED, EventType.ORDER_CANCELLED, at)


def expire_order(order: Order | None, at: datetime) -> Decision | Rejected:
    """No effect if the order is paid or has ended, its time is not over, or a payment is awaited."""
    if order is None:
        return rejection.ORDER_NOT_FOUND
    if order.status is not OrderStatus.CREATED or not order.is_over(at) or order.is_awaited(at):
        return Decision((), order)
    return _ended(order, OrderStatus.EXPIRED, EventType.ORDER_EXPIRED, at)


def resend_link(order: Order | None, command: ResendLink, at: datetime) -> Decision | Rejected:
    """Only while it can be paid: a link must not lead to an order that is paid or has ended."""
    if order is None or order.link is None or order.merchant_id != command.merchant_id:
        return rejection.LINK_NOT_FOUND
    if order.status is not OrderStatus.CREATED or order.is_over(at):
        return rejection.ORDER_ALREADY_PAID if order.status is OrderStatus.PAID else rejection.ORDER_NOT_PAYABLE
    if order.link.resent >= RESENT_MAX:
        return rejection.LINK_RESENT_TOO_OFTEN
    sequence = order.version + 1
    link = replace(order.link, resent=order.link.resent + 1)
    sent = replace(order, link=link, version=sequence, last_event_at=at, updated_at=at)
    return Decision((OrderEvent(EventType.PAYMENT_LINK_RESENT, sequence, at, sent),), sent)


def _ended(order: Order, status: OrderStatus, happened: EventType, at: datetime) -> Decision:
    sequence = order.version + 1
    ended = replace(order, status=status, version=sequence, last_event_at=at, updated_at=at)
    return Decision((OrderEvent(happened, sequence, at, ended),), ended)
