"""Whether a refund may happen, and the effects of the bank's reports about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from domain import rejection
from domain.decision import Decision
from domain.event import Event, EventType, RefundEvent
from domain.evolution import evolve, with_refund
from domain.money import is_minor_amount
from domain.order import Order
from domain.outcome import Outcome, Word
from domain.payment import Payment, PaymentStatus
from domain.refund import CreateRefund, Refund, RefundStatus, SettleRefund
from domain.rejection import Rejected
from domain.rules.words import words_between


def create_refund(order: Order | None, command: CreateRefund, at: datetime) -> Decision | Rejected:
    payment = order.payment(command.payment_id) if order is not None else None
    if order is None or payment is None or payment.merchant_id != command.merchant_id:
        return rejection.PAYMENT_NOT_FOUND
    made = order.refund(command.refund_id)
    if made is not None:
        return Decision((), made) if made.payment_id == payment.id else rejection.REFUND_EXISTS
    amount = payment.refundable if command.amount is None else command.amount
    if command.amount is not None and (not is_minor_amount(amount) or amount <= 0):
        return rejection.REFUND_AMOUNT_INVALID
    if payment.status is not PaymentStatus.SUCCESS or payment.reversed:
        return rejection.NOT_REFUNDABLE
    if amount == 0 or amount > payment.refundable:
        return rejection.REFUND_EXCEEDS
    sequence = order.version + 1
    reduced, refund = pending_refund(
        order=order,
        payment=payment,
        refund_id=command.refund_id,
        amount=amount,
        reason=command.reason,
        automatic=False,
        deadline_at=command.deadline_at,
        sequence=sequence,
        at=at,
        receipt=command.receipt,
        notes=command.notes,
    )
    return Decision((RefundEvent(EventType.REFUND_CREATED, sequence, at, refund, reduced),), refund)


def settle_refund(order: Order | None, command: SettleRefund, at: datetime) -> Decision | Rejected:
    refund = order.refund(command.refund_id) if order is not None else None
    if order is None or refund is None:
        return rejection.REFUND_NOT_FOUND
    reported = Word(command.turn, command.outcome is Outcome.SUCCESS)
    if refund.status is RefundStatus.PENDING:
        event = _refund_settled(order, refund, reported, command, at)
        return Decision((event,), event.refund)
    known = Word(refund.bank_turn, refund.status is RefundStatus.PROCESSED)
    if reported < known:
        return Decision((), refund, outdated=reported.moved is not known.moved)
    events: list[Event] = []
    for word in words_between(known, reported):
        turned = _refund_settled(order, refund, word, command, at)
        order, refund = evolve(order, turned), turned.refund
        events.append(turned)
    return Decision(tuple(events), refund)


def _refund_settled(order: Order, refund: Refund, word: Word, command: SettleRefund, at: datetime) -> RefundEvent:
    """The refund after the bank's report, and its payment with the amount taken, kept or given back."""
    payment = order.payment(refund.payment_id)
    assert payment is not None, f"{refund.id} has no payment"
    sequence = order.version + 1
    changed = replace(
        refund, bank_reference=command.bank_reference, bank_turn=word.turn, version=sequence, updated_at=at
    )
    if word.moved:
        first = refund.status is RefundStatus.PENDING
        event_type = EventType.REFUND_PROCESSED if first else EventType.REFUND_LATE_SUCCESS
        settled = replace(
            changed, status=RefundStatus.PROCESSED, processed_at=at, error_code=None, error_description=None
        )
    else:
        event_type = EventType.REFUND_FAILED
        settled = replace(
            changed,
            status=RefundStatus.FAILED,
            error_code=command.error_code or "REFUND_FAILED",
            error_description=command.error_description or "Refund processing failed",
        )
    left = weighed(payment, with_refund(order.refunds, settled))
    if left != payment:
        left = replace(left, version=sequence, updated_at=at)
    return RefundEvent(event_type, sequence, at, settled, left)


def pending_refund(
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
    receipt: str | None = None,
    notes: Mapping[str, str] | None = None,
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
        receipt=receipt,
        notes=dict(notes or {}),
    )
    reduced = replace(payment, version=sequence, updated_at=at)
    return weighed(reduced, (*order.refunds, refund)), refund


def weighed(payment: Payment, refunds: tuple[Refund, ...]) -> Payment:
    """The payment with its pending and processed refunds set against the money that it has.

    The return of released money is not a merchant's refund; anything beyond it is.
    """
    holding = [
        refund for refund in refunds if refund.payment_id == payment.id and refund.status is not RefundStatus.FAILED
    ]
    taken = sum(refund.amount for refund in holding)
    requested = sum(refund.amount for refund in holding if not refund.automatic)
    refunded = max(requested, taken - payment.amount_released)
    covered = 0 if payment.reversed else payment.amount
    return replace(
        payment,
        amount_refunded=min(refunded, payment.amount - payment.amount_released),
        amount_owed=max(taken - covered, 0),
    )
