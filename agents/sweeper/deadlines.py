"""Orders whose time may be over, and payments whose capture may be late: each becomes a command to its order's actor.

    orders past expires_at          ─► order.expire   ─► the actor: order.expired, or nothing
    payments past capture_before    ─► payment.expire ─► the actor: payment.expired and a refund, or nothing

Nothing is written beside the actor, so an order cannot expire while a payment of it succeeds, nor a payment while it is
captured. A command that changed nothing (the clocks differ) is followed by another a minute later; several of these
loops do no harm.
"""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter

from agents.kafka import Kafka
from agents.role import Context
from domain.decision import TimeWord
from domain.order import ExpireOrder
from domain.payment import ExpirePayment
from runtime.logs import get_logger
from store.deadlines import DeadlineStore
from store.errors import DatabaseError
from topics.commands import command_record
from topics.producer import Record

log = get_logger("deadlines")

EVERY_SECONDS = 2.0
"""Between two looks: how late an order or a payment expires."""
AGAIN_AFTER_SECONDS = 60
"""Until one that is still open is named again. The actor needs milliseconds, or it is down."""
DUE_MAX = 500
"""Orders, and payments, that one look names; 15,000 a minute are known to have been named."""

NAMED = Counter("gateway_past_their_time", "Commands to expire an order or a payment", ["what"])


class Deadlines:
    """One loop."""

    def __init__(self, context: Context, kafka: Kafka, store: DeadlineStore) -> None:
        self._context = context
        self._clock = context.clock
        self._partitions = context.settings.topic_partitions
        self._producer = kafka.producer()
        self._store = store
        self._named: dict[str, float] = {}
        """Id -> until when it is not named again, by the monotonic clock."""

    async def run(self) -> None:
        """Returns after a drain; raises when the log stays away."""
        await self._producer.start()
        while not self._context.stopping.is_set():
            try:
                await self._look()
            except DatabaseError as error:
                log.warning("database_unavailable", error=repr(error))
            await self._context.pause(EVERY_SECONDS)
        await self._producer.stop()

    async def _look(self) -> None:
        now = self._clock.monotonic()
        self._named = {name: until for name, until in self._named.items() if until > now}
        orders = await self._store.due_orders(without=list(self._named), limit=DUE_MAX)
        payments = await self._store.due_payments(without=list(self._named), limit=DUE_MAX)
        records = [self._record(order_id, ExpireOrder(order_id)) for order_id in orders]
        records += [self._record(one, ExpirePayment(order_id, one)) for one, order_id in payments]
        if not records:
            return
        await self._producer.publish(records)
        self._named |= dict.fromkeys([*orders, *(one for one, _ in payments)], now + AGAIN_AFTER_SECONDS)
        NAMED.labels("order").inc(len(orders))
        NAMED.labels("payment").inc(len(payments))

    def _record(self, name: str, command: TimeWord) -> Record:
        at = self._clock.now()
        return command_record(
            command, command_id=_command_id(name, at), at=at, partitions=self._partitions, request_id=None
        )


def _command_id(name: str, at: datetime) -> str:
    """One a minute: two loops that find the same order or payment send the same command."""
    return f"exp_{name}_{int(at.timestamp()) // AGAIN_AFTER_SECONDS}"
