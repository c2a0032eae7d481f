"""The log of a world: partitions, offsets, groups. What a broker does, without a network.

    Broker   append, read, retain (by segment: a record leaves when the youngest of its segment is too old)
    Group    who owns which partition and what is committed; static members, eager rebalances: every member releases
             its partitions before any gets new ones; a member that is silent for its session is evicted

Its clients are in simulation/kafka.py.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aiokafka import TopicPartition

from simulation.clock import EPOCH_MS
from topics.catalogue import FOR_EVER, Topic

if TYPE_CHECKING:
    from simulation.scheduler import Process
    from simulation.world import World

SESSION_SECONDS = 10.0
Headers = tuple[tuple[str, bytes | None], ...]


class Message(NamedTuple):
    """A record on the log, with the names that aiokafka's has. `timestamp`: the broker's, in milliseconds (in Faust's
    hands in seconds)."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: Headers


class Broker:
    """Topics and groups, without faults: those happen on the way to it."""

    def __init__(self, world: World, topics: Iterable[Topic]) -> None:
        self._world = world
        self.topics = {topic.name: topic for topic in topics}
        self._partitions = world.settings.topic_partitions
        self.records: dict[TopicPartition, list[Message]] = {
            place: [] for name in self.topics for place in self.places(name)
        }
        """Includes expired ones: `first` is where a reader may begin."""
        self.first: dict[TopicPartition, int] = defaultdict(int)
        self.groups: dict[str, Group] = {}
        self.strangers: set[tuple[TopicPartition, int]] = set()
        """Positions of foreign records."""
        self.forged: set[tuple[TopicPartition, int]] = set()
        """Those of them that imitate a report of the bank."""
        self.on_its_way = 0
        """Batches that were sent and have not arrived."""
        self._arrivals: dict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def add(self, topic: Topic) -> None:
        """A topic that does not belong to the gateway."""
        self.topics[topic.name] = topic
        self.records |= {place: [] for place in self.places(topic.name)}

    def places(self, topic: str) -> list[TopicPartition]:
        count = self.topics[topic].partitions or self._partitions
        return [TopicPartition(topic, number) for number in range(count)]

    def append(self, topic: str, partition: int, records: Iterable[tuple[bytes | None, bytes | None, Headers]]) -> None:
        """Records (key, value, headers) at the end of a partition; wakes their waiters."""
        kept = self.records[TopicPartition(topic, partition)]
        at = EPOCH_MS + int(self._world.scheduler.now * 1_000)
        for key, value, headers in records:
            message = Message(topic, partition, len(kept), at, key, value, headers)
            kept.append(message)
            self._world.trace.record(message)
        waiting, self._arrivals[topic] = self._arrivals[topic], []
        for arrival in waiting:
            if not arrival.done():
                arrival.set_result(None)

    def append_strange(
        self, place: TopicPartition, record: tuple[bytes | None, bytes | None, Headers], *, forged: bool = False
    ) -> None:
        """A foreign record."""
        self.strangers.add((place, self.end(place)))
        if forged:
            self.forged.add((place, self.end(place)))
        self.append(place.topic, place.partition, [record])

    def end(self, place: TopicPartition) -> int:
        return len(self.records[place])

    def of_topic(self, topic: str) -> list[Message]:
        """Everything that the gateway ever appended, partition after partition."""
        return [
            message
            for place in self.places(topic)
            for message in self.records[place]
            if (place, message.offset) not in self.strangers
        ]

    def kept(self, topic: str) -> list[Message]:
        """The records of a topic after retention."""
        return [message for place in self.places(topic) for message in self.records[place][self.first[place] :]]

    def retain(self) -> None:
        """Remove expired records. Small traffic: a segment ends with its time, and its youngest record counts."""
        now = EPOCH_MS + int(self._world.scheduler.now * 1_000)
        for place, records in self.records.items():
            topic = self.topics[place.topic]
            if topic.retention_ms == FOR_EVER:
                continue
            kept_ms = topic.retention_ms + (topic.segment_ms or 0)
            while self.first[place] < len(records) and now - records[self.first[place]].timestamp > kept_ms:
                self.first[place] += 1

    async def arrival(self, topics: Sequence[str], seconds: float) -> None:
        """Until something is appended to one of the topics, or the time is over."""
        future: asyncio.Future[None] = self._world.scheduler.create_future()
        for topic in topics:
            self._arrivals[topic].append(future)
        timer = self._world.scheduler.call_later(seconds, _wake, future)
        await future
        timer.cancel()

    def group(self, name: str, topics: Sequence[str]) -> Group:
        if name not in self.groups:
            places = [place for topic in topics for place in self.places(topic)]
            self.groups[name] = Group(self._world, name, places)
        return self.groups[name]

    def unread(self, group: str) -> int:
        """Records that no member has taken yet."""
        found = self.groups.get(group)
        return 0 if found is None else found.unread(self)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Member(Protocol):
    """A consumer, as its group sees it."""

    name: str
    process: Process
    released: int
    """Generation for which it has let go of its partitions."""
    positions: dict[TopicPartition, int]
    stopped: bool


class Group:
    """A consumer group."""

    def __init__(self, world: World, name: str, places: list[TopicPartition]) -> None:
        self._world = world
        self.name = name
        self.places = places
        self.committed: dict[TopicPartition, int] = {}
        self.members: dict[str, Member] = {}
        self.plan: dict[str, list[TopicPartition]] = {}
        self.generation = 0
        self.barrier: asyncio.Future[None] | None = None
        """Done once every member has released its partitions; None: no rebalance is under way."""

    def join(self, member: Member) -> bool:
        """True if the member replaces a gone one of its name: no rebalance is needed."""
        known = member.name in self.members
        self.members[member.name] = member
        if known:
            self.passed()
            return self.barrier is None
        self._rebalance(f"{member.name} joins")
        return False

    def leave(self, member: Member) -> None:
        if self.members.get(member.name) is member:
            del self.members[member.name]
            self._rebalance(f"{member.name} is gone")

    def put_out_if_silent(self, member: Member) -> None:
        if not member.process.alive or member.process.paused or member.stopped:
            self.leave(member)

    def owns(self, member: Member) -> bool:
        return self.members.get(member.name) is member

    def passed(self) -> None:
        """Open the barrier once all have let go of what they had."""
        if self.barrier is not None and all(one.released == self.generation for one in self.members.values()):
            barrier, self.barrier = self.barrier, None
            barrier.set_result(None)

    def unread(self, broker: Broker) -> int:
        read = {place: at for member in self.members.values() for place, at in member.positions.items()}
        return sum(broker.end(place) - read.get(place, broker.first[place]) for place in self.places)

    def evict(self, chance: float) -> None:
        """Evict a live member: its heartbeats were late. It joins again once it notices."""
        members = sorted(self.members)
        if members:
            self.leave(self.members[members[int(chance * len(members))]])

    def uncommitted(self, broker: Broker) -> dict[TopicPartition, int]:
        """Partitions of which records are not committed, and up to where they are."""
        return {
            place: self.committed.get(place, broker.first[place])
            for place in self.places
            if self.committed.get(place, broker.first[place]) < broker.end(place)
        }

    def _rebalance(self, why: str) -> None:
        self.generation += 1
        names = sorted(self.members)
        self.plan = {name: self.places[number :: len(names)] for number, name in enumerate(names)}
        self._world.trace.note("group", f"{self.name}: {why}; members {names}")
        if self.barrier is not None:
            self.barrier.set_result(None)  # waiting members release again, for the new generation
        self.barrier = self._world.scheduler.create_future()
        self.passed()
