"""Payments of the Razorpay double whose capture is automatic only for a period: the sweeper sends the capture.

    orders with automatic_expiry_period ─► a success in time ─► payment.capture ─► the actor

All other automatic captures are part of the actor's decision about the success. These orders are rows of a partial
index, which is empty as long as the option is unused. However often the command is sent, by however many loops, the
payment is captured once. One that is refused, because the bank has taken the money back or a refund holds all of it, is
sent again once that has ended; a row is forgotten when its payment is captured or voided, or its period is over.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.due import DUE_MAX, DueLoop, command_id
from domain.payment import CapturePayment
from store.driver import Pool
from store.razorpay.captures import DueCapture, close_captures, due_captures
from topics.commands import command_record
from topics.producer import Record


class Captures(DueLoop):
    """One loop, in test mode."""

    def __init__(self, context: Context, kafka: Kafka, pool: Pool) -> None:
        super().__init__(context, kafka)
        self._pool = pool

    async def due(self, without: Sequence[str]) -> dict[str, Record]:
        due = await due_captures(self._pool, without=without, limit=DUE_MAX)
        return {one.payment_id: self._record(one) for one in due}

    async def _look(self) -> None:
        await super()._look()
        await close_captures(self._pool)

    def _record(self, due: DueCapture) -> Record:
        at = self._clock.now()
        return command_record(
            CapturePayment(due.order_id, due.payment_id, due.merchant_id, amount=None),
            command_id=command_id("rzp", due.payment_id, at),
            at=at,
            partitions=self._partitions,
            request_id=None,
        )
