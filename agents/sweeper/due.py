"""A loop of the sweeper that finds what is due and sends a command about each, again a minute later if it still is.

    due(without what was named) ─► commands on the log ─► named for AGAIN_AFTER_SECONDS

Nothing is sent while the log grows. Several of these loops may run: the commands' ids are the same. The id changes each
minute: a refusal is final for its request, and what was refused may be possible later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.kafka import Kafka
from agents.role import Context
from runtime.logs import get_logger
from store.errors import DatabaseError
from topics.producer import Record

log = get_logger("due")

EVERY_SECONDS = 2.0
"""Between two polls: how late a command may be."""
AGAIN_AFTER_SECONDS = 60
"""Until something that is still due is named again. The actor needs milliseconds, or it is down."""
DUE_MAX = 500
"""Maximum of one kind in one poll; 15,000 a minute have been measured."""


def command_id(prefix: str, name: str, at: datetime) -> str:
    """One a minute: two loops that find the same thing send the same command."""
    return f"{prefix}_{name}_{int(at.timestamp()) // AGAIN_AFTER_SECONDS}"


class DueLoop(ABC):
    """One loop."""

    def __init__(self, context: Context, kafka: Kafka) -> None:
        self._context = context
        self._clock = context.clock
        self._partitions = context.settings.topic_partitions
        self._producer = kafka.producer()
        self._named: dict[str, float] = {}
        """Id -> until when it is not named again, by the monotonic clock."""

    async def run(self) -> None:
        """Returns after a drain; raises if the log stays unavailable."""
        async with self._producer:
            while not self._context.stopping.is_set():
                try:
                    await self._look()
                except DatabaseError as error:
                    log.warning("database_unavailable", loop=type(self).__name__, error=repr(error))
                await self._context.pause(EVERY_SECONDS)

    @abstractmethod
    async def due(self, without: Sequence[str]) -> Mapping[str, Record]:
        """Id of what is due, but for these -> its command. At most DUE_MAX of a kind. Raises DatabaseError."""

    async def _look(self) -> None:
        if self._context.log_is_closed():
            return
        now = self._clock.monotonic()
        self._named = {name: until for name, until in self._named.items() if until > now}
        due = await self.due(list(self._named))
        if due:
            await self._producer.publish(list(due.values()))
            self._named |= dict.fromkeys(due, now + AGAIN_AFTER_SECONDS)
