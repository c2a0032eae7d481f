"""The actor's batches: what the stream holds now is one batch, acked in offset order once it is durable and published.

    events ─► batch N: prepare (commit) ─► finish (publish) ─► ack, record by record
              batch N+1 is prepared while N is being published; never more than one ahead
    a record newer than this version ─► it and all behind it in its partition are let go, unacked; callers get a reply

The stream is Faust's (agents/payments/app.py) or a simulated one: an iterator of events whose `message` is the record,
the queue they come from, and a function that acks one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from agents.newer import NewerRecords
from agents.payments.actor import OtherOwnerError, PaymentActor, Prepared
from agents.payments.intake import Incoming, incoming_of
from agents.quarantine import Quarantine
from runtime.logs import get_logger
from runtime.worker import ExitAfter

log = get_logger("payment-actor")

BATCH_MAX = 500
CRASH_GRACE_SECONDS = 2.0
Ack = Callable[[Any], Awaitable[object]]


class Waiting(Protocol):
    """The queue behind the stream: whether another record is there already."""

    def empty(self) -> bool: ...


class Batches:
    """The loop of one actor. It ends by a failure only: then the process must end, and the log is read again."""

    def __init__(
        self,
        actor: PaymentActor,
        exit_after: ExitAfter,
        quarantine: Quarantine | None = None,
        let_go: Callable[[Any], None] = lambda _message: None,
    ) -> None:
        """`let_go`: called with each message that will not be acked, so that its partition is read no further and no
        drain waits for it."""
        self._actor = actor
        self._exit_after = exit_after
        self._quarantine = quarantine
        self._let_go = let_go
        self.newer = NewerRecords()

    async def run(self, events: AsyncIterator[Any], queue: Waiting, ack: Ack) -> None:
        """Until cancelled. Raises what `prepare` raises; by then the process has been given its end."""
        batch: list[Any] = []
        behind: list[Incoming] = []
        publishing: asyncio.Task[None] | None = None
        try:
            async for event in events:
                if self.newer.stands_before(event.message):
                    self._let_go(event.message)
                    behind.append(incoming_of(event.message))
                elif self._quarantine is not None and self._quarantine.careful:
                    await self._alone(event, ack, self._quarantine)
                else:
                    batch.append(event)
                if len(batch) + len(behind) < BATCH_MAX and not queue.empty():
                    continue
                if behind:
                    await self._actor.put_off(behind)
                    behind = []
                if not batch:
                    continue
                prepared = await self._actor.prepare([incoming_of(one.message) for one in batch])
                if publishing is not None:
                    await publishing
                publishing = asyncio.create_task(self._finish(batch, prepared, ack))
                publishing.add_done_callback(self._exit_if_failed)
                batch = []
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.critical("actor_crashed", error=repr(error), exc_info=True)
            self._exit_after(CRASH_GRACE_SECONDS, "the actor crashed")
            if self._quarantine is not None:
                # No record causes another owner either.
                await self._quarantine.ended_by(OSError() if isinstance(error, OtherOwnerError) else error)
            raise

    async def _alone(self, event: Any, ack: Ack, quarantine: Quarantine) -> None:
        """One record from its mark to its ack, after workers have died."""
        incoming = incoming_of(event.message)
        if not await quarantine.admits(event.message, rescue=lambda: self._actor.rescue(incoming)):
            await ack(event)
            return
        prepared = await self._actor.prepare([incoming])
        await self._finish([event], prepared, ack)
        await quarantine.absolve()

    async def _finish(self, batch: list[Any], prepared: Prepared, ack: Ack) -> None:
        await self._actor.finish(prepared)
        for event in batch:
            await ack(event)

    def _exit_if_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.critical("publishing_failed", error=repr(task.exception()))
            self._exit_after(0.0, "events of a committed batch could not be published")
