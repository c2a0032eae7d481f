"""Faust's aiokafka transport in the agent's own event loop, with a cheaper step from the fetcher to its channel, and
closed partitions.

    Faust's      broker ─► consumer's thread and loop ─► queue, lock, wake ─► the agent's loop
    here         broker ─► the agent's loop

A partition is read only once it is opened (agents/payments/fence.py). Faust's own pause is not enough: Faust resumes
every partition at the end of each rebalance.

For every record Faust races the hand-over against suspension, stop and crash: four tasks and a wait, about half of what
Faust costs a record. The hand-over nearly always ends without waiting for anything (the channel has room), so it is
tried first; only one that does wait (a full channel, a suspended flow) is raced as Faust does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable
from inspect import iscoroutine
from types import coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.services import WaitResults
from mode.utils.futures import maybe_async

from agents.gathering import look_seldom

CLOSED_SECONDS = 0.05
"""Between two checks for open partitions, while none is open."""
HANDED_OVER = WaitResults([], [], False)


class InLoop(AIOKafkaConsumerThread):
    """Faust's consumer thread, replaced by a service of the loop that starts it.

    Faust gives aiokafka a thread so that heartbeats go out while an agent blocks its loop. Ours never does for longer
    than a batch takes, and two threads are expensive: each record passes through both, and they wake each other and
    contend for the interpreter's lock (docs/decisions/0050). It polls for work as rarely as every other consumer here.
    """

    def __init__(self, consumer: Consumer, *, loop: asyncio.AbstractEventLoop, **more: Any) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **more)

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> AIOKafkaConsumer:
        client = super()._create_consumer(loop)
        look_seldom(client)
        return client

    async def start(self) -> None:
        self._thread_started.set()
        await self._default_start()

    def _get_tasks(self) -> Iterable[Any]:
        """None: Faust wakes the thread once a second, in case it has missed a call."""
        return ()

    async def call_thread(self, fun: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        return await maybe_async(fun(*arguments, **more))

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's check reads its Monitor, which has no data here (QuietApp), and would report each backlog as a dead
        stream."""

    async def on_stop(self) -> None:
        await self._shutdown_thread()


class EagerConsumer(Consumer):
    """Faust's consumer; `wait_first` is what its fetch loop calls for each record, as (hand-over, suspension)."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.open_partitions: set[int] = set()
        """Numbers of the partitions that may be read; only the fence adds any."""

    def _new_consumer_thread(self) -> InLoop:
        return InLoop(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: Collection[Any] | None, timeout: float) -> Any:
        opened = {place for place in active_partitions or () if place.partition in self.open_partitions}
        if not opened:
            await self.sleep(CLOSED_SECONDS)
            return {}
        return await super()._getmany(opened, timeout)

    def let_go(self, message: Any) -> None:
        """This process will not ack the message, so the next one reads it again: a drain must not wait."""
        self._unacked_messages.discard(message)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:
        if len(coros) != 2 or timeout is not None or not iscoroutine(coros[0]) or self.suspend_flow.is_set():
            return await super().wait_first(*coros, timeout=timeout)
        handing_over, suspension = coros
        try:
            waits_for = handing_over.send(None)
        except StopIteration:
            suspension.close()
            return HANDED_OVER
        return await super().wait_first(_rest(handing_over, waits_for), suspension)


class EagerTransport(Transport):
    """The driver that makes EagerConsumers."""

    Consumer = EagerConsumer


@coroutine
def _rest(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """The rest of a coroutine that has begun and is waiting."""
    while True:
        try:
            try:
                sent = yield waits_for
            except BaseException as error:
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(sent)
        except StopIteration as done:
            return done.value
