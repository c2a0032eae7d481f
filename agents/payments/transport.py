"""Faust's aiokafka transport with a cheaper step from the fetcher to the agent's channel, and closed partitions.

A partition is read only once it is opened (agents/payments/fence.py). Faust's own pause would not do: at the end of
each rebalance Faust resumes every partition.

For every record Faust races the hand-over against suspension, stop and crash: four tasks and a wait, about half of what
Faust costs a record. The hand-over nearly always ends without waiting for anything (the channel has room), so it is
tried first; only one that does wait (a full channel, a suspended flow) is raced as Faust does it.
"""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Generator
from inspect import iscoroutine
from types import coroutine
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from mode.services import WaitResults

CLOSED_SECONDS = 0.05
"""Between two looks at what is open, while nothing is."""
HANDED_OVER = WaitResults([], [], False)


class EagerConsumer(Consumer):
    """Faust's consumer; `wait_first` is what its fetch loop calls for each record, as (hand-over, suspension)."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.open_partitions: set[int] = set()
        """Numbers of the partitions that may be read; nobody but the fence adds any."""

    async def _getmany(self, active_partitions: Collection[Any] | None, timeout: float) -> Any:
        opened = {place for place in active_partitions or () if place.partition in self.open_partitions}
        if not opened:
            await self.sleep(CLOSED_SECONDS)
            return {}
        return await super()._getmany(opened, timeout)

    def let_go(self, message: Any) -> None:
        """Nobody will ack the message in this life, so that it is read again in the next: a drain must not wait."""
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
    """What is left of a coroutine that has begun and waits for something."""
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
