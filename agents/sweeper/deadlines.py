"""Orders whose time may be over: each becomes a command to its actor, which alone decides whether it has expired.

    orders past expires_at ─► order.expire on the commands topic ─► the actor: order.expired, or nothing

Nothing is written beside the actor, so an order cannot expire while a payment of it succeeds. A command that changed
nothing (the clocks differ) is followed by another a minute later; several of these loops do no harm.
"""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter

from agents.kafka import Kafka
from agents.role import Context
from domain.order import ExpireOrder
from runtime.logs import get_logger
from store.deadlines import DeadlineStore
from store.errors import DatabaseError
from topics.commands import command_record

log = get_logger("deadlines")

EVERY_SECONDS = 2.0
"""Between two looks: how late an order expires."""
AGAIN_AFTER_SECONDS = 60
"""Until an order that is still open is named again. The actor needs milliseconds, or it is down."""
DUE_MAX = 500
"""Orders that one look names; 15,000 a minute are known to have been named."""

NAMED = Counter("gateway_orders_past_their_time", "Commands to expire an order")


class Deadlines:
    """One loop."""

    def __init__(self, context: Context, kafka: Kafka, store: DeadlineStore) -> None:
        self._context = context
        self._clock = context.clock
        self._partitions = context.settings.topic_partitions
        self._producer = kafka.producer()
        self._store = store
        self._named: dict[str, float] = {}
        """Order -> until when it is not named again, by the monotonic clock."""

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
        self._named = {order_id: until for order_id, until in self._named.items() if until > now}
        due = await self._store.due_orders(without=list(self._named), limit=DUE_MAX)
        if not due:
            return
        at = self._clock.now()
        await self._producer.publish(
            [
                command_record(
                    ExpireOrder(order_id),
                    command_id=_command_id(order_id, at),
                    at=at,
                    partitions=self._partitions,
                    request_id=None,
                )
                for order_id in due
            ]
        )
        self._named |= dict.fromkeys(due, now + AGAIN_AFTER_SECONDS)
        NAMED.inc(len(due))


def _command_id(order_id: str, at: datetime) -> str:
    """One a minute: two loops that find the same order send the same command."""
    return f"exp_{order_id}_{int(at.timestamp()) // AGAIN_AFTER_SECONDS}"
