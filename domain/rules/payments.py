"""Whether a payment may start, be captured or voided, and the effects of the bank's reports and of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from domain import rejection
from domain.action import ACTION_TIME_MAX
from domain.decision import Decision
from domain.event import Event, EventType, OrderEvent, PaymentEvent, RefundEvent
from domain.evolution import evolve
from domain.ids import late_refund_id
from domain.instrument import methods_for
from domain.link import PaymentLink
from domain.money import is_minor_amount
from domain.order import CaptureMode, Order, OrderStatus
from domain.outcome import DECLINES, ORDER_EXPIRED, Outcome, Word
from domain.payment import (
    CANCEL_TIME,
    RETURN_TIME,
    UNDECIDED,
    Cancellation,
    CancelPayment,
    CapturePayment,
    CreatePayment,
    ExpirePayment,
    Payment,
    PaymentStatus,
    RefuseCancel,
    RequireAction,
    SettlePayment,
    VoidPayment,
    VoidReason,
)
from domain.refund import LATE_REFUNDS_MAX, LATE_SUCCESS_REASON, RELEASED_REASON, Refund, RefundStatus
from domain.rejection import Rejected
from domain.rules.refunds import pending_refund, weighed
from domain.rules.words import words_between

_NOBODY = PaymentLink(url="")
"""The customer of an order that is not a link."""


def create_payment(order: Order | None, command: CreatePayment, at: datetime) -> Decision | Rejected:
    if order is None or command.merchant_id not in (None, order.merchant_id):
        return rejection.ORDER_NOT_FOUND
    made = order.payment(command.payment_id)
    if made is not None:
        return Decision((), made)
    if command.amount not in (None, order.amount):
        return rejection.AMOUNT_DIFFERS
    if command.currency not in (None, order.currency):
        return rejection.CURRENCY_DIFFERS
    if command.instrument.method not in methods_for(order.currency):
        return rejection.METHOD_UNAVAILABLE
    if order.status is OrderStatus.PAID:
        return rejection.ORDER_ALREADY_PAID
    if not order.is_payable(at):
        return rejection.ORDER_NOT_PAYABLE
    if order.has_undecided_payment:
        return rejection.PAYMENT_IN_PROGRESS
    sequence = order.version + 1
    customer = order.link or _NOBODY
    created = Payment(
        id=command.payment_id,
        order_id=order.id,
        merchant_id=order.merchant_id,
        amount=order.amount,
        currency=order.currency,
        instrument=command.instrument,
        status=PaymentStatus.CREATED,
        captured=False,
        amount_refunded=0,
        error_code=None,
        error_description=None,
        token=command.token,
        bank_reference=None,
        deadline_at=command.deadline_at,
        version=sequence,
        created_at=at,
        updated_at=None,
        name=command.name or customer.name,
        email=command.email or customer.email,
        contact=command.contact or customer.contact,
        description=command.description or customer.description,
        receipt=order.receipt,
        notes=order.notes if command.notes is None else command.notes,
    )
    # The intent is recorded before the bank is called; the second event saves a second command.
    processing = replace(created, status=PaymentStatus.PROCESSING, version=sequence + 1, updated_at=at)
    events = (
        PaymentEvent(EventType.PAYMENT_CREATED, sequence, at, created),
        PaymentEvent(EventType.PAYMENT_PROCESSING, sequence + 1, at, processing),
    )
    return Decision(events, created)


def require_action(order: Order | None, command: RequireAction, at: datetime) -> Decision | Rejected:
    """A payer's step matters only until the bank decides. The sweeper does not query before the step expires."""
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None:
        return rejection.PAYMENT_NOT_FOUND
    if payment.status not in UNDECIDED or not command.action.replaces(payment.next_action):
        return Decision((), payment)
    waiting = replace(payment, next_action=command.action)
    if payment.cancellation is not Cancellation.REQUESTED:
        waiting = replace(waiting, deadline_at=_waits_until(waiting, at))
    return _still_undecided(order, waiting, EventType.PAYMENT_ACTION_REQUIRED, at)


def _waits_until(payment: Payment, at: datetime) -> datetime:
    """The payment's deadline, and no earlier than its payer's step expires."""
    step = payment.next_action
    return payment.deadline_at if step is None else max(payment.deadline_at, min(step.expires_at, at + ACTION_TIME_MAX))


def cancel_payment(order: Order | None, command: CancelPayment, at: datetime) -> Decision | Rejected:
    """The request goes to the bank once: a decided payment is unchanged, and so is one that the bank refuses to cancel.

    The payment is not over yet: until the bank reports an outcome, no other payment of the order can begin.
    """
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or command.merchant_id not in (None, payment.merchant_id):
        return rejection.PAYMENT_NOT_FOUND
    if payment.status not in UNDECIDED or payment.cancellation is not None:
        return Decision((), payment)
    leaving = replace(
        payment,
        cancellation=Cancellation.REQUESTED,
        deadline_at=min(payment.deadline_at, at + CANCEL_TIME),
    )
    return _still_undecided(order, leaving, EventType.PAYMENT_CANCEL_REQUESTED, at)


def refuse_cancel(order: Order | None, command: RefuseCancel, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None:
        return rejection.PAYMENT_NOT_FOUND
    if payment.cancellation is not Cancellation.REQUESTED:
        return Decision((), payment)
    staying = replace(payment, cancellation=Cancellation.REFUSED, deadline_at=_waits_until(payment, at))
    return _still_undecided(order, staying, EventType.PAYMENT_CANCEL_REFUSED, at)


def _still_undecided(order: Order, changed: Payment, happened: EventType, at: datetime) -> Decision:
    sequence = order.version + 1
    payment = replace(changed, version=sequence, updated_at=at)
    return Decision((PaymentEvent(happened, sequence, at, payment),), payment)


def settle_payment(order: Order | None, command: SettlePayment, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None:
        return rejection.PAYMENT_NOT_FOUND
    if payment.status not in UNDECIDED:
        return _turn_payment(order, payment, command, at)
    if command.outcome is Outcome.FAILED:
        return _fail(order, payment, command, at)
    if order.status is OrderStatus.EXPIRED:
        return _succeed_after_the_end(order, payment, command, at)
    return _succeed(order, payment, command, at)


def _succeed(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    # No payment starts beside an undecided or a successful one, so nothing else can have paid this order; and it cannot
    # have been cancelled.
    assert order.status is OrderStatus.CREATED, f"{order.id} is {order.status} although {payment.id} is undecided"
    sequence = order.version + 1
    success = replace(
        payment,
        status=PaymentStatus.SUCCESS,
        next_action=None,
        cancellation=None,
        bank_reference=command.bank_reference,
        bank_turn=command.turn,
        capture_before=_capture_before(order, at),
        version=sequence,
        updated_at=at,
    )
    succeeded = PaymentEvent(EventType.PAYMENT_SUCCESS, sequence, at, success)
    events: list[Event] = [succeeded]
    order = evolve(order, succeeded)
    if order.capture is CaptureMode.AUTOMATIC:
        events.append(_captured(success, success.amount, sequence + 1, at))
        order = evolve(order, events[-1])
    for announced in _announced(order):
        order = replace(order, version=order.version + 1)
        events.append(OrderEvent(announced, order.version, at, order))
    return Decision(tuple(events), success)


def _announced(order: Order) -> tuple[EventType, ...]:
    """The event of the paid order itself."""
    return (EventType.ORDER_PAID,) if order.link is None else (EventType.ORDER_PAID, EventType.PAYMENT_LINK_PAID)


def _capture_before(order: Order, at: datetime) -> datetime | None:
    if order.capture is CaptureMode.AUTOMATIC or order.capture_within_minutes is None:
        return None
    return at + timedelta(minutes=order.capture_within_minutes)


def _succeed_after_the_end(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    """The order no longer waited for this outcome. Its goods must not be shipped, so the payment fails, and its money
    is refunded like that of every late success."""
    too_late = replace(command, error_code=ORDER_EXPIRED, error_description=DECLINES[ORDER_EXPIRED])
    failed = _fail(order, payment, too_late, at)
    (event,) = failed.events
    order = evolve(order, event)
    known = order.payment(payment.id)
    assert known is not None
    charged = _turn_payment(order, known, command, at)
    return Decision((event, *charged.events), failed.subject)


def _fail(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    sequence = order.version + 1
    failed = replace(
        payment,
        status=PaymentStatus.FAILED,
        next_action=None,
        cancellation=None,
        error_code=command.error_code or "PAYMENT_FAILED",
        error_description=command.error_description or "Payment processing failed",
        bank_reference=command.bank_reference,
        bank_turn=command.turn,
        version=sequence,
        updated_at=at,
    )
    return Decision((PaymentEvent(EventType.PAYMENT_FAILED, sequence, at, failed),), failed)


def _turn_payment(order: Order, payment: Payment, command: SettlePayment, at: datetime) -> Decision:
    """A report about a payment whose outcome is public: its status is unchanged, what the bank did with the money is
    recorded.

    A later report is an event, an older one has no effect. Money charged for a failed payment is refunded at once; if
    the bank refuses that refund, its next report that it has the money creates another one.
    """
    reported = Word(command.turn, command.outcome is Outcome.SUCCESS)
    known = Word(payment.bank_turn, _is_charged(order, payment))
    if reported < known:
        return Decision((), payment, outdated=reported.moved is not known.moved)
    events: list[Event] = []
    for word in words_between(known, reported):
        events.append(_payment_turned(order, payment.id, word, command, at))
        order = evolve(order, events[-1])
    if reported.moved and (payment.status is PaymentStatus.FAILED or payment.amount_released):
        events += _automatic_refund(order, payment.id, command.late_deadline_at, at)
    last = events[-1] if events else None
    return Decision(tuple(events), last.payment if isinstance(last, PaymentEvent | RefundEvent) else payment)


def _is_charged(order: Order, payment: Payment) -> bool:
    """True if the bank's last known report on a decided payment is that it has the payer's money."""
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
    return PaymentEvent(_turn_of(payment, word), sequence, at, weighed(turned, order.refunds))


def _turn_of(payment: Payment, word: Word) -> EventType:
    if not word.moved:
        return EventType.PAYMENT_REVERSED
    if payment.status is PaymentStatus.SUCCESS:
        return EventType.PAYMENT_REINSTATED
    return EventType.PAYMENT_LATE_SUCCESS


def _automatic_refund(order: Order, payment_id: str, deadline_at: datetime, at: datetime) -> list[RefundEvent]:
    """The refund of money that the bank charged for a failed payment, or that was released of a success; none while
    another one is valid, nor for money that was already returned."""
    tried = _late_refunds(order, payment_id)
    if any(refund.status is not RefundStatus.FAILED for refund in tried):
        return []
    if len(tried) >= LATE_REFUNDS_MAX:
        return []
    payment = order.payment(payment_id)
    assert payment is not None
    failed = payment.status is PaymentStatus.FAILED
    amount = min(payment.amount if failed else payment.amount_released, payment.amount - _taken(order, payment_id))
    if amount <= 0:
        return []
    sequence = order.version + 1
    returned, refund = pending_refund(
        order=order,
        payment=payment,
        refund_id=late_refund_id(payment.id, len(tried) + 1),
        amount=amount,
        reason=LATE_SUCCESS_REASON if failed else RELEASED_REASON,
        automatic=True,
        deadline_at=deadline_at,
        sequence=sequence,
        at=at,
    )
    return [RefundEvent(EventType.REFUND_CREATED, sequence, at, refund, returned)]


def _taken(order: Order, payment_id: str) -> int:
    """Minor units of the payment's pending and processed refunds."""
    return sum(
        refund.amount
        for refund in order.refunds
        if refund.payment_id == payment_id and refund.status is not RefundStatus.FAILED
    )


def _late_refunds(order: Order, payment_id: str) -> list[Refund]:
    """The payment's automatic refunds, in order of creation."""
    refunds: list[Refund] = []
    while (refund := order.refund(late_refund_id(payment_id, len(refunds) + 1))) is not None:
        refunds.append(refund)
    return refunds


def capture_payment(order: Order | None, command: CapturePayment, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or payment.merchant_id != command.merchant_id:
        return rejection.PAYMENT_NOT_FOUND
    left = payment.refundable
    if payment.status is not PaymentStatus.SUCCESS or payment.captured or payment.voided:
        return rejection.NOT_CAPTURABLE
    if left == 0 or _is_too_late(payment, at):
        return rejection.NOT_CAPTURABLE
    amount = left if command.amount is None else command.amount
    if not is_minor_amount(amount) or not 0 < amount <= left:
        return rejection.CAPTURE_AMOUNT_INVALID
    captured = _captured(payment, amount, order.version + 1, at)
    return Decision((captured, *_released(order, captured, at)), captured.payment)


def _captured(payment: Payment, amount: int, sequence: int, at: datetime) -> PaymentEvent:
    """`amount` of what is left is captured, the rest of it released."""
    captured = replace(
        payment,
        captured=True,
        amount_captured=amount,
        amount_released=payment.refundable - amount,
        capture_before=None,
        version=sequence,
        updated_at=at,
    )
    return PaymentEvent(EventType.PAYMENT_CAPTURED, sequence, at, captured)


def _released(order: Order, event: PaymentEvent, at: datetime) -> list[RefundEvent]:
    """The refund of what the payment's event released, if anything."""
    return _automatic_refund(evolve(order, event), event.payment.id, at + RETURN_TIME, at)


def void_payment(order: Order | None, command: VoidPayment, at: datetime) -> Decision | Rejected:
    """Only as a whole: the remainder after refunds is captured, or refunded as well."""
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or payment.merchant_id != command.merchant_id:
        return rejection.PAYMENT_NOT_FOUND
    if payment.status is not PaymentStatus.SUCCESS or payment.captured or payment.refundable != payment.amount:
        return rejection.NOT_VOIDABLE
    return _voided(order, payment, VoidReason.REQUESTED, EventType.PAYMENT_VOIDED, at)


def expire_payment(order: Order | None, command: ExpirePayment, at: datetime) -> Decision | Rejected:
    """No effect if the payment was captured, voided or reversed, if its time is not over, if nothing is left of it, or
    while a refund is pending, whose failure would leave more to release."""
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None:
        return rejection.PAYMENT_NOT_FOUND
    if not _is_too_late(payment, at) or payment.refundable == 0 or _has_pending_refund(order, payment.id):
        return Decision((), payment)
    return _voided(order, payment, VoidReason.EXPIRED, EventType.PAYMENT_EXPIRED, at)


def _is_too_late(payment: Payment, at: datetime) -> bool:
    """A captured or voided payment no longer has such a time."""
    return payment.capture_before is not None and at >= payment.capture_before


def _has_pending_refund(order: Order, payment_id: str) -> bool:
    return any(refund.payment_id == payment_id and refund.status is RefundStatus.PENDING for refund in order.refunds)


def _voided(order: Order, payment: Payment, reason: VoidReason, happened: EventType, at: datetime) -> Decision:
    sequence = order.version + 1
    voided = replace(
        payment,
        voided=True,
        void_reason=reason,
        amount_released=payment.refundable,
        capture_before=None,
        version=sequence,
        updated_at=at,
    )
    event = PaymentEvent(happened, sequence, at, voided)
    return Decision((event, *_released(order, event, at)), voided)
