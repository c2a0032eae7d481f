"""The effect of a bank's report on a refund, field by field: the matrix covers only statuses and amounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from domain.decision import Decision
from domain.event import RefundEvent
from domain.machine import decide
from domain.order import Order
from domain.outcome import Outcome
from domain.refund import LATE_SUCCESS_REASON, Refund, RefundStatus, SettleRefund
from tests.unit.orders import (
    AT,
    DEADLINE,
    LATE_REFUND,
    REFUND,
    STATES,
    after,
    create_order,
    pay,
    refund,
    settle,
    settle_refund,
)

LATER = AT + timedelta(seconds=7)
PENDING = STATES["refund pending"]


def settled(order: Order | None, command: SettleRefund) -> tuple[RefundEvent, int]:
    """The event that the command leads to at LATER, and the version of the order before it."""
    assert order is not None
    decided = decide(order, command, LATER)
    assert isinstance(decided, Decision)
    (event,) = decided.events
    assert isinstance(event, RefundEvent)
    return event, order.version


def test_a_processed_refund_has_the_banks_reference_and_the_time_of_its_report() -> None:
    event, before = settled(after(*PENDING), settle_refund())
    assert (event.sequence, event.at) == (before + 1, LATER)
    found = event.refund
    assert (found.status, found.bank_reference, found.bank_turn) == (RefundStatus.PROCESSED, "bank_2", 0)
    assert (found.version, found.updated_at, found.processed_at) == (before + 1, LATER, LATER)
    assert (found.error_code, found.error_description) == (None, None)


def test_a_failed_refund_has_the_banks_reason_or_a_general_one() -> None:
    event, before = settled(after(*PENDING), settle_refund(outcome=Outcome.FAILED))
    found = event.refund
    assert (found.error_code, found.error_description) == ("REFUND_FAILED", "Refund processing failed")
    assert (found.version, found.updated_at, found.processed_at) == (before + 1, LATER, None)
    given = replace(
        settle_refund(outcome=Outcome.FAILED), error_code="ACCOUNT_CLOSED", error_description="It is closed"
    )
    event, _ = settled(after(*PENDING), given)
    assert (event.refund.error_code, event.refund.error_description) == ("ACCOUNT_CLOSED", "It is closed")


def test_a_refund_that_succeeds_after_it_failed_keeps_no_reason() -> None:
    failed = after(*PENDING, settle_refund(outcome=Outcome.FAILED))
    event, _ = settled(failed, settle_refund(turn=1))
    found = event.refund
    assert (found.status, found.bank_turn, found.processed_at) == (RefundStatus.PROCESSED, 1, LATER)
    assert (found.error_code, found.error_description) == (None, None)


def test_a_refund_takes_its_amount_from_the_payment_at_the_same_version() -> None:
    order = after(create_order(), pay(), settle())
    assert order is not None
    decided = decide(order, refund(20_000), LATER)
    assert isinstance(decided, Decision)
    (event,) = decided.events
    assert isinstance(event, RefundEvent)
    assert event.refund == Refund(
        id=REFUND,
        payment_id=order.payments[0].id,
        order_id=order.id,
        merchant_id=order.merchant_id,
        amount=20_000,
        currency="INR",
        reason=None,
        status=RefundStatus.PENDING,
        automatic=False,
        error_code=None,
        error_description=None,
        bank_reference=None,
        deadline_at=DEADLINE,
        version=order.version + 1,
        created_at=LATER,
        processed_at=None,
        updated_at=None,
    )
    assert (event.payment.version, event.payment.updated_at) == (order.version + 1, LATER)


def test_the_money_of_a_late_success_is_refunded_by_the_gateway() -> None:
    failed = after(create_order(), pay(), settle(outcome=Outcome.FAILED))
    assert failed is not None
    decided = decide(failed, settle(turn=1), LATER)
    assert isinstance(decided, Decision)
    late, returned = decided.events
    assert isinstance(returned, RefundEvent)
    assert (late.sequence, returned.sequence, returned.at) == (failed.version + 1, failed.version + 2, LATER)
    found = returned.refund
    assert (found.id, found.automatic, found.reason) == (LATE_REFUND, True, LATE_SUCCESS_REASON)
    assert (found.amount, found.deadline_at, found.version) == (failed.amount, DEADLINE, returned.sequence)
