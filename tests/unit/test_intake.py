"""A command's time against the log's own timestamp."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agents.payments.intake import AHEAD_MAX, BEHIND_MAX, Incoming, Received, received_of
from domain.decision import Command
from domain.payment import CreatePayment, SettlePayment
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund
from tests.unit.orders import DEADLINE, ORDER, capture, create_order, pay, pay_new, refund, settle
from topics.catalogue import COMMANDS
from topics.codec import command_envelope
from topics.deadletter import Origin
from topics.envelope import UndecodableError, encode

LOGGED_AT = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def taken(command: Command, at: datetime) -> Received:
    envelope = command_envelope(command, command_id="cmd_1", at=at, request_id="req_1")
    return received_of(Incoming(ORDER.encode(), encode(envelope), (), Origin(COMMANDS, 0, 0), LOGGED_AT))


def deadline(command: Command) -> datetime | None:
    match command:
        case CreatePayment() | CreateRefund():
            return command.deadline_at
        case PayNewOrder(payment=payment):
            return payment.deadline_at
        case SettlePayment():
            return command.late_deadline_at
    return None


@pytest.mark.parametrize("by", [-BEHIND_MAX + timedelta(microseconds=1), timedelta(), AHEAD_MAX])
def test_a_time_within_bounds_is_left_as_it_is(by: timedelta) -> None:
    one = taken(pay(), LOGGED_AT + by)
    assert (one.envelope.at, deadline(one.command)) == (LOGGED_AT + by, DEADLINE)


@pytest.mark.parametrize(
    "command", [pay(), pay_new(), refund(), settle()], ids=["payment", "both", "refund", "settlement"]
)
@pytest.mark.parametrize(("by", "bound"), [(DAY, AHEAD_MAX), (-DAY, -BEHIND_MAX)], ids=["ahead", "behind"])
def test_a_wrong_clock_is_corrected_and_the_deadline_moves_along(
    command: Command, by: timedelta, bound: timedelta
) -> None:
    one = taken(command, LOGGED_AT + by)
    assert one.envelope.at - (LOGGED_AT + bound) <= timedelta(microseconds=1)
    assert deadline(one.command) == DEADLINE + bound - by


@pytest.mark.parametrize("command", [create_order(), capture()], ids=["order", "capture"])
def test_a_command_without_a_deadline_is_corrected_too(command: Command) -> None:
    assert taken(command, LOGGED_AT + DAY).envelope.at - LOGGED_AT <= AHEAD_MAX + timedelta(microseconds=1)


def test_a_corrected_time_is_never_a_whole_second() -> None:
    assert taken(pay(), LOGGED_AT + DAY).envelope.at.microsecond == 1


def test_a_deadline_that_would_leave_the_calendar_cannot_be_decoded() -> None:
    with pytest.raises(UndecodableError, match="out of range"):
        taken(replace(pay(), deadline_at=datetime.max.replace(tzinfo=UTC)), LOGGED_AT - DAY)


def test_the_same_record_is_corrected_to_the_same_time_whenever_it_is_read() -> None:
    assert taken(pay(), LOGGED_AT + DAY) == taken(pay(), LOGGED_AT + DAY)
