"""aiokafka's clients on the simulated log, as far as the product uses them.

ProducerClient   idempotent, in order for each partition, unusable after its first failure. A record may be lost, its
                 ack may be, it may arrive late. A dead process's records in transit arrive, or the last of them do not.
ConsumerClient   at least once since the last commit; commits may fail; static members; eager rebalances.
FaustStream      what Faust gives the actor's agent: records of its partitions in order, acks by hand, commits about
                 once a second; on revoke it waits for what is being worked on, commits, and drops its buffer
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError, KafkaError, RequestTimedOutError

from simulation.faults import MOMENT_SECONDS, between, delay_seconds
from simulation.log import Group, Headers, Message
from simulation.scheduler import PROCESS, fail, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.world import World

Sent = tuple[bytes | None, bytes | None, Headers]


class Batch:
    """The result of `create_batch`: never full."""

    def __init__(self) -> None:
        self.records: list[Sent] = []

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: int | None, headers: list[Any]) -> object:
        self.records.append((key, value, tuple(headers)))
        return self

    def record_count(self) -> int:
        return len(self.records)

    def close(self) -> None:
        """No more records."""


class ProducerClient:
    """AIOKafkaProducer."""

    def __init__(self, world: World, **_settings: Any) -> None:
        self._world = world
        self._process = PROCESS.get()
        self._broken = False
        self._cut = False
        self._arrives_at: dict[tuple[str, int], float] = defaultdict(float)
        self.client = SimpleNamespace()

    async def start(self) -> None:
        await asyncio.sleep(delay_seconds())
        if self._world.faults.happens("broker_refuses"):
            raise KafkaConnectionError("the broker does not answer")

    async def stop(self) -> None:
        self._broken = True

    async def send(
        self, topic: str, *, value: bytes | None, key: bytes | None, partition: int, headers: Sequence[Any]
    ) -> asyncio.Future[object]:
        return self._send(topic, partition, [(key, value, tuple(headers))])

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[object]:
        return self._send(topic, partition, batch.records)

    def _send(self, topic: str, partition: int, records: list[Sent]) -> asyncio.Future[object]:
        if self._broken:
            raise KafkaError("the producer is closed")
        world, faults = self._world, self._world.faults
        ack: asyncio.Future[object] = world.scheduler.create_future()
        ack.add_done_callback(_look_at)
        lost, ack_lost = faults.happens("record_lost"), faults.happens("ack_lost")
        wait = delay_seconds() + (between(0.3, 4.0) if faults.happens("append_late") else 0.0)
        earliest = self._arrives_at[topic, partition] + 1e-6
        at = self._arrives_at[topic, partition] = max(earliest, world.scheduler.now + wait)
        self._broken = lost or ack_lost
        silence = between(0.5, 3.0) if self._broken else 0.0
        if faults.happens("dies_sending"):
            world.scheduler.outside(between(0.0, MOMENT_SECONDS), world.kill, self._process, "dies as it sends")
        world.broker.on_its_way += 1
        arrive = partial(self._arrive, topic, partition, records, ack, lost, silence)
        world.scheduler.outside(at - world.scheduler.now, arrive)
        return ack

    def _arrive(
        self,
        topic: str,
        partition: int,
        records: list[Sent],
        ack: asyncio.Future[object],
        lost: bool,
        silence: float,
    ) -> None:
        self._world.broker.on_its_way -= 1
        if not self._process.alive and not self._process.cut and self._process.random.random() < 0.5:
            self._process.cut = True
        self._cut = self._cut or lost or self._process.cut
        if not self._cut:
            self._world.broker.append(topic, partition, records)
        if silence or self._cut:
            error = RequestTimedOutError("no ack")
            self._world.scheduler.outside(silence or 1.0, fail, ack, error)
        else:
            self._world.scheduler.outside(0.0002, resolve, ack, None)


class ConsumerClient:
    """AIOKafkaConsumer."""

    def __init__(
        self,
        world: World,
        *,
        group_id: str,
        group_instance_id: str,
        fetch_min_bytes: int = 1,
        fetch_max_wait_ms: int = 500,
        **_settings: Any,
    ) -> None:
        self._world = world
        self.process = PROCESS.get()
        self.name = group_instance_id
        self._group_id = group_id
        self._topics: tuple[str, ...] = ()
        self._listener: Any = None
        self._group: Group | None = None
        self.generation = self.released = -1
        self.positions: dict[TopicPartition, int] = {}
        self.stopped = False
        self._resting: set[TopicPartition] = set()
        self._fetcher = SimpleNamespace(_fetch_min_bytes=fetch_min_bytes, _fetch_max_wait_ms=fetch_max_wait_ms)
        """What agents.gathering.FetchTerms changes."""

    @property
    def group(self) -> Group:
        assert self._group is not None, "subscribe() comes first"
        return self._group

    def subscribe(self, topics: Sequence[str], *, listener: Any) -> None:
        self._topics, self._listener = tuple(topics), listener
        self._group = self._world.broker.group(self._group_id, self._topics)

    async def start(self) -> None:
        await asyncio.sleep(delay_seconds())
        if self.group.join(self):
            await self._take_over(self.group.generation)
        self.process.on_silence.append(self._missed)

    async def stop(self) -> None:
        """A static member leaves silently: its partitions are unassigned until its session expires, or it returns."""
        self.stopped = True
        self.positions.clear()
        self._missed()

    def _missed(self) -> None:
        """Killed, paused or stopped: the coordinator notices after the session's time."""
        self._world.scheduler.outside(self._world.session_seconds, self.group.put_out_if_silent, self)

    async def getmany(self, *, timeout_ms: int, max_records: int | None = None) -> dict[TopicPartition, list[Message]]:
        await self.follow()
        found = self._take(max_records)
        if not found:
            await self._world.broker.arrival(self._topics, max(timeout_ms, self._world.fetch_wait_ms) / 1000)
            await asyncio.sleep(delay_seconds() + self._gathering_seconds())
            await self.follow()
            found = self._take(max_records)
        return found

    def _gathering_seconds(self) -> float:
        """How long the broker waits for more records. Records of a world never fill a response."""
        terms = self._fetcher
        return terms._fetch_max_wait_ms / 1_000 if terms._fetch_min_bytes > 1 else 0.0

    async def follow(self) -> None:
        """At each poll: join again after being put out, take part in a rebalance. Raises KafkaError when fenced."""
        group = self.group
        while not group.owns(self) or self.generation != group.generation:
            if not group.owns(self):
                if self.name in group.members:
                    raise KafkaError("fenced: another process has this member's name")
                await self._let_go()
                group.join(self)
                continue
            generation = group.generation
            await self._let_go()
            if generation != group.generation or not group.owns(self):
                continue
            self.released = generation
            group.passed()
            if group.barrier is not None:
                await asyncio.shield(group.barrier)
            if generation == group.generation and group.owns(self):
                await self._take_over(generation)

    async def _let_go(self) -> None:
        held = set(self.positions)
        if held:
            await self._listener.on_partitions_revoked(held)
        self.positions.clear()

    async def _take_over(self, generation: int) -> None:
        self.generation = self.released = generation
        group, broker = self.group, self._world.broker
        self.positions = {
            place: max(group.committed.get(place, 0), broker.first[place]) for place in group.plan[self.name]
        }
        for place, position in self.positions.items():
            if position < broker.end(place):
                self._world.trace.note("log", f"{self.name} reads {place.topic}/{place.partition} from {position}")
        self._resting.clear()
        await self._listener.on_partitions_assigned(set(self.positions))

    def _take(self, records_max: int | None) -> dict[TopicPartition, list[Message]]:
        found = {}
        for place, position in self.positions.items():
            if place not in self._resting:
                records = self._world.broker.records[place][position:][:records_max]
                if records:
                    found[place] = records
                    self.positions[place] += len(records)
        return found

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.sleep(delay_seconds())
        if self._world.faults.happens("commit_lost"):
            await asyncio.sleep(between(0.5, 3.0))
            raise RequestTimedOutError("the commit got no answer")
        if not self.group.owns(self) or self.generation != self.group.generation:
            raise CommitFailedError("the group has moved on")
        self.group.committed |= offsets
        await asyncio.sleep(delay_seconds())

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(delay_seconds())
        return {place: self._world.broker.end(place) for place in places}

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(delay_seconds())
        return {place: self._world.broker.first[place] for place in places}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def highwater(self, place: TopicPartition) -> int:
        return self._world.broker.end(place)

    @property
    def _subscription(self) -> Any:
        """What LogConsumer.lag looks into."""
        return SimpleNamespace(subscription=SimpleNamespace(assignment=SimpleNamespace(state_value=self._state)))

    def _state(self, place: TopicPartition) -> Any:
        return SimpleNamespace(has_valid_position=True, position=self.positions.get(place, 0))

    def pause(self, *places: TopicPartition) -> None:
        self._resting |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        self._resting -= set(places)

    def paused(self) -> set[TopicPartition]:
        return set(self._resting)


def in_seconds(message: Message) -> Message:
    """The record as Faust has it."""
    topic, partition, offset, at, key, value, headers = message
    return Message(topic, partition, offset, at / 1_000, key, value, headers)


@dataclass(eq=False, slots=True)
class StreamEvent:
    """A record in the agent's hands."""

    message: Message
    acked: bool = False


class FaustStream:
    """The actor's stream: `events`, `queue` and `ack` are what agents.payments.batches takes."""

    COMMIT_EVERY_SECONDS = 1.0
    WAIT_EMPTY_SECONDS = 30.0
    BUFFER_MAX = 16_384

    def __init__(self, world: World, topic: str, *, group: str, member: str, on_assigned: Callable[[], None]) -> None:
        self._world = world
        self._on_assigned = on_assigned
        self._client = ConsumerClient(world, group_id=group, group_instance_id=member)
        self._client.subscribe((topic,), listener=self)
        self._open: dict[TopicPartition, deque[StreamEvent]] = {}
        self._acked: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self.queue: asyncio.Queue[StreamEvent] = asyncio.Queue()

    async def run(self) -> None:
        """Fetch and commit, without end."""
        await self._client.start()
        committed_at = self._world.scheduler.now
        while True:
            try:
                taken = await self._client.getmany(timeout_ms=1_000, max_records=500)
            except KafkaError:
                await asyncio.sleep(0.3)
                continue
            for place, messages in taken.items():
                for message in messages:
                    event = StreamEvent(in_seconds(message))
                    self._open[place].append(event)
                    self.queue.put_nowait(event)
            if self._world.scheduler.now - committed_at >= self.COMMIT_EVERY_SECONDS:
                committed_at = self._world.scheduler.now
                await self._commit()

    async def events(self) -> AsyncIterator[StreamEvent]:
        while True:
            yield await self.queue.get()

    async def ack(self, event: StreamEvent) -> None:
        event.acked = True
        place = TopicPartition(event.message.topic, event.message.partition)
        waiting = self._open.get(place)
        while waiting and waiting[0].acked:
            self._acked[place] = waiting.popleft().message.offset + 1

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """What is in the agent's hands is waited for (stream_wait_empty); the buffer goes."""
        waited_until = self._world.scheduler.now + self.WAIT_EMPTY_SECONDS
        dropped = set()
        while not self.queue.empty():
            dropped.add(id(self.queue.get_nowait()))
        for waiting in self._open.values():
            while waiting and id(waiting[-1]) in dropped:
                waiting.pop()
        while any(self._open.values()) and self._world.scheduler.now < waited_until:  # noqa: ASYNC110  # as Faust does
            await asyncio.sleep(0.05)
        await self._commit()
        self._open.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._open = {place: deque() for place in sorted(assigned)}
        self._acked.clear()
        self._committed.clear()
        self._on_assigned()

    async def _commit(self) -> None:
        """Faust commits what is acked and not committed yet; after a failure, again at the next round."""
        due = {place: at for place, at in self._acked.items() if self._committed.get(place) != at}
        if not due:
            return
        try:
            await self._client.commit(due)
        except KafkaError:
            return
        self._committed |= due


def _look_at(ack: asyncio.Future[object]) -> None:
    """A failed ack without a waiter is not a defect of the product."""
    if not ack.cancelled():
        ack.exception()
