"""The types of a decision: a command about an order and everything below it, and its result.

Command ─► domain.machine.decide ─► Decision(events, subject) | Rejected
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.event import Event
from domain.link import ResendLink
from domain.order import CancelOrder, CreateOrder, ExpireOrder, Order
from domain.payment import (
    CancelPayment,
    CapturePayment,
    CreatePayment,
    ExpirePayment,
    Payment,
    RefuseCancel,
    RequireAction,
    SettlePayment,
    VoidPayment,
)
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, Refund, SettleRefund

BankWord = RequireAction | RefuseCancel | SettlePayment | SettleRefund
"""Commands that carry the bank's report about an attempt."""
MerchantWord = (
    CreateOrder
    | CancelOrder
    | ResendLink
    | PayNewOrder
    | CreatePayment
    | CancelPayment
    | CapturePayment
    | VoidPayment
    | CreateRefund
)
"""Commands of merchants and payers."""
TimeWord = ExpireOrder | ExpirePayment
"""Commands that report that a time may be over."""
Command = MerchantWord | TimeWord | BankWord
Subject = Order | Payment | Refund


@dataclass(frozen=True, slots=True)
class Decision:
    """Events to record (none if the command repeats what is known) and the resource that the command is about.

    `outdated`: the command carries an older report of the bank that contradicts its last one; it has no effect.
    """

    events: tuple[Event, ...]
    subject: Subject
    outdated: bool = False
