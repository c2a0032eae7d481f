"""Reading a topic in a plain aiokafka loop, with the one rule that loses nothing: an offset is committed only when
its record and every earlier one of its partition are done.

    Offsets      which records are under way, and what may be committed
    LogConsumer  getmany, commits, lag, rebalances; static group membership
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from runtime.logs import get_logger
from runtime.settings import Settings

log = get_logger("consumer")

COMMIT_EVERY_SECONDS = 1.0
COMMIT_TIMEOUT_SECONDS = 10
START_TRIES = 60
GATHERED_BYTES = 65_536
"""What a patient consumer (`gather_ms`) does not wait for any longer."""


class Offsets:
    """Records under way for each partition. Marks are cheap: a record is `begun` in order and `done` in any order."""

    def __init__(self) -> None:
        self._open: dict[TopicPartition, deque[list[Any]]] = {}
        self._committable: dict[TopicPartition, int] = {}

    def begin(self, partition: TopicPartition, offset: int) -> list[Any]:
        """Remember a record; hand the returned mark to `done`."""
        mark = [offset, False, partition]
        self._open.setdefault(partition, deque()).append(mark)
        return mark

    def done(self, mark: list[Any]) -> None:
        """The record's work is durable."""
        mark[1] = True
        waiting = self._open.get(mark[2])
        if not waiting or waiting[0] is not mark:
            return
        while waiting and waiting[0][1]:
            self._committable[mark[2]] = waiting.popleft()[0] + 1

    def take_committable(self) -> dict[TopicPartition, int]:
        """What may be committed since the last call."""
        taken, self._committable = self._committable, {}
        return taken

    def open_count(self) -> int:
        return sum(len(waiting) for waiting in self._open.values())

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Partitions went to somebody else: their records are theirs now."""
        for partition in partitions:
            self._open.pop(partition, None)
            self._committable.pop(partition, None)


class LogConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """One topic (or a few) read by one consumer group member. Bounded: `paused` while too much is under way.

    `gather_ms`: for a listener that nobody waits for; the broker holds records back so long, to send more at a time.
    At few records a second each answer of the broker costs as much as a hundred records.
    """

    def __init__(
        self,
        settings: Settings,
        *topics: str,
        group: str,
        member: str,
        on_change: Callable[[set[TopicPartition]], None] | None = None,
        gather_ms: int = 0,
    ) -> None:
        self.offsets = Offsets()
        self._topics = topics
        self._on_change = on_change
        self._committed_at = time.monotonic()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id=group,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=gather_ms or 500,
            fetch_min_bytes=GATHERED_BYTES if gather_ms else 1,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_poll_interval_ms=86_400_000,
            max_partition_fetch_bytes=1_048_576,
        )

    async def start(self) -> None:
        """Join the group; waits for the broker. Raises KafkaError after START_TRIES tries."""
        self._consumer.subscribe(self._topics, listener=self)
        for attempt in range(START_TRIES):
            try:
                await self._consumer.start()
                return
            except KafkaError as error:
                log.warning("consumer_not_started", error=repr(error))
                if attempt == START_TRIES - 1:
                    raise
                await asyncio.sleep(0.5)

    async def stop(self) -> None:
        """Commit what is done and leave, bounded."""
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await self.commit()
                await self._consumer.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("consumer_stopped_roughly", error=repr(error))

    async def take(self, *, wait_ms: int, records_max: int = 2_000) -> dict[TopicPartition, list[Any]]:
        """Next records by partition (possibly none after `wait_ms`). A broker away is waited for."""
        try:
            taken: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                timeout_ms=wait_ms, max_records=records_max
            )
            return taken
        except KafkaError as error:
            log.warning("take_failed", error=repr(error))
            await asyncio.sleep(0.3)
            return {}

    async def commit_if_due(self) -> None:
        """Commit about once a second: a crash in between repeats work that changes nothing."""
        if time.monotonic() - self._committed_at >= COMMIT_EVERY_SECONDS:
            await self.commit()

    async def commit(self) -> None:
        self._committed_at = time.monotonic()
        assigned = self._consumer.assignment()
        offsets = {
            partition: offset for partition, offset in self.offsets.take_committable().items() if partition in assigned
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError, KafkaError, TimeoutError) as error:
            log.warning("commit_failed", error=repr(error))

    def lag(self) -> int:
        """Records of the assigned partitions that were not taken yet, as far as is known without asking."""
        lag = 0
        for partition in self._consumer.assignment():
            highwater = self._consumer.highwater(partition)
            state = self._consumer._subscription.subscription.assignment.state_value(partition)
            if highwater is not None and state is not None and state.has_valid_position:
                lag += max(0, highwater - state.position)
        return lag

    def pause(self) -> None:
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        self._consumer.resume(*self._consumer.paused())

    @property
    def raw(self) -> AIOKafkaConsumer:
        """For what is not wrapped here (seek, position)."""
        return self._consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        lost = set(revoked)
        if lost:
            await self.commit()
            self.offsets.forget(lost)
            log.info("partitions_revoked", count=len(lost))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        now_owned = set(assigned)
        self.offsets.forget(now_owned)
        if self._on_change is not None:
            self._on_change(now_owned)
        log.info("partitions_assigned", count=len(now_owned))
