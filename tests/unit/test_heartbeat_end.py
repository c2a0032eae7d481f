"""A heartbeat ends when it is cancelled, also where the client loses the cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from store.redis import heartbeats
from store.redis.heartbeats import beat


class Losing:
    """A client of Redis, and its pipeline: a cancellation while it writes is lost, as in asyncio.wait_for of 3.11."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()
        self.writes = 0

    def pipeline(self, *, transaction: bool) -> Losing:
        return self

    def set(self, *_: object, **__: object) -> None:
        self.writes += 1

    zadd = zremrangebyscore = expire = set

    async def execute(self) -> None:
        self.writing.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def scan(self, *_: object, **__: object) -> tuple[int, list[bytes]]:
        return 0, []


async def test_a_lost_cancellation_ends_the_heartbeat_all_the_same() -> None:
    client: Any = Losing()
    beating = asyncio.create_task(beat(client, "payments", "payments-0", dict))
    await client.writing.wait()
    beating.cancel()
    done, _ = await asyncio.wait([beating], timeout=5)
    assert done == {beating}
    assert client.writes == 4, "one heartbeat: key, name, the names that are too old, their end"


class Searching(Losing):
    """A client whose search of the keys never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0
        self.searched = False

    async def execute(self) -> None:
        self.beats += 1
        if self.beats == 3:
            self.writing.set()

    async def scan(self, *_: object, **__: object) -> tuple[int, list[bytes]]:
        self.searched = True
        await asyncio.sleep(0)
        return 1, []


async def test_the_heartbeat_goes_on_while_a_search_among_many_keys_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "EVERY_SECONDS", 0.01)
    client: Any = Searching()
    beating = asyncio.create_task(beat(client, "payments", "payments-0", dict))
    await asyncio.wait_for(client.writing.wait(), timeout=5)
    assert client.searched
    # Its end is the end of the search.
    beating.cancel()
    done, _ = await asyncio.wait([beating], timeout=5)
    assert done == {beating}
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "heartbeat search"]
