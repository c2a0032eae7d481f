"""Orders that may have expired, and payments whose capture may be late: each becomes a command to its order's actor.

    orders past expires_at          ─► order.expire   ─► the actor: order.expired, or nothing
    payments past capture_before    ─► payment.expire ─► the actor: payment.expired and a refund, or nothing

Only the actor writes the outcome, so an order cannot expire while a payment of it succeeds, nor a payment while it is
captured. A command that changed nothing (the clocks differ) is followed by another a minute later; several of these
loops may run.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter

from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.due import DUE_MAX, DueLoop, command_id
from domain.decision import TimeWord
from domain.order import ExpireOrder
from domain.payment import ExpirePayment
from store.deadlines import DeadlineStore
from topics.commands import command_record
from topics.producer import Record

NAMED = Counter("gateway_past_their_time", "Commands to expire an order or a payment", ["what"])


class Deadlines(DueLoop):
    """One loop."""

    def __init__(self, context: Context, kafka: Kafka, store: DeadlineStore) -> None:
        super().__init__(context, kafka)
        self._store = store

    async def due(self, without: Sequence[str]) -> dict[str, Record]:
        orders = await self._store.due_orders(without=without, limit=DUE_MAX)
        payments = await self._store.due_payments(without=without, limit=DUE_MAX)
        NAMED.labels("order").inc(len(orders))
        NAMED.labels("payment").inc(len(payments))
        return {order_id: self._record(order_id, ExpireOrder(order_id)) for order_id in orders} | {
            one: self._record(one, ExpirePayment(order_id, one)) for one, order_id in payments
        }

    def _record(self, name: str, command: TimeWord) -> Record:
        at = self._clock.now()
        return command_record(
            command, command_id=command_id("exp", name, at), at=at, partitions=self._partitions, request_id=None
        )
