"""Hypothesis drives one order through any sequence of commands, sensible or not, and checks what must always hold.

HYPOTHESIS_PROFILE=nightly runs 120,000 steps; the default is a few seconds.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.action import ACTION_TIME_MAX
from domain.decision import Command, Decision
from domain.event import Event, EventType, OrderEvent
from domain.ids import late_refund_id
from domain.machine import decide, evolve
from domain.order import ENDED, CaptureMode, ExpireOrder, Order, OrderStatus
from domain.outcome import Outcome
from domain.payment import UNDECIDED, ExpirePayment, PaymentStatus
from domain.refund import LATE_REFUNDS_MAX, RefundStatus
from ops.audit.verify.fold import fold
from ops.audit.verify.rows import ORDER as ORDER_ROW
from ops.audit.verify.rows import PAYMENT, REFUND, order_row, payment_row, refund_row
from store import rows
from tests.unit.orders import (
    AMOUNT,
    AT,
    DEADLINE,
    MERCHANT,
    ORDER,
    STRANGER,
    act,
    cancel,
    capture,
    create_order,
    leave,
    pay,
    pay_new,
    refund,
    settle,
    settle_refund,
    stay,
    void,
)
from topics.codec import encode_event

ENDINGS = (EventType.ORDER_CANCELLED, EventType.ORDER_EXPIRED)
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
MOVES_WITH_ANY_EVENT = {"version": 0, "last_event_at": None}
"""Of an order's state; its row has those of the last event that it shows."""
PAYMENTS = st.sampled_from([f"pay_{number:016d}" for number in range(4)])
REFUNDS = st.sampled_from([f"rfnd_{number:016d}" for number in range(6)])
OUTCOMES = st.sampled_from(Outcome)
TURNS = st.integers(0, 4)
MERCHANTS = st.sampled_from([MERCHANT, MERCHANT, MERCHANT, STRANGER])
AMOUNTS = st.one_of(st.integers(-1, AMOUNT + 1), st.sampled_from([1, AMOUNT, AMOUNT // 2, 10**13]))
CLOCK = st.integers(-3_600, 3_600)


class OrderMachine(RuleBasedStateMachine):
    """One order, its history as it would stand on the log, and its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.order: Order | None = None
        self.history: list[Event] = []
        self.log: list[dict[str, object]] = []
        self.refused = 0

    def report(self, command: Command, clock: int) -> None:
        """Decide twice (the same must come out), evolve, write down."""
        at = AT + timedelta(seconds=clock)
        before = self.order
        decided = decide(before, command, at)
        assert decide(before, command, at) == decided
        if not isinstance(decided, Decision):
            self.refused += 1
            return
        caused_by = f"cmd_{len(self.history)}"
        for event in decided.events:
            self.order = evolve(self.order, event)
            self.history.append(event)
            payload = encode_event(event, caused_by=caused_by, request_id=None)
            self.log.append(orjson.loads(payload))

    @initialize(
        clock=CLOCK,
        minutes=st.one_of(st.none(), st.integers(5, 60)),
        mode=st.sampled_from([CaptureMode.MANUAL, CaptureMode.MANUAL, CaptureMode.AUTOMATIC]),
        within=st.one_of(st.none(), st.integers(1, 60)),
        at_once=st.one_of(st.none(), PAYMENTS),
    )
    def begin(
        self, clock: int, minutes: int | None, mode: CaptureMode, within: int | None, at_once: str | None
    ) -> None:
        expires_at = None if minutes is None else AT + timedelta(seconds=clock, minutes=minutes)
        order = create_order(expires_at=expires_at, capture=mode, minutes=within)
        self.report(order if at_once is None else pay_new(order, pay(at_once, MERCHANT)), clock)

    @rule(payment=PAYMENTS, merchant=MERCHANTS, clock=CLOCK)
    def give_up_the_money(self, payment: str, merchant: str, clock: int) -> None:
        self.report(void(payment, merchant), clock)

    @rule(payment=PAYMENTS, clock=st.integers(-3_600, 7_200))
    def look_whether_its_capture_is_late(self, payment: str, clock: int) -> None:
        self.report(ExpirePayment(ORDER, payment), clock)

    @rule(merchant=MERCHANTS, clock=CLOCK)
    def cancel(self, merchant: str, clock: int) -> None:
        self.report(cancel(merchant), clock)

    @rule(clock=st.integers(-3_600, 7_200))
    def look_whether_its_time_is_over(self, clock: int) -> None:
        self.report(ExpireOrder(ORDER), clock)

    @rule(clock=CLOCK)
    def create_again(self, clock: int) -> None:
        self.report(create_order(), clock)

    @rule(payment=PAYMENTS, merchant=st.one_of(st.none(), MERCHANTS), clock=CLOCK)
    def start_payment(self, payment: str, merchant: str | None, clock: int) -> None:
        if self.order is None or self.order.payment(payment) is None:  # payment ids are never reused
            self.report(pay(payment, merchant), clock)

    @rule(payment=PAYMENTS, merchant=MERCHANTS, clock=CLOCK)
    def create_and_pay_again(self, payment: str, merchant: str, clock: int) -> None:
        before = len(self.history)
        self.report(pay_new(create_order(merchant=merchant), pay(payment, merchant)), clock)
        assert self.order is None or before == 0 or len(self.history) == before

    @rule(payment=PAYMENTS, outcome=OUTCOMES, turn=TURNS, clock=CLOCK)
    def bank_reports(self, payment: str, outcome: Outcome, turn: int, clock: int) -> None:
        self.report(settle(payment, outcome, turn), clock)

    @rule(payment=PAYMENTS, minutes=st.integers(-1, 90), url=st.sampled_from(["https://a", "https://b"]), clock=CLOCK)
    def bank_needs_the_payer(self, payment: str, minutes: int, url: str, clock: int) -> None:
        self.report(act(payment, minutes, url), clock)

    @rule(payment=PAYMENTS, merchant=st.one_of(st.none(), MERCHANTS), clock=CLOCK)
    def rather_pay_another_way(self, payment: str, merchant: str | None, clock: int) -> None:
        self.report(leave(payment, merchant), clock)

    @rule(payment=PAYMENTS, clock=CLOCK)
    def bank_does_not_let_go(self, payment: str, clock: int) -> None:
        self.report(stay(payment), clock)

    @rule(payment=PAYMENTS, amount=st.one_of(st.none(), AMOUNTS), merchant=MERCHANTS, clock=CLOCK)
    def take_money(self, payment: str, amount: int | None, merchant: str, clock: int) -> None:
        self.report(capture(payment, amount, merchant), clock)

    @rule(payment=PAYMENTS, refund_id=REFUNDS, amount=st.one_of(st.none(), AMOUNTS), merchant=MERCHANTS, clock=CLOCK)
    def give_back(self, payment: str, refund_id: str, amount: int | None, merchant: str, clock: int) -> None:
        if self.order is None or self.order.refund(refund_id) is None:
            self.report(refund(amount, refund_id, payment, merchant), clock)

    @rule(refund_id=REFUNDS, outcome=OUTCOMES, turn=TURNS, clock=CLOCK)
    def bank_reports_refund(self, refund_id: str, outcome: Outcome, turn: int, clock: int) -> None:
        self.report(settle_refund(refund_id, outcome, turn), clock)

    @rule(payment=PAYMENTS, number=st.integers(1, LATE_REFUNDS_MAX), outcome=OUTCOMES, turn=TURNS, clock=CLOCK)
    def bank_reports_automatic_refund(self, payment: str, number: int, outcome: Outcome, turn: int, clock: int) -> None:
        self.report(settle_refund(late_refund_id(payment, number), outcome, turn), clock)

    @invariant()
    def at_most_one_success_and_one_undecided(self) -> None:
        if self.order is None:
            return
        statuses = [payment.status for payment in self.order.payments]
        assert statuses.count(PaymentStatus.SUCCESS) <= 1
        assert sum(status in UNDECIDED for status in statuses) <= 1
        assert (self.order.status is OrderStatus.PAID) == (PaymentStatus.SUCCESS in statuses)
        paid = [event for event in self.history if event.type is EventType.ORDER_PAID]
        assert len(paid) == statuses.count(PaymentStatus.SUCCESS)

    @invariant()
    def nothing_is_kept_for_an_order_that_has_ended(self) -> None:
        if self.order is None or self.order.status not in ENDED:
            return
        for payment in self.order.payments:
            assert payment.status is PaymentStatus.FAILED or payment.status in UNDECIDED
            kept = [one for one in self.order.refunds if one.payment_id == payment.id]
            assert payment.amount_refunded == payment.amount or all(one.status is RefundStatus.FAILED for one in kept)
        ended_at = next(event.sequence for event in self.history if event.type in ENDINGS)
        begun = [event.sequence for event in self.history if event.type is EventType.PAYMENT_CREATED]
        assert all(sequence < ended_at for sequence in begun)

    @invariant()
    def what_refunds_take_is_there_or_owed(self) -> None:
        if self.order is None:
            return
        for payment in self.order.payments:
            of_it = [one for one in self.order.refunds if one.payment_id == payment.id]
            taken = sum(one.amount for one in of_it if one.status is not RefundStatus.FAILED)
            assert taken - payment.amount_owed <= payment.amount
            requested = sum(one.amount for one in of_it if one.status is not RefundStatus.FAILED and not one.automatic)
            refunded = max(requested, taken - payment.amount_released)
            assert payment.amount_refunded == min(refunded, payment.amount - payment.amount_released)
            assert payment.amount_captured + payment.amount_released <= payment.amount
            assert payment.amount_refunded + payment.amount_released <= payment.amount
            assert (
                payment.reversed
                or payment.refundable == max(0, payment.refundable) <= payment.amount - taken
                or taken > payment.amount
            )
            assert payment.amount_owed == (taken if payment.reversed else max(0, taken - payment.amount))
            assert not payment.reversed or payment.refundable == 0
            assert not payment.captured or payment.status is PaymentStatus.SUCCESS
            assert payment.status is PaymentStatus.SUCCESS or all(one.automatic for one in of_it)

    @invariant()
    def what_is_left_is_captured_or_released(self) -> None:
        refunded: dict[str, int] = {}
        for event in self.history:
            if isinstance(event, OrderEvent):
                continue
            if event.type in (EventType.PAYMENT_CAPTURED, EventType.PAYMENT_VOIDED, EventType.PAYMENT_EXPIRED):
                decided = event.payment.amount_captured + event.payment.amount_released
                assert decided == event.payment.amount - refunded[event.payment.id] > 0
            refunded[event.payment.id] = event.payment.amount_refunded
            assert event.payment.captured == (event.payment.amount_captured > 0)
            assert not (event.payment.captured and event.payment.voided)
            assert event.payment.voided == (event.payment.void_reason is not None)

    @invariant()
    def what_was_released_goes_back(self) -> None:
        for payment in self.order.payments if self.order is not None else ():
            returned = [one for one in self.order.refunds if one.payment_id == payment.id and one.automatic]  # type: ignore[union-attr]
            assert bool(returned) or payment.amount_released == 0

    @invariant()
    def the_payer_has_something_to_do_only_until_the_bank_decides(self) -> None:
        for payment in self.order.payments if self.order is not None else ():
            assert payment.next_action is None or payment.status is PaymentStatus.PROCESSING
            assert payment.cancellation is None or payment.status is PaymentStatus.PROCESSING
            assert payment.deadline_at <= max(DEADLINE, (payment.updated_at or AT) + ACTION_TIME_MAX)

    @invariant()
    def events_are_numbered_and_never_go_back_in_time(self) -> None:
        assert [event.sequence for event in self.history] == list(range(1, len(self.history) + 1))
        times = [event.at for event in self.history]
        assert times == sorted(times)

    @invariant()
    def the_auditor_agrees_with_the_rows_that_are_stored(self) -> None:
        book = fold(ORDER, self.log)
        assert book.findings == []
        if self.order is None:
            return
        assert [_named(PAYMENT, payment_row(part)) for part in book.payments.values()] == sorted(
            (_named(rows.PAYMENT_COLUMNS, rows.payment_row(payment)) for payment in self.order.payments),
            key=_position(book.payments),
        )
        assert [_named(REFUND, refund_row(part, ORDER)) for part in book.refunds.values()] == sorted(
            (_named(rows.REFUND_COLUMNS, rows.refund_row(one)) for one in self.order.refunds),
            key=_position(book.refunds),
        )
        stored = _named(rows.ORDER_COLUMNS, rows.order_row(self.order))
        assert {**_named(ORDER_ROW, order_row(book)), **MOVES_WITH_ANY_EVENT} == {**stored, **MOVES_WITH_ANY_EVENT}


def _named(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    """The row by column, its JSON read: the auditor spells it as PostgreSQL does, the actor's writer more briefly."""
    values = dict(zip(columns, row, strict=True))
    return values | {name: orjson.loads(values[name]) for name in ("instrument", "next_action") if values.get(name)}


def _position(known: dict[str, object]) -> object:
    order = list(known)
    return lambda row: order.index(row["id"])


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=2_000 if NIGHTLY else 60,
    stateful_step_count=60 if NIGHTLY else 25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
