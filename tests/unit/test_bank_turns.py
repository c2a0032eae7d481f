"""A bank that changes its word: where the money is, who owes it, and that only the last word counts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decision import Decision
from domain.machine import decide, evolve
from domain.order import Order, OrderStatus
from domain.outcome import Outcome, Word
from domain.payment import PaymentStatus
from domain.refund import RefundStatus
from domain.rules.words import words_between
from ops.audit.verify.counted import cell_of, cells
from ops.audit.verify.fold import fold
from store.analytics import measures
from tests.unit.orders import (
    AMOUNT,
    AT,
    FIRST,
    LATE,
    LATE_REFUND,
    ORDER,
    OTHER_REFUND,
    REFUND,
    REPLACED,
    Command,
    after,
    capture,
    create_order,
    pay,
    refund,
    settle,
    settle_refund,
)
from topics.codec import encode_event

FAILED, SUCCESS = Outcome.FAILED, Outcome.SUCCESS
PAID = (create_order(), pay(), settle())


@dataclass(frozen=True)
class Money:
    """Where a payment's money is."""

    reversed: bool = False
    refunded: int = 0
    owed: int = 0


STORIES: dict[str, tuple[tuple[Command, ...], Money]] = {
    "a reversal": ((*PAID, settle(outcome=FAILED, turn=1)), Money(reversed=True)),
    "a reversal of a captured payment": ((*PAID, capture(), settle(outcome=FAILED, turn=1)), Money(reversed=True)),
    "a reversal while a refund is pending": (
        (*PAID, refund(20_000), settle(outcome=FAILED, turn=1)),
        Money(reversed=True, refunded=20_000, owed=20_000),
    ),
    "a reversal, then the pending refund is processed": (
        (*PAID, refund(20_000), settle(outcome=FAILED, turn=1), settle_refund()),
        Money(reversed=True, refunded=20_000, owed=20_000),
    ),
    "a reversal, then the pending refund fails": (
        (*PAID, refund(20_000), settle(outcome=FAILED, turn=1), settle_refund(outcome=FAILED)),
        Money(reversed=True),
    ),
    "a reversal, then the failed refund succeeds late": (
        (
            *(*PAID, refund(20_000), settle(outcome=FAILED, turn=1)),
            *(settle_refund(outcome=FAILED), settle_refund(turn=1)),
        ),
        Money(reversed=True, refunded=20_000, owed=20_000),
    ),
    "a reversal that is taken back": (
        (*PAID, refund(20_000), settle(outcome=FAILED, turn=1), settle(turn=2)),
        Money(refunded=20_000),
    ),
    "a late refund whose money is there": (
        (*PAID, refund(20_000), settle_refund(outcome=FAILED), settle_refund(turn=1)),
        Money(refunded=20_000),
    ),
    "a late refund after another took its place": (
        (*REPLACED, settle_refund(turn=1)),
        Money(refunded=AMOUNT, owed=AMOUNT),
    ),
    "a late refund beside a partial one": (
        (
            *(*PAID, refund(40_000), settle_refund(outcome=FAILED), refund(30_000, OTHER_REFUND)),
            settle_refund(turn=1),
        ),
        Money(refunded=AMOUNT, owed=20_000),
    ),
    "a late refund beside a pending one that fails": (
        (
            *(*PAID, refund(40_000), settle_refund(outcome=FAILED), refund(30_000, OTHER_REFUND)),
            *(settle_refund(turn=1), settle_refund(OTHER_REFUND, FAILED)),
        ),
        Money(refunded=40_000),
    ),
    "a refund that bounces": (
        (*PAID, refund(20_000), settle_refund(), settle_refund(outcome=FAILED, turn=1)),
        Money(),
    ),
    "a late refund that bounces": (
        (*REPLACED, settle_refund(turn=1), settle_refund(outcome=FAILED, turn=2)),
        Money(refunded=AMOUNT),
    ),
    "the other refund bounces instead": (
        (*REPLACED, settle_refund(turn=1), settle_refund(OTHER_REFUND, FAILED, 1)),
        Money(refunded=AMOUNT),
    ),
    "a late charge": (LATE, Money(refunded=AMOUNT)),
    "a late charge that is taken back": (
        (*LATE, settle(outcome=FAILED, turn=2)),
        Money(reversed=True, refunded=AMOUNT, owed=AMOUNT),
    ),
    "a late charge, taken back and charged again": (
        (*LATE, settle(outcome=FAILED, turn=2), settle(turn=3)),
        Money(refunded=AMOUNT),
    ),
    "an automatic refund that comes through after the second one": (
        (*LATE, settle_refund(LATE_REFUND, FAILED), settle(turn=1), settle_refund(LATE_REFUND, turn=1)),
        Money(refunded=AMOUNT, owed=AMOUNT),
    ),
}


@pytest.mark.parametrize(("commands", "money"), STORIES.values(), ids=STORIES.keys())
def test_the_money_is_where_the_last_reports_put_it(commands: tuple[Command, ...], money: Money) -> None:
    order = after(*commands)
    assert order is not None
    payment = order.payment(FIRST)
    assert payment is not None
    assert Money(payment.reversed, payment.amount_refunded, payment.amount_owed) == money
    assert payment.refundable == (0 if payment.reversed else AMOUNT - money.refunded)


@pytest.mark.parametrize("commands", [story for story, _ in STORIES.values()], ids=STORIES.keys())
def test_the_auditor_counts_what_the_analytics_count(commands: tuple[Command, ...]) -> None:
    _, history = _history_of(commands)
    counted = {
        cell_of(cell.starts_at, cell.measure, cell.label): (total.count, total.amount_minor)
        for cell, total in measures.fold(history).items()
        if cell.grain_minutes == measures.QUARTER
    }
    audited: dict[str, tuple[int, int]] = {}
    for event in history:
        for cell, count, amount in cells(event):
            before = audited.get(cell, (0, 0))
            audited[cell] = (before[0] + count, before[1] + amount)
    assert audited == counted
    assert all(count >= 0 for count, _ in audited.values())


def test_a_reversed_payment_and_its_order_keep_their_status() -> None:
    order = after(*PAID, settle(outcome=FAILED, turn=1))
    assert order is not None
    assert order.status is OrderStatus.PAID
    assert [payment.status for payment in order.payments] == [PaymentStatus.SUCCESS]


def test_a_late_refund_is_processed_and_carries_no_error() -> None:
    order = after(*PAID, refund(), settle_refund(outcome=FAILED), settle_refund(turn=1))
    assert order is not None
    late = order.refund(REFUND)
    assert late is not None
    assert (late.status, late.error_code, late.processed_at) == (RefundStatus.PROCESSED, None, AT)


def test_a_contradiction_that_leads_to_nothing_is_marked() -> None:
    order = after(*PAID, settle(outcome=FAILED, turn=1))
    decided = decide(order, settle(turn=0), AT)
    assert isinstance(decided, Decision)
    assert (decided.events, decided.outdated) == ((), True)


def test_a_repeated_report_is_not_a_contradiction() -> None:
    decided = decide(after(*PAID), settle(), AT)
    assert isinstance(decided, Decision)
    assert (decided.events, decided.outdated) == ((), False)


TRUTH = st.builds(
    lambda first, length: [(turn, first if turn % 2 == 0 else _other(first)) for turn in range(length)],
    st.sampled_from(Outcome),
    st.integers(1, 5),
)
"""What a bank that counts says, in turn."""


def _other(outcome: Outcome) -> Outcome:
    return FAILED if outcome is SUCCESS else SUCCESS


@given(truth=TRUTH, data=st.data())
def test_reports_about_a_payment_may_arrive_in_any_order_and_repeatedly(
    truth: list[tuple[int, Outcome]], data: st.DataObject
) -> None:
    words = data.draw(st.permutations(truth + data.draw(st.lists(st.sampled_from(truth), max_size=3))))
    order, history = _history_of((create_order(), pay(), *(settle(FIRST, outcome, turn) for turn, outcome in words)))
    payment = order.payment(FIRST)
    assert payment is not None
    last_turn, last = truth[-1]
    returned = any(one.automatic for one in order.refunds)
    charged = not payment.reversed and (payment.status is PaymentStatus.SUCCESS or returned)
    assert (charged, payment.bank_turn) == (last is SUCCESS, last_turn)
    assert fold(ORDER, history).findings == []


@given(truth=TRUTH, data=st.data())
def test_reports_about_a_refund_may_arrive_in_any_order_and_repeatedly(
    truth: list[tuple[int, Outcome]], data: st.DataObject
) -> None:
    words = data.draw(st.permutations(truth + data.draw(st.lists(st.sampled_from(truth), max_size=3))))
    received = (settle_refund(REFUND, outcome, turn) for turn, outcome in words)
    order, history = _history_of((*PAID, refund(20_000), *received))
    settled, payment = order.refund(REFUND), order.payment(FIRST)
    assert settled is not None
    assert payment is not None
    last_turn, last = truth[-1]
    assert settled.bank_turn == last_turn
    assert settled.status is (RefundStatus.PROCESSED if last is SUCCESS else RefundStatus.FAILED)
    assert (payment.amount_refunded, payment.amount_owed) == (20_000 if last is SUCCESS else 0, 0)
    assert fold(ORDER, history).findings == []


ANY_WORD = st.builds(Word, st.integers(0, 4), st.booleans())


@given(known=ANY_WORD, message=ANY_WORD)
def test_each_report_to_record_is_later_than_the_previous_one_and_its_opposite(known: Word, message: Word) -> None:
    known, message = sorted((known, message))
    words = words_between(known, message)
    for before, word in pairwise((known, *words)):
        assert word > before
        assert word.moved is not before.moved
    assert not words or words[-1] == message
    assert words or message.moved is known.moved


@given(words=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(Outcome)), max_size=8))
def test_a_bank_that_miscounts_its_reports_leaves_a_history_that_the_audit_accepts(
    words: list[tuple[int, Outcome]],
) -> None:
    _, history = _history_of((create_order(), pay(), *(settle(FIRST, outcome, turn) for turn, outcome in words)))
    assert fold(ORDER, history).findings == []


def _history_of(commands: tuple[Command, ...]) -> tuple[Order, list[dict[str, object]]]:
    """(order after the commands, its events as JSON)."""
    order: Order | None = None
    history: list[dict[str, object]] = []
    for number, command in enumerate(commands):
        decided = decide(order, command, AT)
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            history.append(orjson.loads(encode_event(event, caused_by=f"cmd_{number}", request_id=None)))
    assert order is not None
    return order, history
