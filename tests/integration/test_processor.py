"""The processor on a real log: an attempt that dies of a defect ends the process; it never just disappears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from agents.bank.port import BankAnswer, Charge, Return
from agents.bank.simulated import SimulatedBank
from agents.kafka import Kafka
from agents.processor.processor import Processor
from agents.role import Context
from domain.event import EventType
from ops.log.schemas import sample_of
from runtime.worker import Worker
from store.attempts import AttemptStore
from store.redis.clients import make_redis
from tests.support.asking import Asker
from tests.support.stack import Stack
from topics.catalogue import EVENTS, partition_of
from topics.envelope import HEADER_TYPE
from topics.producer import Record


class WrongBank(SimulatedBank):
    """Its answers lack what every answer has: a defect that no caller expects."""

    async def charge(self, _charge: Charge) -> BankAnswer:
        return object()  # type: ignore[return-value]  # the defect

    async def refund(self, _refund: Return) -> BankAnswer:
        return object()  # type: ignore[return-value]  # the defect

    async def query(self, _attempt_id: str) -> BankAnswer | None:
        return None


def processing_record(asker: Asker) -> Record:
    """A payment.processing event, as the actor writes it."""
    event = sample_of(EventType.PAYMENT_PROCESSING)
    key = event["key"].encode()
    headers = [(HEADER_TYPE, EventType.PAYMENT_PROCESSING.encode())]
    return Record(EVENTS, partition_of(key, asker.settings.topic_partitions), key, orjson.dumps(event), headers)


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
    async with Asker(services.settings) as asker:
        await asker.publish([processing_record(asker)])
        context = Context(services.settings, Worker("processor", 0, "processor-test", 0), make_redis(services.settings))
        processor = Processor(context, wrong_bank, Kafka(services.settings), AttemptStore(asker.pool))
        try:
            with pytest.raises(ExceptionGroup) as ended:
                async with asyncio.timeout(60):
                    await processor.run()
            assert ended.group_contains(AttributeError)
        finally:
            await processor._consumer.stop()
            await processor._producer.stop()
            await context.redis.aclose()
