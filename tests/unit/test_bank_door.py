"""A bank's notification over HTTP becomes the same command as the response to a query, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.bank import Door, notice
from agents.bank.port import BankResult
from agents.bank.settlement import settle_record
from agents.bank.simulated import SimulatedBank
from domain.outcome import Outcome
from domain.rejection import NOTIFICATION_FORGED, NOTIFICATION_UNREADABLE, PAYMENT_NOT_FOUND
from runtime.settings import Settings
from tests.unit.orders import FIRST, ORDER
from topics.codec import command_of
from topics.envelope import decode
from topics.producer import LogUnavailableError, Record

SETTINGS = Settings(test_mode=True)
BANK = SimulatedBank(SETTINGS)
PAID = BankResult(FIRST, Outcome.SUCCESS, None, None, "bank_1")


class Log:
    """What the door wrote."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.available = True

    async def write(self, record: Record) -> int:
        if not self.available:
            raise LogUnavailableError("no connection to the log")
        self.records.append(record)
        return len(self.records)


async def order_of(attempt_id: str) -> str | None:
    return ORDER if attempt_id == FIRST else None


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def door(log: Log) -> Door:
    return Door(BANK, SETTINGS, order_of=order_of, write=log.write)


def facts(record: Record) -> tuple[object, ...]:
    """Everything of a command but the moment at which it was made."""
    envelope = decode(record.value)
    command = command_of(envelope)
    return record.topic, record.partition, record.key, envelope.id, replace(command, late_deadline_at=None)  # type: ignore[call-arg, arg-type]


async def test_a_notification_is_the_command_that_a_querys_response_would_be(door: Door, log: Log) -> None:
    assert await door.receive(*BANK.notification(PAID), request_id="req_1") is None
    of_query = settle_record(PAID, order_id=ORDER, caused_by=None, request_id=None, settings=SETTINGS)
    (record,) = log.records
    assert facts(record) == facts(of_query)
    assert decode(record.value).request_id == "req_1"


async def test_a_repeated_notification_is_the_same_command_again(door: Door, log: Log) -> None:
    for _ in range(2):
        assert await door.receive(*BANK.notification(PAID), request_id="req_1") is None
    first, second = log.records
    assert facts(first) == facts(second)


async def test_a_reversed_report_is_another_command(door: Door, log: Log) -> None:
    turned = replace(PAID, outcome=Outcome.FAILED, error_code="PAYMENT_REVERSED", turn=1)
    for result in (PAID, turned):
        await door.receive(*BANK.notification(result), request_id="req_1")
    assert len({decode(record.value).id for record in log.records}) == 2


async def test_a_forged_notification_reaches_nothing(door: Door, log: Log) -> None:
    headers, body = BANK.notification(replace(PAID, outcome=Outcome.FAILED))
    forged = body.replace(b"failed", b"success")
    assert await door.receive(headers, forged, request_id="req_1") == NOTIFICATION_FORGED
    assert await door.receive({}, body, request_id="req_1") == NOTIFICATION_FORGED
    assert log.records == []


async def test_a_notification_for_another_gateway_is_forged_here(door: Door, log: Log) -> None:
    other = SimulatedBank(Settings(test_mode=True, secret_key="the secret key of another gateway"))  # type: ignore[arg-type]
    assert await door.receive(*other.notification(PAID), request_id="req_1") == NOTIFICATION_FORGED
    assert log.records == []


async def test_a_notification_about_nobodys_attempt_reaches_nothing(door: Door, log: Log) -> None:
    strangers = replace(PAID, attempt_id="pay_9999999999999999")
    assert await door.receive(*BANK.notification(strangers), request_id="req_1") == PAYMENT_NOT_FOUND
    assert log.records == []


async def test_a_signed_but_unreadable_notification_is_refused(door: Door, log: Log) -> None:
    body = b'{"attempt_id": 5}'
    headers = {notice.SIGNATURE: notice.signature(body, BANK.key)}
    assert await door.receive(headers, body, request_id="req_1") == NOTIFICATION_UNREADABLE
    assert log.records == []


async def test_a_notification_that_the_log_did_not_take_was_not_received(door: Door, log: Log) -> None:
    log.available = False
    with pytest.raises(LogUnavailableError):
        await door.receive(*BANK.notification(PAID), request_id="req_1")
