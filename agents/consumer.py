"""Reads topics in a plain aiokafka loop, with the one rule that prevents loss: an offset is committed only when
its record and every earlier one of its partition are done.

    Offsets      which records are under way, what may be committed, and what was
    LogConsumer  getmany, commits, lag, rebalances; static group membership

An offset counts as committed when the broker has acknowledged it, not when it was sent: a failed commit is retried,
even when nothing new arrives.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from agents.gathering import GATHERED_BYTES, LOOK_EVERY_MS, Gathering
from agents.newer import NewerRecords
from agents.quarantine import Quarantine
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.progress import FACT, Progress, unread
from runtime.settings import Settings
from topics.batches import read_on
from topics.connection import client_options

log = get_logger("consumer")

COMMIT_EVERY_SECONDS = 1.0
COMMIT_TIMEOUT_SECONDS = 10
START_TRIES = 60
ALONE_SECONDS = 0.25
"""How long a record is processed alone after deaths: a record that kills a worker does so at once, a slow bank takes
longer."""
IDLE_AFTER = 4
"""After this many empty polls, with nothing under way and everything committed, a listener is idle."""
IDLE_MS = 2_500
"""How long an idle listener waits for a record at a time: its heartbeat and watchdog must run now and then."""
SHORT_WAIT_MS = 500
"""How long the broker waits for a first record before it returns an empty response: short enough for other requests on
the connection."""


@dataclass(slots=True, eq=False)
class Mark:
    """A record under way."""

    partition: TopicPartition
    offset: int
    done: bool = False


class Offsets:
    """Records under way for each partition. Marks are cheap: a record is `begun` in order and `done` in any order.

    taken ─► begin … done ─► committable ─► committed; `forget` ends all of it for a partition that changed hands.
    """

    def __init__(self) -> None:
        self._open: dict[TopicPartition, deque[Mark]] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}

    def taken(self, partitions: Iterable[TopicPartition]) -> None:
        """Records of these partitions were read and are about to begin."""
        for partition in partitions:
            self._open.setdefault(partition, deque())

    def begin(self, partition: TopicPartition, offset: int) -> Mark:
        """Remember a record; hand the returned mark to `done`.

        A record that was read before its partition was reassigned does not affect what is committed: it is read again.
        """
        mark = Mark(partition, offset)
        waiting = self._open.get(partition)
        if waiting is not None:
            waiting.append(mark)
        return mark

    def done(self, mark: Mark) -> None:
        """The record's work is durable."""
        mark.done = True
        waiting = self._open.get(mark.partition)
        if not waiting or waiting[0] is not mark:
            return
        while waiting and waiting[0].done:
            self._reached[mark.partition] = waiting.popleft().offset + 1

    def committable(self) -> dict[TopicPartition, int]:
        """Offsets that may be committed and are not confirmed yet; the same again until `committed` confirms them."""
        return {
            partition: offset
            for partition, offset in self._reached.items()
            if offset > self._committed.get(partition, -1)
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The broker has acknowledged these. A partition that was reassigned in between is ignored."""
        for partition, offset in offsets.items():
            if partition in self._reached:
                self._committed[partition] = max(offset, self._committed.get(partition, -1))

    def open_count(self) -> int:
        return sum(len(waiting) for waiting in self._open.values())

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions were reassigned: their records belong to another worker, or will be read again."""
        for partition in partitions:
            self._open.pop(partition, None)
            self._reached.pop(partition, None)
            self._committed.pop(partition, None)


class LogConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """One topic (or a few) read by one consumer group member. Bounded: `paused` while too much is under way.

    `gather_ms`: for a listener that no request waits for. While many records arrive, the broker holds them back for
    this long, to send more at a time (agents/gathering.py). `idle_wait_ms`: for one that does not gather; if no record
    arrives in that time, the broker returns an empty response.
    """

    def __init__(
        self,
        settings: Settings,
        *topics: str,
        group: str,
        member: str,
        on_change: Callable[[set[TopicPartition]], None] | None = None,
        gather_ms: int = 0,
        idle_wait_ms: int = SHORT_WAIT_MS,
        clock: Clock = SYSTEM_CLOCK,
        make_client: Callable[..., AIOKafkaConsumer] = AIOKafkaConsumer,
        quarantine: Quarantine | None = None,
    ) -> None:
        self.offsets = Offsets()
        self._newer = NewerRecords()
        self._quarantine = quarantine
        self._topics = topics
        self._on_change = on_change
        self._clock = clock
        self._committed_at = clock.monotonic()
        self._progress = Progress(clock)
        self._steps = 0
        self._rejoins = settings.partitions_are_new
        read_on()
        self._consumer = make_client(
            **client_options(settings),
            group_id=group,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=gather_ms or idle_wait_ms,
            fetch_min_bytes=GATHERED_BYTES if gather_ms else 1,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_poll_interval_ms=86_400_000,
            consumer_timeout_ms=LOOK_EVERY_MS,
            max_partition_fetch_bytes=1_048_576,
        )
        self._gathering = Gathering(self._consumer, gather_ms=gather_ms, clock=clock) if gather_ms else None
        self._empty_looks = 0

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

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:  # __aexit__ is not called
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Commit what is done and leave, bounded."""
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await self.commit()
                await self._consumer.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("consumer_stop_failed", error=repr(error))

    async def take(
        self, *, wait_ms: int, records_max: int = 2_000, stopping: asyncio.Event | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """Next records by partition (possibly none after `wait_ms`). While the broker is unavailable, this waits.

        `stopping`: an idle listener may wait for IDLE_MS, or until this is set.
        """
        if self._quarantine is not None and self._quarantine.careful:
            return await self._take_alone(self._quarantine, wait_ms=wait_ms)
        if stopping is not None and self._is_idle():
            return await self._take_idly(stopping, records_max=records_max)
        return await self._take(wait_ms=wait_ms, records_max=records_max)

    def _is_idle(self) -> bool:
        return (
            self._empty_looks >= IDLE_AFTER
            and not self.offsets.open_count()
            and not self.offsets.committable()
            and not self._consumer.paused()
        )

    async def _take_idly(self, stopping: asyncio.Event, *, records_max: int) -> dict[TopicPartition, list[Any]]:
        taking = asyncio.ensure_future(self._take(wait_ms=IDLE_MS, records_max=records_max))
        stop = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({taking, stop}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() else {}
        finally:
            for unfinished in (taking, stop):
                unfinished.cancel()

    async def _take_alone(self, quarantine: Quarantine, *, wait_ms: int) -> dict[TopicPartition, list[Any]]:
        """One record at a time, after workers have died: the next starts once this one is done, or its time is up."""
        ends_at = self._clock.monotonic() + ALONE_SECONDS
        while self.offsets.open_count() and self._clock.monotonic() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # marks have no event, and this is rare and bounded
        await quarantine.absolve()
        taken = await self._take(wait_ms=wait_ms, records_max=1)
        for partition, (message,) in taken.items():
            if not await quarantine.admits(message):
                self.offsets.done(self.offsets.begin(partition, message.offset))
                return {}
        return taken

    async def _take(self, *, wait_ms: int, records_max: int) -> dict[TopicPartition, list[Any]]:
        try:
            taken: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                timeout_ms=wait_ms, max_records=records_max
            )
            known = {place: portion for place, all_of_it in taken.items() if (portion := self._known(all_of_it))}
            self.offsets.taken(known)
            self._steps += len(known)
            self._empty_looks = 0 if taken else self._empty_looks + 1
            if self._gathering is not None:
                self._gathering.took(sum(map(len, taken.values())))
            return known
        except KafkaError as error:
            log.warning("fetch_failed", error=repr(error))
            await asyncio.sleep(0.3)
            return {}

    def _known(self, messages: list[Any]) -> list[Any]:
        """The records before the first one that a newer version wrote; after such a record, its partition is read no
        further."""
        for number, message in enumerate(messages):
            if self._newer.is_newer(message):
                partition = TopicPartition(message.topic, message.partition)
                with suppress(IllegalStateError):  # another worker has the partition by now
                    self._consumer.pause(partition)
                    self._consumer.seek(partition, message.offset)
                return messages[:number]
        return messages

    async def commit_if_due(self) -> None:
        """Commit about once a second: a crash in between repeats only idempotent work."""
        if self._clock.monotonic() - self._committed_at >= COMMIT_EVERY_SECONDS:
            await self.commit()

    async def commit(self) -> None:
        """Commit what is done. A later call retries a failed commit."""
        self._committed_at = self._clock.monotonic()
        assigned = self._consumer.assignment()
        offsets = {
            partition: offset for partition, offset in self.offsets.committable().items() if partition in assigned
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                await self._consumer.commit(offsets)
            self.offsets.committed(offsets)
            self._steps += 1
        except (CommitFailedError, IllegalStateError, KafkaError, TimeoutError) as error:
            log.warning("commit_failed", error=repr(error))

    def lag(self) -> int:
        """Unread records of the assigned partitions, as far as is known without a request to the broker."""
        return unread(self._places())

    def _places(self) -> Iterator[tuple[int | None, int | None]]:
        """(end, next to read) of each assigned partition."""
        for partition in self._consumer.assignment():
            state = self._consumer._subscription.subscription.assignment.state_value(partition)
            known = state is not None and state.has_valid_position
            yield self._consumer.highwater(partition), state.position if known else None

    def facts(self) -> dict[str, Any]:
        """For the role's heartbeat and health: `lag`, how long no record was taken or finished in spite of it, and a
        record that is newer than this version."""
        lag = self.lag()
        stalled_seconds = self._progress.stalled_seconds(position=self._steps, lag=lag)
        return {"lag": lag, FACT: stalled_seconds, **self._newer.facts()}

    def pause(self) -> None:
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        self._consumer.resume(*(place for place in self._consumer.paused() if place not in self._newer))

    @property
    def raw(self) -> AIOKafkaConsumer:
        """For operations that are not wrapped here (seek, position)."""
        return self._consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        lost = set(revoked)
        if lost:
            await self.commit()
            self.offsets.forget(lost)
            self._newer.forget(lost)
            log.info("partitions_revoked", count=len(lost))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        now_owned = set(assigned)
        self.offsets.forget(now_owned)
        self._newer.forget(now_owned)
        if self._on_change is not None:
            self._on_change(now_owned)
        log.info("partitions_assigned", count=len(now_owned))
        self._rejoin_once()

    def _rejoin_once(self) -> None:
        """After the log has grown. A static member that restarts gets its former partitions back without a rebalance.
        So does the group's leader, and then the new partitions stay unassigned. If the leader joins once more, the
        broker starts a rebalance; if a follower does, nothing changes."""
        if self._rejoins:
            self._rejoins = False
            self._consumer._coordinator.request_rejoin()
