"""What works beside a role's main loop: a failure of a service does not end it, and its death is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from agents.bank.listener import confirm, words_of
from agents.bank.port import BankResult
from agents.kafka import Kafka
from agents.processor.processor import ANY_OFFSET, Processor
from agents.role import Context, dispensable
from domain.outcome import Outcome
from runtime.settings import Settings
from runtime.worker import Worker, beside
from tests.support.eventually import eventually
from topics.catalogue import EVENTS


class Ended:
    """Remembers that a process would have ended, and why."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, _seconds: float, why: str) -> None:
        self.reasons.append(why)


async def test_a_side_task_that_dies_ends_the_process() -> None:
    ended = Ended()

    async def dying() -> None:
        raise ValueError

    task = beside(dying(), "heartbeat", ended)
    await asyncio.wait({task})
    assert ended.reasons == ["heartbeat died"]


async def test_a_side_task_that_is_cancelled_or_done_ends_nothing() -> None:
    ended = Ended()

    async def done() -> None: ...

    tasks = {beside(asyncio.Event().wait(), "waiting", ended), beside(done(), "done", ended)}  # type: ignore[arg-type]
    waiting = next(task for task in tasks if task.get_name() == "waiting")
    waiting.cancel()
    await asyncio.wait(tasks)
    assert ended.reasons == []


async def test_work_that_a_role_can_do_without_begins_again_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.role.AGAIN_SECONDS", 0.0)
    context = Context(Settings(test_mode=True), Worker("sweeper", 0, "sweeper-test", 0), redis=None)  # type: ignore[arg-type]
    begun: list[int] = []

    async def failing(context: Context) -> None:
        begun.append(1)
        if len(begun) == 3:
            context.stopping.set()
        raise ExceptionGroup("tracer", [OSError()])

    await dispensable(context, failing, "tracing")
    assert len(begun) == 3


def word(number: int) -> BankResult:
    return BankResult(f"pay_{number:016d}", Outcome.SUCCESS, None, None, "ref")


class BreakingBank:
    """An adapter whose notifications break off after each word, and whose confirmations fail."""

    def __init__(self) -> None:
        self.message = 0
        self.confirmed: list[BankResult] = []

    async def notifications(self) -> AsyncIterator[BankResult]:
        self.message += 1
        if self.message % 2 == 0:
            return  # the connection was closed in good order
        yield word(self.message)
        raise ConnectionError("the bank hung up")

    async def confirm(self, result: BankResult) -> None:
        self.confirmed.append(result)
        raise ConnectionError("the bank hung up")


async def test_a_bank_whose_adapter_breaks_is_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bank.listener.PAUSE_SECONDS", 0.0)
    bank: Any = BreakingBank()
    received: list[BankResult] = []

    async def listen() -> None:
        async for result in words_of(bank):
            received.append(result)
            await confirm(bank, result)

    listening = asyncio.create_task(listen())
    try:
        await eventually(lambda: len(received) >= 3, what="three words")
    finally:
        listening.cancel()
    assert received[:3] == bank.confirmed[:3] == [word(1), word(3), word(5)]


async def test_a_defect_of_the_listener_is_not_the_banks() -> None:
    bank: Any = BreakingBank()
    with pytest.raises(AssertionError):
        async for _ in words_of(bank):
            raise AssertionError


class SlowBroker:
    """A consumer whose first question about the end of a partition gets no answer."""

    def __init__(self, **_settings: Any) -> None:
        self.requested = 0

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.requested += 1
        if self.requested == 1:
            raise KafkaTimeoutError
        return dict.fromkeys(partitions, 7)


async def test_where_a_partition_ends_unknown_every_attempt_begins_with_a_query() -> None:
    settings, nothing = Settings(test_mode=True), None
    context = Context(settings, Worker("processor", 0, "processor-test", 0), redis=nothing)  # type: ignore[arg-type]
    clients: Any = SlowBroker
    kafka = Kafka(settings, make_producer=clients, make_consumer=clients)
    processor = Processor(context, nothing, kafka, nothing)  # type: ignore[arg-type]
    partition = TopicPartition(EVENTS, 3)
    assert await processor._known_until(partition) == ANY_OFFSET
    assert await processor._known_until(partition) == 7
