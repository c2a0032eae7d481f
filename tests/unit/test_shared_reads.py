"""runtime/shared_reads.py: one read for all callers while it runs."""

from __future__ import annotations

import asyncio

import pytest

from runtime.shared_reads import SharedReads


class Source:
    """Answers when it is told to, and counts how often it was read."""

    def __init__(self) -> None:
        self.reads = 0
        self.may_respond = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.reads += 1
        await self.may_respond.wait()
        if self.error is not None:
            raise self.error
        return self.reads


async def started(*callers: asyncio.Task[int]) -> None:
    """Until each of them waits."""
    for _ in callers:
        await asyncio.sleep(0)


async def test_callers_that_ask_while_it_is_read_share_one_read() -> None:
    shared, source = SharedReads[str, int](), Source()
    callers = [asyncio.create_task(shared.get("a", source.read)) for _ in range(5)]
    await started(*callers)
    source.may_respond.set()
    assert await asyncio.gather(*callers) == [1] * 5


async def test_a_caller_after_the_read_reads_again() -> None:
    shared, source = SharedReads[str, int](), Source()
    source.may_respond.set()
    assert [await shared.get("a", source.read), await shared.get("a", source.read)] == [1, 2]


async def test_another_key_has_a_read_of_its_own() -> None:
    shared, source = SharedReads[str, int](), Source()
    source.may_respond.set()
    await asyncio.gather(shared.get("a", source.read), shared.get("b", source.read))
    assert source.reads == 2


async def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    shared, source = SharedReads[str, int](), Source()
    source.error = OSError("gone")
    callers = [asyncio.create_task(shared.get("a", source.read)) for _ in range(3)]
    await started(*callers)
    source.may_respond.set()
    assert [str(found) for found in await asyncio.gather(*callers, return_exceptions=True)] == ["gone"] * 3
    source.error = None
    assert await shared.get("a", source.read) == 2


async def test_a_caller_that_gives_up_does_not_end_the_read_of_the_others() -> None:
    shared, source = SharedReads[str, int](), Source()
    first = asyncio.create_task(shared.get("a", source.read))
    await started(first)
    second = asyncio.create_task(shared.get("a", source.read))
    await started(second)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.may_respond.set()
    assert await second == 1
