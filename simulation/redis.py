"""Redis in a world: channels and keys, none of them reliable. Messages are lost or late; all is flushed."""

from __future__ import annotations

import asyncio
import fnmatch
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError

from simulation.faults import between, delay_seconds
from simulation.scheduler import PROCESS
from store.redis.job_counters import APPLIED, JobCounters, Step

if TYPE_CHECKING:
    from simulation.world import World


class Redis:
    """The server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.values: dict[str, tuple[bytes, float]] = {}
        """Key -> value and when it expires."""
        self.hashes: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.sorted_sets: dict[str, dict[str, float]] = defaultdict(dict)
        """Key -> member -> score."""
        self.listeners: dict[str, list[asyncio.Queue[bytes]]] = defaultdict(list)

    def flush(self) -> None:
        self.values.clear()
        self.hashes.clear()
        self.sorted_sets.clear()

    def publish(self, channel: str, data: bytes) -> None:
        for queue in self.listeners.get(channel, ()):
            queue.put_nowait(data)


class RedisClient:
    """redis.asyncio.Redis, as far as the product uses it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = world.redis
        self._process = PROCESS.get()

    async def _reach(self) -> None:
        await asyncio.sleep(delay_seconds())
        if self._world.faults.happens("redis_away"):
            raise RedisConnectionError("the connection broke")

    def pipeline(self, *, transaction: bool) -> Pipeline:
        return Pipeline(self._world)

    def pubsub(self) -> PubSub:
        return PubSub(self._server)

    async def set(
        self, name: str, value: bytes | str, *, ex: int | None = None, nx: bool = False, get: bool = False
    ) -> Any:
        await self._reach()
        before = self._get(name)
        if not (nx and before is not None):
            data = value.encode() if isinstance(value, str) else value
            self._server.values[name] = (data, self._world.scheduler.now + (ex if ex is not None else 1e12))
        return before if get else True

    def _get(self, name: str) -> bytes | None:
        found = self._server.values.get(name)
        return found[0] if found is not None and found[1] > self._world.scheduler.now else None

    async def get(self, name: str) -> bytes | None:
        await self._reach()
        return self._get(name)

    async def mget(self, names: Sequence[str]) -> list[bytes | None]:
        await self._reach()
        return [self._get(name) for name in names]

    async def delete(self, name: str) -> None:
        await self._reach()
        self._server.values.pop(name, None)

    async def scan(self, cursor: int, *, match: str, count: int) -> tuple[int, list[bytes]]:
        await self._reach()
        return 0, [name.encode() for name in self._server.values if fnmatch.fnmatchcase(name, match)]

    async def zadd(self, name: str, members: Mapping[str, float]) -> None:
        await self._reach()
        self._server.sorted_sets[name] |= members

    async def zrange(self, name: str, first: int, last: int) -> list[bytes]:
        assert (first, last) == (0, -1), "whole sets only"
        await self._reach()
        members = self._server.sorted_sets[name]
        return [member.encode() for member in sorted(members, key=lambda member: (members[member], member))]

    async def publish(self, channel: str, message: str | bytes) -> None:
        await self._reach()
        self._server.publish(channel, message.encode() if isinstance(message, str) else message)

    async def hset(self, name: str, *, mapping: Mapping[str, str]) -> None:
        await self._reach()
        self._server.hashes[name] |= {key: value.encode() for key, value in mapping.items()}


class Pipeline:
    """Commands sent together; each message may be lost or late by itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._messages: list[tuple[str, bytes]] = []
        self._changes: list[Callable[[], object]] = []

    def publish(self, channel: str, message: str | bytes) -> None:
        self._messages.append((channel, message.encode() if isinstance(message, str) else message))

    def set(self, name: str, value: bytes, *, ex: int) -> None:
        server, expires_at = self._world.redis, self._world.scheduler.now + ex
        self._changes.append(lambda: server.values.update({name: (value, expires_at)}))

    def zadd(self, name: str, members: Mapping[str, float]) -> None:
        self._changes.append(lambda: self._world.redis.sorted_sets[name].update(members))

    def zremrangebyscore(self, name: str, first: str, last: float) -> None:
        assert first == "-inf", "from the lowest only"

        def remove() -> None:
            members = self._world.redis.sorted_sets[name]
            for member in [member for member, score in members.items() if score <= last]:
                del members[member]

        self._changes.append(remove)

    def expire(self, name: str, seconds: int) -> None:
        """Nothing: no world lasts as long as a name is remembered."""

    async def execute(self) -> None:
        world = self._world
        if world.faults.happens("redis_away"):
            await asyncio.sleep(delay_seconds())
            raise RedisConnectionError("the connection broke")
        for change in self._changes:
            change()
        for channel, message in self._messages:
            if not world.redis.listeners.get(channel) or world.faults.happens("reply_lost"):
                continue
            late = between(0.1, 3.0) if world.faults.happens("reply_late") else 0.0
            world.scheduler.outside(delay_seconds() + late, world.redis.publish, channel, message)
        await asyncio.sleep(delay_seconds())


class PubSub:
    """A subscription of a process; it ends with the process."""

    def __init__(self, server: Redis) -> None:
        self._server = server
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def __aenter__(self) -> PubSub:
        return self

    async def __aexit__(self, *_: object) -> None:
        for queues in self._server.listeners.values():
            if self._queue in queues:
                queues.remove(self._queue)

    async def subscribe(self, *channels: str) -> None:
        await asyncio.sleep(delay_seconds())
        for channel in channels:
            # One worker of a name lives at a time: the subscription of its predecessor is gone.
            self._server.listeners[channel] = [self._queue]

    async def listen(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"type": "message", "data": await self._queue.get()}


class SimulatedCounters(JobCounters):
    """Job counters without Redis's Lua: the offset and the deltas change together, as the script does it."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def _reach(self) -> None:
        await asyncio.sleep(delay_seconds())
        if self._world.faults.happens("redis_away"):
            raise RedisConnectionError("the connection broke")

    async def offsets(self, places: Sequence[str]) -> list[int]:
        await self._reach()
        return [self._offset(place) for place in places]

    def _offset(self, place: str) -> int:
        return int(self._world.redis.hashes["offsets"].get(place, b"0"))

    async def apply(self, steps: Sequence[Step]) -> list[int]:
        await self._reach()
        results = [self._apply_one(step) for step in steps]
        if self._world.faults.happens("reply_lost"):
            raise RedisConnectionError("the answer was lost")
        return results

    def _apply_one(self, step: Step) -> int:
        offsets, counters = self._world.redis.hashes["offsets"], self._world.redis.hashes["counters"]
        stored = self._offset(step.place)
        if stored != step.expected:
            return stored
        offsets[step.place] = str(step.next_offset).encode()
        for name, delta in step.deltas.items():
            counters[name] = str(int(counters.get(name, b"0")) + delta).encode()
        return APPLIED
