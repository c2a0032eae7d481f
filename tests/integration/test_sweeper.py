"""Attempts at the simulated bank, on the real ledger: an answer that is lost is asked for, never charged again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.attempting import attempt
from agents.bank.port import Answer, Charge, NoAnswerError, Return
from agents.bank.simulated import SimulatedBank
from agents.kafka import Kafka
from agents.payments.actor import PaymentActor
from agents.payments.intake import Incoming
from agents.role import Context
from agents.settling import settle_record
from agents.sweeper.sweeper import Sweeper
from domain.ids import ORDER, PAYMENT, REFUND, late_refund_id
from domain.order import Command
from domain.outcome import Outcome
from runtime.clock import now
from runtime.settings import Settings
from runtime.worker import Worker
from store.actor import ActorStore
from store.attempts import AttemptStore
from store.redis_clients import make_redis
from tests.support.asking import Asker, fresh, order_command, payment_command
from tests.support.stack import Stack
from topics.catalogue import COMMANDS
from topics.deadletter import Origin
from topics.producer import Record

MakeBank = Callable[[Settings], SimulatedBank]


@pytest.fixture
async def bank_of() -> AsyncIterator[MakeBank]:
    """Makes banks; their connections are dropped at the end."""
    made: list[SimulatedBank] = []

    def make(settings: Settings) -> SimulatedBank:
        made.append(SimulatedBank(settings))
        return made[-1]

    yield make
    for bank in made:
        bank._ledger.drop()
        bank._polling.drop()
    await asyncio.sleep(0)  # the loop closes what was dropped


def charge(token: str) -> Charge:
    return Charge(fresh(PAYMENT), 50_000, "INR", "upi", token)


async def booked(settings: Settings, attempt_id: str) -> tuple[int, int]:
    """(times the money moved, times the bank was asked)."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        row = await connection.fetchrow(
            "SELECT times_moved, times_asked FROM bank.ledger WHERE attempt_id = $1", attempt_id
        )
        return row["times_moved"], row["times_asked"]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("token", "outcome", "error_code"),
    [
        ("success@upi", Outcome.SUCCESS, None),
        ("failure@upi", Outcome.FAILED, "UPI_DECLINED"),
        ("unknown@upi", Outcome.SUCCESS, None),
        ("timeout@upi", Outcome.FAILED, "BANK_TIMEOUT"),
    ],
)
async def test_every_attempt_is_charged_once_and_comes_to_its_outcome(
    services: Stack, bank_of: MakeBank, token: str, outcome: Outcome, error_code: str | None
) -> None:
    request = charge(token)
    answer = await attempt(bank_of(services.settings), request, maybe_asked_before=False)
    assert answer is not None
    assert (answer.outcome, answer.error_code) == (outcome, error_code)
    moved = 1 if outcome is Outcome.SUCCESS else 0
    assert await booked(services.settings, request.attempt_id) == (moved, 1)


async def test_a_processor_that_died_after_asking_asks_about_it_first(services: Stack, bank_of: MakeBank) -> None:
    # Given a charge whose answer nobody heard,
    request, bank = charge("unknown@upi"), bank_of(services.settings)
    with pytest.raises(NoAnswerError):
        await bank.charge(request)
    # When its successor takes it up, then the bank is queried, not asked to charge.
    answer = await attempt(bank_of(services.settings), request, maybe_asked_before=True)
    assert answer is not None
    assert answer.outcome is Outcome.SUCCESS
    assert await booked(services.settings, request.attempt_id) == (1, 1)


async def test_many_questions_at_once_are_all_answered(services: Stack, bank_of: MakeBank) -> None:
    # Given a hundred charges whose answers were lost at the same moment,
    requests, bank = [charge("unknown@upi") for _ in range(100)], bank_of(services.settings)
    lost = await asyncio.gather(*(bank.charge(request) for request in requests), return_exceptions=True)
    assert all(isinstance(one, NoAnswerError) for one in lost)
    # When all are asked about at once, then each has its answer at the first try.
    answers = await asyncio.gather(*(bank.query(request.attempt_id) for request in requests))
    assert [answer and answer.outcome for answer in answers] == [Outcome.SUCCESS] * 100


async def test_a_listener_that_takes_its_time_hears_everything(services: Stack, bank_of: MakeBank) -> None:
    # Given a bank that repeats its answers, and a charge that comes late,
    settings = services.settings.model_copy(update={"bank_faults": "twice=1", "test_processing_delay": 5})
    bank = bank_of(settings)
    late = charge("late@upi")
    with pytest.raises(NoAnswerError):
        await bank.charge(late)
    repeated = [await bank.charge(charge("success@upi")) for _ in range(4)]
    # When the listener needs longer for each than the bank's own pause,
    heard: list[str] = []
    async with asyncio.timeout(60):
        async for answer in bank.notifications():
            await asyncio.sleep(0.7)
            heard.append(answer.attempt_id)
            await bank.confirm(answer.attempt_id)
            if {late.attempt_id, *(one.attempt_id for one in repeated)} <= set(heard):
                break
    # Then it is not cut off, and the repeated answers do not keep the late one from it.
    assert late.attempt_id in heard


async def test_an_attempt_the_bank_never_saw_is_made(services: Stack, bank_of: MakeBank) -> None:
    request = Return(fresh(REFUND), fresh(PAYMENT), 100, "INR", "fail_refund")
    answer = await attempt(bank_of(services.settings), request, maybe_asked_before=True)
    assert answer is not None
    assert (answer.outcome, answer.error_code) == (Outcome.FAILED, "REFUND_FAILED")


@pytest.mark.parametrize("faults", ["lose=1", "late=1", "twice=1"])
async def test_injected_faults_change_nothing_about_the_outcome(
    services: Stack, bank_of: MakeBank, faults: str
) -> None:
    settings = services.settings.model_copy(update={"bank_faults": faults, "test_processing_delay": 5})
    request = charge("success@upi")
    answer = await attempt(bank_of(settings), request, maybe_asked_before=False)
    assert answer is not None
    assert answer.outcome is Outcome.SUCCESS
    assert (await booked(settings, request.attempt_id))[0] == 1


async def test_the_sweeper_settles_what_the_processor_never_did(services: Stack, bank_of: MakeBank) -> None:
    # Given a payment past its deadline that no processor ever saw,
    async with Asker(services.settings) as asker:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await _decide(asker, order_command(order_id), payment_command(order_id, payment_id))
        late = now() - timedelta(seconds=60)
        await asker.pool.execute("UPDATE payments SET deadline_at = $1 WHERE id = $2", late, payment_id)
        # When the sweeper makes its round,
        await _round(asker, bank_of(services.settings))
        # Then the bank was asked once, and its word is on its way to the actor.
        assert await booked(services.settings, payment_id) == (1, 1)
        told = orjson.loads((await _settle_command_of(services.settings, order_id)).value)["body"]
        assert (told["outcome"], told["payment_id"]) == ("success", payment_id)
        await asker.pool.execute("UPDATE payments SET deadline_at = now() + interval '1 day' WHERE id = $1", payment_id)


async def test_money_the_bank_would_not_take_back_is_given_back_again(services: Stack, bank_of: MakeBank) -> None:
    # Given a payment that was told to have failed, was charged all the same, and whose refund the bank refused,
    async with Asker(services.settings) as asker:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await _decide(asker, order_command(order_id), payment_command(order_id, payment_id))
        for attempt_id, outcome in (
            (payment_id, Outcome.FAILED),
            (payment_id, Outcome.SUCCESS),
            (late_refund_id(payment_id), Outcome.FAILED),
        ):
            answer = Answer(attempt_id, outcome, None, None, "bank_1")
            record = settle_record(
                answer, order_id=order_id, caused_by=None, request_id=None, settings=services.settings
            )
            await _take(asker, record)
        # When the sweeper makes its round at once, then it lets the bank rest;
        await _round(asker, bank_of(services.settings))
        assert await _refunds(asker, payment_id) == ["FAILED"]
        # when it makes it two minutes later, then the bank's word is told once more, and money goes back.
        await asker.pool.execute(AGE, payment_id)
        await _round(asker, bank_of(services.settings))
        await _round(asker, bank_of(services.settings))
        again = await _settle_command_of(services.settings, order_id)
        await _take(asker, again)
        await _take(asker, again)
        assert await _refunds(asker, payment_id) == ["FAILED", "PENDING"]


AGE = "UPDATE refunds SET updated_at = now() - interval '2 minutes' WHERE payment_id = $1"


async def _refunds(asker: Asker, payment_id: str) -> list[str]:
    rows = await asker.pool.fetch("SELECT status FROM refunds WHERE payment_id = $1 ORDER BY version", payment_id)
    return sorted(row["status"] for row in rows)


async def _round(asker: Asker, bank: SimulatedBank) -> None:
    """One round of a sweeper."""
    context = Context(asker.settings, Worker("sweeper", 0, "sweeper-test", 0), make_redis(asker.settings))
    sweeper = Sweeper(context, bank, Kafka(asker.settings), AttemptStore(asker.pool))
    await sweeper._producer.start()
    await sweeper._round()
    await sweeper._producer.stop()
    await context.redis.aclose()


async def _decide(asker: Asker, *commands: Command) -> None:
    await _take(asker, *(asker.record(command) for command in commands))


async def _take(asker: Asker, *records: Record) -> None:
    """An actor decides these records."""
    store, redis = ActorStore(asker.settings), make_redis(asker.settings)
    actor = PaymentActor(store, asker.producer, redis, inbox_days=asker.settings.idempotency_retention_days)
    prepared = await actor.prepare(
        [Incoming(one.key, one.value, one.headers, Origin(COMMANDS, one.partition, 0), now()) for one in records]
    )
    await prepared.replying
    await store.stop()
    await redis.aclose()


async def _settle_command_of(settings: Settings, order_id: str) -> Record:
    """The first record of the order on the commands topic."""
    places = [TopicPartition(COMMANDS, number) for number in range(settings.topic_partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async for message in consumer:
            if message.key == order_id.encode():
                return Record(COMMANDS, message.partition, message.key, message.value, list(message.headers))
    finally:
        await consumer.stop()
    raise AssertionError("unreachable: the consumer never ends")
