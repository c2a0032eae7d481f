"""docs/reference/STATES.md and its diagrams, from the state machine itself: every command is tried in every state.

nothing ─► decide ─► events ─► evolve ─► a state that was not seen yet ─► decide ─► …

Two orders count as one state if their drawn parts are equal: statuses, and what happened to the money.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import assert_never

from domain.action import ActionType, NextAction
from domain.decision import Command
from domain.event import Event, EventType, OrderEvent, PaymentEvent, RefundEvent
from domain.instrument import Upi
from domain.machine import decide, evolve
from domain.order import CancelOrder, CreateOrder, ExpireOrder, Order
from domain.outcome import Outcome
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
from domain.refund import CreateRefund, Refund, SettleRefund
from domain.rejection import Rejected
from ops.reference.diagram import Arrow, Box, drawn
from ops.reference.page import code, page, table

AT = datetime(2030, 1, 1, tzinfo=UTC)
ORDER, PAYMENT, REFUND = "order_AAAAAAAAAAAAAAAA", "pay_AAAAAAAAAAAAAAAA", "rfnd_AAAAAAAAAAAAAAAA"
MERCHANT = "mrc_AAAAAAAAAAAAAAAA"
NOTHING = "—"
STATES_MAX = 5_000
"""Far above the few hundred that there are; a rule that makes new states without end stops the generation."""
INTRODUCTION = """A payment is one attempt at the bank, a refund is one too; an order is paid by at most one payment.
`domain/machine.py` decides: the tables list every change of status that it can make, found by trying each command in
each state that can be reached with one order, one payment and its refunds."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """`event` leads from one status to another."""

    before: str
    event: str
    after: str


def states_page() -> str:
    """The whole page."""
    found = steps()
    sections = [
        f"## {title}\n\n![States of {article} {name}](../images/states-{name}.svg)\n\n{_table(found[name])}"
        for title, article, name in (("Order", "an", "order"), ("Payment", "a", "payment"), ("Refund", "a", "refund"))
    ]
    return page("States", "`domain/machine.py`", INTRODUCTION, *sections)


def steps() -> dict[str, list[Step]]:
    """`order`, `payment` and `refund` -> every step, in a fixed order."""
    found: dict[str, set[Step]] = {"order": set(), "payment": set(), "refund": set()}
    for order, event in _transitions():
        name, step = _step(order, event)
        found[name].add(step)
    return {name: sorted(of_it, key=_place) for name, of_it in found.items()}


def state_diagram(name: str) -> str:
    """The SVG of `order`, `payment` or `refund`. Reversals by the bank are only in the table."""
    found = [step for step in steps()[name] if not {"reversed"} & {*step.before.split(", "), *step.after.split(", ")}]
    moves = [step for step in found if step.before != step.after]
    boxes = _boxes(moves, [step for step in found if step.before == step.after])
    pairs = dict.fromkeys((step.before, step.after) for step in moves)
    arrows = [
        Arrow(*pair, tuple(step.event for step in moves if (step.before, step.after) == pair))
        for pair in pairs
        if pair[0] != NOTHING
    ]
    return drawn(f"States of one {name}", boxes, arrows)


def _boxes(moves: Sequence[Step], loops: Sequence[Step]) -> dict[str, Box]:
    """Each status as far to the right as the steps that lead to it, from the one that is there at once."""
    columns: dict[str, int] = {}
    ahead = [NOTHING]
    for number in range(len(moves) + 1):
        ahead = [step.after for one in ahead for step in moves if step.before == one and step.after not in columns]
        columns |= dict.fromkeys(ahead, number)
    rows: Counter[int] = Counter()
    boxes = {}
    for status, column in columns.items():
        notes = tuple(f"↻ {step.event}" for step in loops if step.before == status)
        boxes[status] = Box(status, column, rows[column], notes, "core" if column == 0 else "box")
        rows[column] += 1
    tallest = max(rows.values())
    return {status: replace(box, row=box.row + (tallest - rows[box.column]) / 2) for status, box in boxes.items()}


def _place(step: Step) -> tuple[int, Step]:
    return list(EventType).index(EventType(step.event)), step


@cache
def _transitions() -> list[tuple[Order | None, Event]]:
    """Every event that can happen, with the order as it was before the decision that made it."""
    return list(_explored())


def _explored() -> Iterator[tuple[Order | None, Event]]:
    seen, waiting = {_abstract(None)}, deque[Order | None]([None])
    while waiting:
        order = waiting.popleft()
        for command, at in _commands():
            decision = decide(order, command, at)
            if isinstance(decision, Rejected):
                continue
            after = order
            for event in decision.events:
                yield (order if isinstance(event, OrderEvent) else after), event
                after = evolve(after, event)
            if _abstract(after) not in seen:
                assert len(seen) < STATES_MAX, "the state machine makes ever new states"
                seen.add(_abstract(after))
                waiting.append(after)


def _commands() -> Iterator[tuple[Command, datetime]]:
    """One command of each kind, with the variants that the rules distinguish."""
    late = AT + timedelta(days=2)
    create = CreateOrder(ORDER, MERCHANT, 1_000, "INR", None, {}, expires_at=AT + timedelta(days=1))
    yield replace(create, capture_within_minutes=60), AT
    yield CreatePayment(ORDER, PAYMENT, None, Upi("a@upi"), "token", None, None, AT + timedelta(minutes=1)), AT
    action = NextAction(ActionType.REDIRECT, "https://bank.example", AT + timedelta(minutes=5))
    yield RequireAction(ORDER, PAYMENT, action), AT
    yield CancelPayment(ORDER, PAYMENT, None), AT
    yield RefuseCancel(ORDER, PAYMENT), AT
    for turn in (0, 1, 2):
        for outcome in Outcome:
            yield SettlePayment(ORDER, PAYMENT, outcome, None, None, None, AT + timedelta(minutes=2), turn), AT
            yield SettleRefund(ORDER, REFUND, outcome, None, None, None, turn), AT
    yield CapturePayment(ORDER, PAYMENT, MERCHANT, None), AT
    yield VoidPayment(ORDER, PAYMENT, MERCHANT), AT
    yield ExpirePayment(ORDER, PAYMENT), late
    yield CreateRefund(ORDER, PAYMENT, REFUND, MERCHANT, 400, None, AT + timedelta(minutes=2)), AT
    yield CancelOrder(ORDER, MERCHANT), AT
    yield ExpireOrder(ORDER), late


def _abstract(order: Order | None) -> object:
    if order is None:
        return None
    return (
        order.status,
        *(
            (one.status, one.bank_turn, one.cancellation, one.next_action is None, _drawn(one))
            for one in order.payments
        ),
        *((one.id == REFUND, one.status, one.bank_turn) for one in order.refunds),
    )


def _step(before: Order | None, event: Event) -> tuple[str, Step]:
    """What the event is about, and its step."""
    match event:
        case OrderEvent():
            return "order", Step(NOTHING if before is None else before.status, event.type, event.order.status)
        case PaymentEvent():
            was = _find(before.payments if before else (), event.payment.id)
            return "payment", Step(was, event.type, _drawn(event.payment))
        case RefundEvent():
            was = _find(before.refunds if before else (), event.refund.id)
            return "refund", Step(was, event.type, _drawn(event.refund))
    assert_never(event)


def _find(among: Iterable[Payment | Refund], resource_id: str) -> str:
    return next((_drawn(one) for one in among if one.id == resource_id), NOTHING)


def _drawn(one: Payment | Refund) -> str:
    """The status, with what happened to the money of a success."""
    if isinstance(one, Refund):
        return one.status
    marks = [
        mark
        for mark, holds in (("captured", one.captured), ("voided", one.voided), ("reversed", one.reversed))
        if holds
    ]
    return ", ".join([one.status, *marks])


def _table(found: Iterable[Step]) -> str:
    return table(
        ("from", "event", "to"), [(_status(step.before), code(step.event), _status(step.after)) for step in found]
    )


def _status(status: str) -> str:
    return status if status == NOTHING else code(status)
