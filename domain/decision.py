"""What is decided: a command about an order and what is below it, and what it leads to.

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
"""Commands that carry what the bank said about an attempt."""
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
"""What merchants and payers ask for."""
TimeWord = ExpireOrder | ExpirePayment
"""That a time may be over."""
Command = MerchantWord | TimeWord | BankWord
Subject = Order | Payment | Refund


@dataclass(frozen=True, slots=True)
class Decision:
    """Events to record (none where the command repeats what is known) and the resource the command is about.

    `outdated`: the command is an older word of the bank that contradicts its last one; nothing follows from it.
    """

    events: tuple[Event, ...]
    subject: Subject
    outdated: bool = False
