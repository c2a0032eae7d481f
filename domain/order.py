"""The order: the consistency boundary. Its payments, captures and refunds are decided here, one command after another.

    decide(order | None, command, at) -> Decision(events, subject) | Rejected
    evolve(order | None, event) -> Order

Rules that need no lock because of it: one successful payment an order; no payment beside an undecided one; pending +
processed refunds never above the payment, but for what the bank carried out against its own word: that is owed. What
follows from the bank's words depends on the last of them alone, whatever order they arrive in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain import rejection
from domain.event import Event, EventType, OrderEvent, PaymentEvent, RefundEvent
from domain.ids import late_refund_id
from domain.money import is_minor_amount, is_payable
from domain.outcome import Outcome, Word
from domain.payment import (
    UNDECIDED,
    CapturePayment,
    CreatePayment,
    Payment,
    PaymentStatus,
    SettlePayment,
)
from domain.refund import (
    LATE_REFUNDS_MAX,
    LATE_SUCCESS_REASON,
    CreateRefund,
    Refund,
    RefundStatus,
    SettleRefund,
)
from domain.rejection import Rejected


class OrderStatus(StrEnum):
    CREATED = "CREATED"
    PAID = "PAID"


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Ask for `amount` minor units. `notes`: up to 15 short texts of the merchant's."""

    order_id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Order:
    """State of one order and of everything below it; small: an order has a payment or two."""

    id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    status: OrderStatus
    version: int
    """Sequence of the last event of this order or of anything below it."""
    last_event_at: datetime
    created_at: datetime
    updated_at: datetime | None
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()

    def payment(self, payment_id: str) -> Payment | None:
        return next((payment for payment in self.payments if payment.id == payment_id), None)

    def refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)


Command = CreateOrder | CreatePayment | SettlePayment | CapturePayment | CreateRefund | SettleRefund
Subject = Order | Payment | Refund


@dataclass(frozen=True, slots=True)
class Decision:
    """Events to record (none where the command repeats what is known) and the resource the command is about.

    `outdated`: the command is an older word of the bank that contradicts its last one; nothing follows from it.
    """

    events: tuple[Event, ...]
    subject: Subject
    outdated: bool = False


def decide(order: Order | None, command: Command, at: datetime) -> Decision | Rejected:
    """What `command`, asked at `at`, leads to.

    A command that makes something of an id that exists already decides nothing: it is answered with what is there. The
    event times of an order never go back, whatever the clocks say.
    """
    if order is not None and order.last_event_at > at:
        at = order.last_event_at
    match command:
        case CreateOrder():
            return _create_order(order, command, at)
        case CreatePayment():
            return _create_payment(order, command, at)
        case SettlePayment():
            return _settle_payment(order, command, at)
        case CapturePayment():
            return _capture_payment(order, command, at)
        case CreateRefund():
            return _create_refund(order, command, at)
        case SettleRefund():
            return _settle_refund(order, command, at)
    assert_never(command)


def _create_order(order: Order | None, command: CreateOrder, at: datetime) -> Decision | Rejected:
    if order is not None:
        return Decision((), order) if order.merchant_id == command.merchant_id else rejection.ORDER_EXISTS
    if not is_payable(command.amount):
        return rejection.AMOUNT_TOO_SMALL
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
    )
    return Decision((OrderEvent(EventType.ORDER_CREATED, 1, at, created),), created)


def _create_payment(order: Order | None, command: CreatePayment, at: datetime) -> Decision | Rejected:
    if order is None or command.merchant_id not in (None, order.merchant_id):
        return rejection.ORDER_NOT_FOUND
    made = order.payment(command.payment_id)
    if made is not None:
        return Decision((), made)
    if command.amount not in (None, order.amount):
        return rejection.AMOUNT_DIFFERS
    if command.currency not in (None, order.currency):
        return rejection.CURRENCY_DIFFERS
    if order.status is OrderStatus.PAID:
        return rejection.ORDER_ALREADY_PAID
    if any(payment.status in UNDECIDED for payment in order.payments):
        return rejection.PAYMENT_IN_PROGRESS
    sequence = order.version + 1
    created = Payment(
        id=command.payment_id,
        order_id=order.id,
        merchant_id=order.merchant_id,
        amount=order.amount,
        currency=order.currency,
        method=command.method,
        status=PaymentStatus.CREATED,
        captured=False,
        amount_refunded=0,
        vpa=command.vpa,
        card_network=command.card_network,
        card_last4=command.card_last4,
        error_code=None,
        error_description=None,
        token=command.token,
        bank_reference=None,
        deadline_at=command.deadline_at,
        version=sequence,
        created_at=at,
        updated_at=None,
    )
    # The intent is on record before the bank is asked; the second event spares a second command.
    processing = replace(created, status=PaymentStatus.PROCESSING, version=sequence + 1, updated_at=at)
    events = (
        PaymentEvent(EventType.PAYMENT_CREATED, sequence, at, created),
        PaymentEvent(EventType.PAYMENT_PROCESSING, sequence + 1, at, processing),
    )
    return Decision(events, created)


def _settle_payment(order: Order | None, command: SettlePayment, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None:
        return rejection.PAYMENT_NOT_FOUND
    if payment.status not in UNDECIDED:
        return _turn_payment(order, payment, command, at)
    if command.outcome is Outcome.SUCCESS:
        return _succeed(order, payment, command, at)
    return _fail(order, payment, command, at)


def _succeed(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    # No payment starts beside an undecided or a successful one, so nothing else can have paid this order.
    assert order.status is OrderStatus.CREATED, f"{order.id} is paid although {payment.id} is undecided"
    sequence = order.version + 1
    success = replace(
        payment,
        status=PaymentStatus.SUCCESS,
        bank_reference=command.bank_reference,
        bank_turn=command.turn,
        version=sequence,
        updated_at=at,
    )
    return Decision((PaymentEvent(EventType.PAYMENT_SUCCESS, sequence, at, success),), success)


def _fail(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    sequence = order.version + 1
    failed = replace(
        payment,
        status=PaymentStatus.FAILED,
        error_code=command.error_code or "PAYMENT_FAILED",
        error_description=command.error_description or "Payment processing failed",
        bank_reference=command.bank_reference,
        bank_turn=command.turn,
        version=sequence,
        updated_at=at,
    )
    return Decision((PaymentEvent(EventType.PAYMENT_FAILED, sequence, at, failed),), failed)


def _turn_payment(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    """A word about a payment whose outcome is public: its status stays, what the bank did with the money is recorded.

    A later word is an event, an older one nothing. Money charged for a failed payment goes back at once; where the
    bank refuses that refund, its next word that it has the money makes another one.
    """
    said = Word(command.turn, command.outcome is Outcome.SUCCESS)
    known = Word(payment.bank_turn, _is_charged(order, payment))
    if said < known:
        return Decision((), payment, outdated=said.moved is not known.moved)
    events: list[Event] = []
    for word in _words_between(known, said):
        events.append(_payment_turned(order, payment.id, word, command, at))
        order = evolve(order, events[-1])
    if said.moved and payment.status is PaymentStatus.FAILED:
        events += _automatic_refund(order, payment.id, command, at)
    last = events[-1] if events else None
    return Decision(tuple(events), last.payment if isinstance(last, PaymentEvent | RefundEvent) else payment)


def _words_between(known: Word, said: Word) -> tuple[Word, ...]:
    """The words to record after `known`, up to `said`. Where both agree, the bank turned twice and one was missed."""
    if said == known:
        return ()
    if said.moved is known.moved:
        return Word(said.turn - 1, not said.moved), said
    return (said,)


def _is_charged(order: Order, payment: Payment) -> bool:
    """True where the bank's last known word on a decided payment is that it has the payer's money."""
    if payment.reversed:
        return False
    return payment.status is PaymentStatus.SUCCESS or bool(_late_refunds(order, payment.id))


def _payment_turned(order: Order, payment_id: str, word: Word, command: SettlePayment, at: datetime) -> PaymentEvent:
    payment = order.payment(payment_id)
    assert payment is not None
    sequence = order.version + 1
    turned = replace(
        payment,
        reversed=not word.moved,
        bank_reference=command.bank_reference,
        bank_turn=word.turn,
        version=sequence,
        updated_at=at,
    )
    return PaymentEvent(_turn_of(payment, word), sequence, at, _weighed(turned, order.refunds))


def _turn_of(payment: Payment, word: Word) -> EventType:
    if not word.moved:
        return EventType.PAYMENT_REVERSED
    if payment.status is PaymentStatus.SUCCESS:
        return EventType.PAYMENT_REINSTATED
    return EventType.PAYMENT_LATE_SUCCESS


def _automatic_refund(order: Order, payment_id: str, command: SettlePayment, at: datetime) -> list[RefundEvent]:
    """The refund of money that the bank charged for a failed payment; none while another one is good."""
    tried = _late_refunds(order, payment_id)
    if any(refund.status is not RefundStatus.FAILED for refund in tried):
        return []
    if len(tried) >= LATE_REFUNDS_MAX:
        return []
    payment = order.payment(payment_id)
    assert payment is not None
    sequence = order.version + 1
    returned, refund = _pending_refund(
        order=order,
        payment=payment,
        refund_id=late_refund_id(payment.id, len(tried) + 1),
        amount=payment.amount,
        reason=LATE_SUCCESS_REASON,
        automatic=True,
        deadline_at=command.late_deadline_at,
        sequence=sequence,
        at=at,
    )
    return [RefundEvent(EventType.REFUND_CREATED, sequence, at, refund, returned)]


def _late_refunds(order: Order, payment_id: str) -> list[Refund]:
    """The payment's automatic refunds, in the order of their making."""
    numbered = (order.refund(late_refund_id(payment_id, number)) for number in range(1, LATE_REFUNDS_MAX + 1))
    return [refund for refund in numbered if refund is not None]


def _weighed(payment: Payment, refunds: tuple[Refund, ...]) -> Payment:
    """The payment with its pending and processed refunds set against the money that it has."""
    taken = sum(
        refund.amount
        for refund in refunds
        if refund.payment_id == payment.id and refund.status is not RefundStatus.FAILED
    )
    covered = 0 if payment.reversed else payment.amount
    return replace(payment, amount_refunded=min(taken, payment.amount), amount_owed=max(taken - covered, 0))


def _capture_payment(order: Order | None, command: CapturePayment, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or payment.merchant_id != command.merchant_id:
        return rejection.PAYMENT_NOT_FOUND
    if payment.status is not PaymentStatus.SUCCESS or payment.captured or payment.amount_refunded or payment.reversed:
        return rejection.NOT_CAPTURABLE
    if command.amount not in (None, payment.amount):
        return rejection.CAPTURE_AMOUNT_DIFFERS
    sequence = order.version + 1
    captured = replace(payment, captured=True, version=sequence, updated_at=at)
    return Decision((PaymentEvent(EventType.PAYMENT_CAPTURED, sequence, at, captured),), captured)


def _create_refund(order: Order | None, command: CreateRefund, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or payment.merchant_id != command.merchant_id:
        return rejection.PAYMENT_NOT_FOUND
    made = order.refund(command.refund_id)
    if made is not None:
        return Decision((), made) if made.payment_id == payment.id else rejection.REFUND_EXISTS
    if not is_minor_amount(command.amount) or command.amount <= 0:
        return rejection.REFUND_AMOUNT_INVALID
    if payment.status is not PaymentStatus.SUCCESS or payment.reversed:
        return rejection.NOT_REFUNDABLE
    if command.amount > payment.refundable:
        return rejection.REFUND_EXCEEDS
    sequence = order.version + 1
    reduced, refund = _pending_refund(
        order=order,
        payment=payment,
        refund_id=command.refund_id,
        amount=command.amount,
        reason=command.reason,
        automatic=False,
        deadline_at=command.deadline_at,
        sequence=sequence,
        at=at,
    )
    return Decision((RefundEvent(EventType.REFUND_CREATED, sequence, at, refund, reduced),), refund)


def _pending_refund(
    *,
    order: Order,
    payment: Payment,
    refund_id: str,
    amount: int,
    reason: str | None,
    automatic: bool,
    deadline_at: datetime,
    sequence: int,
    at: datetime,
) -> tuple[Payment, Refund]:
    """(payment with the amount taken, the pending refund)."""
    refund = Refund(
        id=refund_id,
        payment_id=payment.id,
        order_id=order.id,
        merchant_id=order.merchant_id,
        amount=amount,
        currency=payment.currency,
        reason=reason,
        status=RefundStatus.PENDING,
        automatic=automatic,
        error_code=None,
        error_description=None,
        bank_reference=None,
        deadline_at=deadline_at,
        version=sequence,
        created_at=at,
        processed_at=None,
        updated_at=None,
    )
    reduced = replace(payment, version=sequence, updated_at=at)
    return _weighed(reduced, (*order.refunds, refund)), refund


def _settle_refund(order: Order | None, command: SettleRefund, at: datetime) -> Decision | Rejected:
    refund = order.refund(command.refund_id) if order is not None else None
    if order is None or refund is None:
        return rejection.REFUND_NOT_FOUND
    said = Word(command.turn, command.outcome is Outcome.SUCCESS)
    if refund.status is RefundStatus.PENDING:
        event = _refund_settled(order, refund, said, command, at)
        return Decision((event,), event.refund)
    known = Word(refund.bank_turn, refund.status is RefundStatus.PROCESSED)
    if said < known:
        return Decision((), refund, outdated=said.moved is not known.moved)
    events: list[Event] = []
    for word in _words_between(known, said):
        turned = _refund_settled(order, refund, word, command, at)
        order, refund = evolve(order, turned), turned.refund
        events.append(turned)
    return Decision(tuple(events), refund)


def _refund_settled(order: Order, refund: Refund, word: Word, command: SettleRefund, at: datetime) -> RefundEvent:
    """The refund as the bank's word leaves it, and its payment with the amount taken, kept or given back."""
    payment = order.payment(refund.payment_id)
    assert payment is not None, f"{refund.id} has no payment"
    sequence = order.version + 1
    changed = replace(
        refund, bank_reference=command.bank_reference, bank_turn=word.turn, version=sequence, updated_at=at
    )
    if word.moved:
        first = refund.status is RefundStatus.PENDING
        told = EventType.REFUND_PROCESSED if first else EventType.REFUND_LATE_SUCCESS
        settled = replace(
            changed, status=RefundStatus.PROCESSED, processed_at=at, error_code=None, error_description=None
        )
    else:
        told = EventType.REFUND_FAILED
        settled = replace(
            changed,
            status=RefundStatus.FAILED,
            error_code=command.error_code or "REFUND_FAILED",
            error_description=command.error_description or "Refund processing failed",
        )
    weighed = _weighed(payment, _with_refund(order.refunds, settled))
    if weighed != payment:
        weighed = replace(weighed, version=sequence, updated_at=at)
    return RefundEvent(told, sequence, at, settled, weighed)


def evolve(order: Order | None, event: Event) -> Order:
    """The order after `event`. Events arrive in sequence, each once."""
    match event:
        case OrderEvent():
            return event.order
        case PaymentEvent():
            assert order is not None and event.sequence == order.version + 1
            paid = event.type is EventType.PAYMENT_SUCCESS
            return replace(
                order,
                status=OrderStatus.PAID if paid else order.status,
                updated_at=event.at if paid else order.updated_at,
                version=event.sequence,
                last_event_at=event.at,
                payments=_with(order.payments, event.payment),
            )
        case RefundEvent():
            assert order is not None and event.sequence == order.version + 1
            return replace(
                order,
                version=event.sequence,
                last_event_at=event.at,
                payments=_with(order.payments, event.payment),
                refunds=_with_refund(order.refunds, event.refund),
            )
    assert_never(event)


def _with(payments: tuple[Payment, ...], changed: Payment) -> tuple[Payment, ...]:
    others = tuple(payment for payment in payments if payment.id != changed.id)
    return (*others, changed)


def _with_refund(refunds: tuple[Refund, ...], changed: Refund) -> tuple[Refund, ...]:
    others = tuple(refund for refund in refunds if refund.id != changed.id)
    return (*others, changed)
