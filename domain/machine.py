"""The state machine of an order: which rule decides each command, and what an event leaves behind.

    decide(order | None, command, at) -> Decision(events, subject) | Rejected
    evolve(order | None, event) -> Order

Rules that need no lock because of it: one successful payment an order; no payment beside an undecided one; no money
kept for an order that was cancelled or has expired; pending + processed refunds never above the payment, except for
what the bank carried out against its own report: that is owed. The result of the bank's reports depends only on the
last of them, whatever order they arrive in.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from domain.decision import Command, Decision
from domain.evolution import evolve
from domain.link import ResendLink
from domain.order import CancelOrder, CreateOrder, ExpireOrder, Order
from domain.payment import (
    CancelPayment,
    CapturePayment,
    CreatePayment,
    ExpirePayment,
    RefuseCancel,
    RequireAction,
    SettlePayment,
    VoidPayment,
)
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, SettleRefund
from domain.rejection import Rejected
from domain.rules.orders import cancel_order, create_order, expire_order, resend_link
from domain.rules.payments import (
    cancel_payment,
    capture_payment,
    create_payment,
    expire_payment,
    refuse_cancel,
    require_action,
    settle_payment,
    void_payment,
)
from domain.rules.purchases import pay_new_order
from domain.rules.refunds import create_refund, settle_refund

__all__ = ["decide", "evolve"]


def decide(order: Order | None, command: Command, at: datetime) -> Decision | Rejected:
    """The result of `command`, received at `at`.

    A command that creates something under an existing id decides nothing: its result is the existing resource. The
    event times of an order never decrease, whatever the clocks show.
    """
    if order is not None and order.last_event_at > at:
        at = order.last_event_at
    match command:
        case CreateOrder():
            return create_order(order, command, at)
        case CancelOrder():
            return cancel_order(order, command, at)
        case ExpireOrder():
            return expire_order(order, at)
        case ResendLink():
            return resend_link(order, command, at)
        case PayNewOrder():
            return pay_new_order(order, command, at)
        case CreatePayment():
            return create_payment(order, command, at)
        case RequireAction():
            return require_action(order, command, at)
        case CancelPayment():
            return cancel_payment(order, command, at)
        case RefuseCancel():
            return refuse_cancel(order, command, at)
        case SettlePayment():
            return settle_payment(order, command, at)
        case CapturePayment():
            return capture_payment(order, command, at)
        case VoidPayment():
            return void_payment(order, command, at)
        case ExpirePayment():
            return expire_payment(order, command, at)
        case CreateRefund():
            return create_refund(order, command, at)
        case SettleRefund():
            return settle_refund(order, command, at)
    assert_never(command)
