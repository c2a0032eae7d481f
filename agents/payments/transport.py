"""Faust's aiokafka transport with a cheaper step from the fetcher to the agent's channel.

For every record Faust races the hand-over against suspension, stop and crash: four tasks and a wait, about half of what
Faust costs a record. The hand-over nearly always ends without waiting for anything (the channel has room), so it is
tried first; only one that does wait (a full channel, a suspended flow) is raced as Faust does it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from inspect import iscoroutine
from types import coroutine
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from mode.services import WaitResults

HANDED_OVER = WaitResults([], [], False)


class EagerConsumer(Consumer):
    """Faust's consumer; `wait_first` is what its fetch loop calls for each record, as (hand-over, suspension)."""

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
