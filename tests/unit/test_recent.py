"""A value that is computed once for all callers within a second."""

from __future__ import annotations

import asyncio

import pytest

from api.process.recent import Recent


class Look:
    """A clock that stands still, and what was found at it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.count = 0
        self.fails = False

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.count += 1
        if self.fails:
            raise ConnectionError
        return self.count

    def recent(self) -> Recent[int]:
        return Recent(self, seconds=1.0, monotonic=lambda: self.now)


async def test_a_crowd_costs_one_look() -> None:
    look = Look()
    recent = look.recent()
    assert set(await asyncio.gather(*(recent.get() for _ in range(500)))) == {1}
    look.now += 0.9
    assert await recent.get() == 1
    look.now += 0.1
    assert await recent.get() == 2


async def test_a_failure_is_not_remembered() -> None:
    look = Look()
    recent = look.recent()
    look.fails = True
    with pytest.raises(ConnectionError):
        await recent.get()
    look.fails = False
    assert await recent.get() == 2


async def test_a_cancelled_caller_leaves_the_others_their_result() -> None:
    look = Look()
    recent = look.recent()
    first, second = asyncio.create_task(recent.get()), asyncio.create_task(recent.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
