"""Turns of callers: a caller's queue never delays another's next request."""

from __future__ import annotations

import asyncio

from api.access.turns import Turns


async def begin(turns: Turns, caller: bytes, begun: list[bytes]) -> None:
    await turns.take(caller)
    begun.append(caller)


def begin_all(turns: Turns, callers: list[bytes], begun: list[bytes]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(begin(turns, caller, begun)) for caller in callers]


async def test_a_few_requests_are_begun_at_once() -> None:
    turns, begun = Turns(per_turn=2), list[bytes]()
    tasks = begin_all(turns, [b"one", b"one", b"other"], begun)
    await asyncio.sleep(0)
    assert begun == [b"one", b"one", b"other"]
    await asyncio.gather(*tasks)


async def test_a_crowd_of_one_caller_does_not_stand_before_another() -> None:
    turns, begun = Turns(per_turn=2), list[bytes]()
    tasks = begin_all(turns, [b"crowd"] * 100, begun)
    await asyncio.sleep(0)
    tasks += begin_all(turns, [b"other"], begun)
    await asyncio.gather(*tasks)
    assert begun.index(b"other") <= 4
    assert begun.count(b"crowd") == 100, "and all of the crowd are begun in the end"


async def test_a_cancelled_request_gives_its_place_to_the_next() -> None:
    turns, begun = Turns(per_turn=1), list[bytes]()
    tasks = begin_all(turns, [b"one"] * 10, begun)
    await asyncio.sleep(0)
    for task in tasks[1:9]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == [b"one"] * 2


async def test_more_than_the_bound_do_not_wait() -> None:
    turns, begun = Turns(per_turn=1, waiting_max=3), list[bytes]()
    tasks = begin_all(turns, [b"one"] * 10, begun)
    await asyncio.sleep(0)
    assert len(begun) == 7, "one by turn, three wait, and the others are above the bound"
    await asyncio.gather(*tasks)


async def test_a_request_that_has_waited_long_is_begun_however_many_wait_before_it() -> None:
    turns, begun = Turns(per_turn=1, seconds_max=0.0), list[bytes]()
    tasks = begin_all(turns, [b"one"] * 50, begun)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(begun) == 50
    await asyncio.gather(*tasks)


async def test_nothing_is_left_behind_and_the_loop_comes_to_rest() -> None:
    turns, begun = Turns(per_turn=1), list[bytes]()
    await asyncio.gather(*begin_all(turns, [b"one"] * 5 + [b"other"] * 5, begun))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (turns._queues, turns._waiting, dict(turns._begun)) == ({}, 0, {})
