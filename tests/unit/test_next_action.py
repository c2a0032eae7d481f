"""A step that the bank needs of the payer: it reaches the payment, holds until the outcome, and moves the deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import orjson
import pytest

from agents.bank.port import ActionRequired, BankResult
from agents.bank.settlement import settle_record
from agents.processor.processor import TYPES
from domain.action import ACTION_TIME_MAX, ActionType, NextAction
from domain.event import EventType
from domain.event_kind import MERCHANT_EVENTS
from domain.order import Order
from domain.outcome import Outcome
from domain.payment import Payment, PaymentStatus, RequireAction
from domain.resource import payment_resource
from ops.audit.verify.fold import fold
from runtime.settings import Settings
from store.rows import PAYMENT_COLUMNS, payment_of, payment_row
from tests.unit.orders import AT, DEADLINE, FIRST, ORDER, act, after, create_order, pay, settle
from topics.codec import command_of
from topics.envelope import decode

WAITING = (create_order(), pay(), act())


def payment_in(order: Order | None) -> Payment:
    assert order is not None
    payment = order.payment(FIRST)
    assert payment is not None
    return payment


def test_the_payment_shows_the_step_and_stays_processing() -> None:
    payment = payment_in(after(*WAITING))
    assert payment.status is PaymentStatus.PROCESSING
    assert payment_resource(payment)["next_action"] == {
        "type": "redirect",
        "url": "https://bank.example/step",
        "expires_at": AT + timedelta(minutes=5, microseconds=1),
    }


@pytest.mark.parametrize("outcome", Outcome)
def test_the_outcome_clears_the_step(outcome: Outcome) -> None:
    payment = payment_in(after(*WAITING, settle(outcome=outcome)))
    assert payment_resource(payment)["next_action"] is None


def test_a_step_that_arrives_after_the_outcome_changes_nothing() -> None:
    assert after(create_order(), pay(), settle(), act()) == after(create_order(), pay(), settle())


def test_the_newest_step_holds_in_whatever_order_the_steps_arrive() -> None:
    steps = [act(minutes=4), act(minutes=6), act(minutes=6, url="https://bank.example/a"), act(minutes=5)]
    held = {payment_in(after(create_order(), pay(), *order)).next_action for order in permutations(steps)}
    assert held == {steps[1].action}


def test_the_bank_is_not_queried_before_the_step_expires() -> None:
    assert payment_in(after(*WAITING)).deadline_at == AT + timedelta(minutes=5, microseconds=1)


def test_a_step_without_a_sensible_end_moves_the_deadline_by_an_hour_at_most() -> None:
    for_ever = act(minutes=60 * 24 * 365)
    assert payment_in(after(create_order(), pay(), for_ever)).deadline_at == AT + ACTION_TIME_MAX


def test_a_step_that_expires_before_the_deadline_leaves_it_where_it_is() -> None:
    assert payment_in(after(create_order(), pay(), act(minutes=-1))).deadline_at == DEADLINE


def test_the_row_keeps_the_step() -> None:
    payment = payment_in(after(*WAITING))
    row = dict(zip(PAYMENT_COLUMNS, payment_row(payment), strict=True))
    assert payment_of(row) == payment  # type: ignore[arg-type]  # a row of ours


def test_the_event_is_internal_and_causes_no_webhook() -> None:
    assert EventType.PAYMENT_ACTION_REQUIRED not in MERCHANT_EVENTS
    assert EventType.PAYMENT_ACTION_REQUIRED.encode() not in TYPES


def command_for(report: ActionRequired | BankResult, again: str = "") -> tuple[str, object]:
    """(command id, command) that informs the actor of this report."""
    record = settle_record(
        report, order_id=ORDER, caused_by=None, request_id=None, settings=Settings(test_mode=True), again=again
    )
    envelope = decode(record.value)
    return envelope.id, command_of(envelope)


def test_the_same_step_is_one_command_however_often_the_bank_reports_it() -> None:
    report = ActionRequired(FIRST, act().action)
    assert (
        command_for(report)
        == command_for(report, again="again1")
        != command_for(ActionRequired(FIRST, act(minutes=6).action))
    )
    assert command_for(report)[1] == act()


def test_an_expiry_of_a_whole_second_still_shows_six_digits() -> None:
    action = NextAction(ActionType.OTP, "https://bank.example/otp", datetime(2030, 1, 1, tzinfo=UTC))
    _, command = command_for(ActionRequired(FIRST, action))
    assert isinstance(command, RequireAction)
    assert command.action.expires_at.isoformat() == "2030-01-01T00:00:00.000001+00:00"


def event(sequence: int, kind: str, status: str, action: object) -> dict[str, object]:
    """An event of a payment as the auditor reads it; `sequence` counts from payment.processing, number 1."""
    payment = payment_resource(payment_in(after(create_order(), pay()))) | {"status": status, "next_action": action}
    body = {"order_id": ORDER, "merchant_id": payment["merchant_id"], "sequence": sequence, "payment": payment}
    record = {"id": f"evt_{ORDER[-16:]}_{sequence}", "type": kind, "key": ORDER, "at": AT, "caused_by": "cmd_1"}
    found: dict[str, object] = orjson.loads(
        orjson.dumps(record | {"body": body | {"bank": {}}}, option=orjson.OPT_UTC_Z)
    )
    return found


STEP = {"type": "redirect", "url": "https://bank.example", "expires_at": "2030-01-31T12:05:00.000001Z"}
OLDER = STEP | {"expires_at": "2030-01-31T12:04:00.000001Z"}


@pytest.mark.parametrize(
    ("kind", "status", "action", "message"),
    [
        ("payment.success", "SUCCESS", STEP, "next_action does not follow"),
        ("payment.action_required", "PROCESSING", None, "next_action does not follow"),
        ("payment.action_required", "PROCESSING", OLDER, "an older step of the payer"),
        ("payment.action_required", "PROCESSING", STEP, ""),
        ("payment.success", "SUCCESS", None, ""),
    ],
)
def test_the_auditor_checks_when_a_payment_may_show_a_step(
    kind: str, status: str, action: object, message: str
) -> None:
    history = [
        event(1, "payment.created", "CREATED", None),
        event(2, "payment.processing", "PROCESSING", None),
        event(3, "payment.action_required", "PROCESSING", STEP),
        event(4, kind, status, action),
    ]
    about_steps = [
        one.message for one in fold(ORDER, history).findings if "step" in one.message or "action" in one.message
    ]
    assert len(about_steps) == bool(message)
    assert all(shown.startswith(message) for shown in about_steps)
