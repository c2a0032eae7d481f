"""An idle listener sleeps longer, and neither a record nor a stop waits for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from agents.consumer import IDLE_AFTER, IDLE_MS, LogConsumer
from runtime.settings import Settings
from tests.support.eventually import eventually

PLACE = TopicPartition("topic", 0)
WAIT_MS = 250


class Client:
    """aiokafka's consumer: nothing comes until a test says so. `waits`: how long it was to wait, look by look."""

    def __init__(self, **_settings: Any) -> None:
        self.waits: list[int] = []
        self.resting: set[TopicPartition] = set()
        self.arrived: asyncio.Future[dict[TopicPartition, list[Any]]] = asyncio.get_running_loop().create_future()

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        self.waits.append(timeout_ms)
        return await self.arrived if timeout_ms == IDLE_MS else {}

    def paused(self) -> set[TopicPartition]:
        return self.resting


class Listening:
    """A consumer, its client, and the role's stop."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.consumer = LogConsumer(Settings(test_mode=True), "topic", group="g", member="m", make_client=Client)  # type: ignore[arg-type]
        self.client = cast(Client, self.consumer.raw)

    async def take(self) -> dict[TopicPartition, list[Any]]:
        return await self.consumer.take(wait_ms=WAIT_MS, stopping=self.stopping)

    async def idles(self) -> asyncio.Task[dict[TopicPartition, list[Any]]]:
        """A take that waits idly, after looks that brought nothing."""
        for _ in range(IDLE_AFTER):
            assert await self.take() == {}
        taking = asyncio.create_task(self.take())
        await eventually(lambda: self.client.waits == [*[WAIT_MS] * IDLE_AFTER, IDLE_MS], what="an idle wait")
        return taking


@pytest.fixture
async def listening() -> Listening:
    return Listening()


async def test_an_idle_listener_gets_a_record_as_soon_as_it_comes(listening: Listening) -> None:
    taking = await listening.idles()
    message = SimpleNamespace(topic="topic", partition=0, offset=7, headers=(), value=b"{}")
    listening.client.arrived.set_result({PLACE: [message]})
    assert await taking == {PLACE: [message]}
    # and is not idle any more.
    await listening.take()
    assert listening.client.waits[-1] == WAIT_MS


async def test_an_idle_listener_stops_at_once(listening: Listening) -> None:
    taking = await listening.idles()
    listening.stopping.set()
    assert await taking == {}
    await eventually(listening.client.arrived.cancelled, what="the wait to be given up")


async def test_an_idle_wait_that_is_cancelled_leaves_nothing_behind(listening: Listening) -> None:
    taking = await listening.idles()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await eventually(listening.client.arrived.cancelled, what="the wait to be given up")


@pytest.mark.parametrize("state", ["a record under way", "a commit to make", "a paused partition"])
async def test_a_listener_with_something_to_see_to_is_not_idle(listening: Listening, state: str) -> None:
    offsets = listening.consumer.offsets
    if state == "a paused partition":
        listening.client.resting.add(PLACE)
    else:
        offsets.taken([PLACE])
        mark = offsets.begin(PLACE, 7)
        if state == "a commit to make":
            offsets.done(mark)
    for _ in range(IDLE_AFTER + 2):
        await listening.take()
    assert listening.client.waits == [WAIT_MS] * (IDLE_AFTER + 2)
