"""The processor on a real log: an attempt that dies of a defect ends the process; it never just disappears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import orjson
import pytest

from agents.bank.port import BankResult, Charge, NoResponseError, Return
from agents.bank.simulated import SimulatedBank
from agents.kafka import Kafka
from agents.processor.processor import Processor
from agents.role import Context
from domain.event import EventType
from domain.ids import ORDER, PAYMENT
from domain.outcome import Outcome
from domain.payment import SettlePayment
from ops.log.schemas import sample_of
from runtime.settings import Settings
from runtime.worker import Worker
from store.attempts import AttemptStore
from store.connections import make_pool
from store.driver import Row
from store.redis.clients import make_redis
from tests.support.actor import Bench, work
from tests.support.command_client import CommandClient, fresh, order_command, payment_command
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, EVENTS, partition_of
from topics.envelope import HEADER_TYPE
from topics.producer import Record

FIRST = datetime(2000, 1, 1, tzinfo=UTC)


class WrongBank(SimulatedBank):
    """Its answers lack what every answer has: a defect that no caller expects."""

    async def charge(self, _charge: Charge) -> BankResult:
        return object()  # type: ignore[return-value]  # the defect

    async def refund(self, _refund: Return) -> BankResult:
        return object()  # type: ignore[return-value]  # the defect

    async def query(self, _attempt_id: str) -> BankResult | None:
        return None


def processing_record(command_client: CommandClient) -> Record:
    """A payment.processing event, as the actor writes it."""
    event = sample_of(EventType.PAYMENT_PROCESSING)
    key = event["key"].encode()
    headers = [(HEADER_TYPE, EventType.PAYMENT_PROCESSING.encode())]
    return Record(
        EVENTS, partition_of(key, command_client.settings.topic_partitions), key, orjson.dumps(event), headers
    )


@pytest.fixture
async def wrong_bank(services: Stack) -> AsyncIterator[WrongBank]:
    bank = WrongBank(services.settings)
    yield bank
    bank._ledger.drop()
    bank._polling.drop()
    await asyncio.sleep(0)  # the loop closes what was dropped


async def test_an_attempt_that_dies_ends_the_process_instead_of_holding_its_offset(
    services: Stack, wrong_bank: WrongBank
) -> None:
    async with CommandClient(services.settings) as command_client:
        await command_client.publish([processing_record(command_client)])
        context = Context(services.settings, Worker("processor", 0, "processor-test", 0), make_redis(services.settings))
        processor = Processor(context, wrong_bank, Kafka(services.settings), AttemptStore(command_client.pool))
        try:
            with pytest.raises(ExceptionGroup) as ended:
                async with asyncio.timeout(60):
                    await processor.run()
            assert ended.group_contains(AttributeError)
        finally:
            await processor._consumer.stop()
            await processor._producer.stop()
            await context.redis.aclose()


class SpeakingBank(SimulatedBank):
    """Says what a test puts into `words`, and answers no attempt."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.words: asyncio.Queue[BankResult] = asyncio.Queue()
        self.confirmed: list[str] = []

    async def charge(self, _charge: Charge) -> BankResult:
        raise NoResponseError

    async def refund(self, _refund: Return) -> BankResult:
        raise NoResponseError

    async def query(self, _attempt_id: str) -> BankResult | None:
        raise NoResponseError

    async def notifications(self) -> AsyncIterator[BankResult]:
        while True:
            yield await self.words.get()

    async def confirm(self, response: BankResult) -> None:
        self.confirmed.append(response.attempt_id)


class SilentBank(SpeakingBank):
    """Records what it is asked."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.asked: list[str] = []

    async def query(self, attempt_id: str) -> BankResult | None:
        self.asked.append(attempt_id)
        raise NoResponseError


async def test_the_repeated_event_of_a_settled_payment_leads_to_no_question(services: Stack, bench: Bench) -> None:
    # Given one payment that is settled and one that is not, whose events are on the log already,
    payments = []
    for settle in (True, False):
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        begins = bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
        await work(await bench.actor(), *begins)
        word = SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, "bank_1", datetime.now(UTC), 0)
        if settle:
            await work(await bench.actor(), bench.incoming(bench.command_client.record(word, f"stl_{payment_id}")))
        payments.append(payment_id)
    # when a processor reads them, then it asks the bank about the one that has no outcome, only.
    context = Context(services.settings, Worker("processor", 0, f"processor-{payments[0]}", 0), bench.redis)
    bank = SilentBank(services.settings)
    processor = Processor(context, bank, Kafka(services.settings), AttemptStore(bench.command_client.pool))
    running = asyncio.create_task(processor.run())
    try:
        await eventually(lambda: payments[1] in bank.asked, timeout=60, what="a question about the open payment")
        assert payments[0] not in bank.asked
    finally:
        context.stopping.set()
        await running


LOOKING_UP = """
SELECT pid, query_start FROM pg_stat_activity
 WHERE application_name = 'processor-test'
   AND wait_event_type = 'Lock'
   AND query_start > $1
"""


async def test_the_listener_to_the_bank_outlives_a_database_error(services: Stack, bench: Bench) -> None:
    # Given a payment, and a processor whose look-ups the database cannot answer,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    await work(await bench.actor(), bench.submitted(order_command(order_id)))
    await work(await bench.actor(), bench.submitted(payment_command(order_id, payment_id)))
    pool = await make_pool(services.settings, size=1, name="processor-test")
    context = Context(services.settings, Worker("processor", 0, f"processor-{order_id}", 0), bench.redis)
    bank = SpeakingBank(services.settings)
    processor = Processor(context, bank, Kafka(services.settings), AttemptStore(pool))
    async with bench.command_client.pool.acquire() as locking, locking.transaction():
        await locking.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        running = asyncio.create_task(processor.run())

        async def look_up(since: datetime) -> Row | None:
            """The processor's look-up that waits and began since."""
            assert not running.done(), running
            return await bench.command_client.pool.fetchrow(LOOKING_UP, since)

        # when the bank notifies a word, and the look-up for it is cancelled by the database,
        bank.words.put_nowait(BankResult(payment_id, Outcome.SUCCESS, None, None, "ref"))
        first = await eventually(lambda: look_up(FIRST), timeout=60, what="a look-up")
        assert first is not None
        await bench.command_client.pool.execute("SELECT pg_cancel_backend($1)", first["pid"])
        # then it is made again,
        await eventually(lambda: look_up(first["query_start"]), timeout=60, what="another look-up")
    # and the actor is told.
    try:
        await eventually(lambda: bank.confirmed == [payment_id], timeout=60, what="the word to be confirmed")
        (settled,) = await bench.on_topic(COMMANDS, order_id, services.settings.topic_partitions)
        assert orjson.loads(settled)["type"] == "payment.settle"
    finally:
        context.stopping.set()
        await running
        pool.terminate()
