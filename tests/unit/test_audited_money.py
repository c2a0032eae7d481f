"""The audit's fold on histories that are right but for one event that is missing, extra or of another amount."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decision import Command
from domain.order import CaptureMode
from domain.outcome import Outcome
from ops.audit.verify.fold import fold
from tests.unit.orders import LATE, LINK, ORDER, STATES, Earlier, after, capture, create_order, pay, settle
from tests.unit.test_audited_replies import grown

Json = dict[str, Any]
History = tuple[Command | Earlier, ...]
AUTOMATIC = (create_order(capture=CaptureMode.AUTOMATIC), pay(), settle())
PAID = (create_order(), pay(), settle())
LINK_PAID = (create_order(link=LINK), pay(), settle())
PART = (*PAID, capture(amount=30_000))


def events_of(history: History) -> list[Json]:
    """As JSON, to be changed."""
    return grown(history)[1]


def messages(events: list[Json]) -> list[str]:
    """The findings about these events, numbered anew."""
    for number, event in enumerate(events, 1):
        event["id"] = f"evt_{ORDER[-16:]}_{number}"
        event["body"]["sequence"] = number
    return [finding.message for finding in fold(ORDER, events).findings]


def without(events: list[Json], kind: str) -> list[Json]:
    left = [event for event in events if event["type"] != kind]
    assert len(left) == len(events) - 1
    return left


ALL_REFUSED = "late, every refund refused"


@pytest.mark.parametrize("state", [state for state in STATES if state != ALL_REFUSED])
def test_every_history_of_the_rules_is_right(state: str) -> None:
    assert messages(events_of(STATES[state])) == []


@pytest.mark.parametrize("state", STATES)
def test_the_audit_has_the_version_of_each_payments_row(state: str) -> None:
    order, book = after(*STATES[state]), fold(ORDER, events_of(STATES[state]))
    if order is not None:
        rows = {payment.id: payment.version for payment in order.payments}
        assert {payment_id: part.version for payment_id, part in book.payments.items()} == rows


def test_money_that_nothing_gives_back_any_more_is_a_finding() -> None:
    """After the last automatic refund; before it, another one follows."""
    found = "was charged after it failed and no refund returns it"
    history = STATES[ALL_REFUSED]
    assert messages(events_of(history)) == [found]
    assert messages(events_of(history[:-2])) == messages(events_of(history[:-1])) == []


def test_a_success_is_captured_by_the_same_decision_if_its_order_requests_it() -> None:
    message = "payment.captured does not follow the payment's success"
    assert message in messages(without(events_of(AUTOMATIC), "payment.captured"))
    events = events_of(AUTOMATIC)
    next(event for event in events if event["type"] == "payment.captured")["caused_by"] = "cmd_of_somebody"
    assert message in messages(events)


def test_no_success_is_captured_by_itself_where_its_order_does_not_say_so() -> None:
    events = events_of(AUTOMATIC)
    events[0]["body"]["order"]["capture"] = "manual"
    assert "order.paid does not follow the payment's success" in messages(events)


@pytest.mark.parametrize("history", [PAID, AUTOMATIC, LINK_PAID])
def test_a_paid_order_is_announced(history: History) -> None:
    message = "order.paid does not follow the payment's success"
    assert message in messages(without(events_of(history), "order.paid"))


def test_an_order_of_a_version_that_announced_nothing_is_right() -> None:
    events = without(events_of(PAID), "order.paid")
    del events[0]["body"]["order"]["capture"]
    assert messages(events) == []


def test_a_charge_of_a_failed_payment_is_returned() -> None:
    assert messages(without(events_of(LATE), "refund.created")) == [
        "was charged after it failed and no refund returns it"
    ]


def test_a_charge_that_the_bank_took_back_needs_no_return() -> None:
    history = (create_order(), pay(), settle(outcome=Outcome.FAILED), settle(outcome=Outcome.FAILED, turn=2))
    assert messages(events_of(history)) == []


@pytest.mark.parametrize(
    "history",
    [LATE, PART, STATES["voided"], STATES["expired uncaptured"]],
    ids=["late", "captured in part", "voided", "expired"],
)
def test_what_is_returned_is_all_of_it(history: History) -> None:
    events = events_of(history)
    refund = next(event["body"]["refund"] for event in events if event["type"] == "refund.created")
    whole = refund["amount"]
    refund["amount"] -= 1
    assert f"returns {whole - 1} of {whole}" in messages(events)
