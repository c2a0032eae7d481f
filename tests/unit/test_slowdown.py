"""Callers above their limit: whose refusals are held, how many and how long, and which requests begin in rounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from api.process.slowdown import REMEMBERED, Slowdown

FOR_EVER = 3_600.0
LATER = 60


async def returns_at_once(waiting: Coroutine[Any, Any, None]) -> bool:
    """Whether it waits for nothing; if it does, it is given up, as by a client that hangs up."""
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0)
    at_once = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return at_once


async def responded_at_once(slowdown: Slowdown, caller: str, retry_after: int = LATER) -> bool:
    """Whether a refusal may go out now."""
    return await returns_at_once(slowdown.hold(caller, retry_after))


async def test_the_first_refusal_goes_out_at_once_and_the_next_is_held() -> None:
    slowdown = Slowdown(seconds=FOR_EVER)
    assert [await responded_at_once(slowdown, "greedy") for _ in range(3)] == [True, False, False]
    assert await responded_at_once(slowdown, "other"), "another caller's first refusal"


async def test_a_held_refusal_goes_out_in_the_end() -> None:
    slowdown = Slowdown(seconds=0.001)
    await slowdown.hold("greedy", LATER)
    await slowdown.hold("greedy", LATER)


async def test_a_client_that_keeps_to_retry_after_is_never_held() -> None:
    slowdown = Slowdown(seconds=FOR_EVER)
    assert all([await responded_at_once(slowdown, "polite", retry_after=0) for _ in range(5)])


async def test_refusals_are_held_up_to_a_bound_for_each_caller_and_for_all() -> None:
    slowdown = Slowdown(seconds=FOR_EVER, per_caller=2, in_all=3)
    for caller in ("greedy", "other"):
        await slowdown.hold(caller, LATER)
    held = [asyncio.create_task(slowdown.hold("greedy", LATER)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await responded_at_once(slowdown, "greedy"), "two of its own are held already"
    held.append(asyncio.create_task(slowdown.hold("other", LATER)))
    await asyncio.sleep(0)
    assert await responded_at_once(slowdown, "other"), "three are held in all"
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert not await responded_at_once(slowdown, "greedy"), "those that hung up gave their places back"


async def test_what_is_remembered_of_callers_has_a_bound() -> None:
    slowdown = Slowdown(seconds=FOR_EVER)
    for number in range(REMEMBERED):
        await slowdown.hold(f"one-time-{number}", 0)
    await slowdown.hold("greedy", LATER)
    assert not await responded_at_once(slowdown, "greedy"), "callers whose time is over make room"
    for number in range(REMEMBERED + 5):
        await slowdown.hold(f"flood-{number}", LATER)
    assert len(slowdown._waits_until) == REMEMBERED


async def released(slowdown: Slowdown, count: int) -> list[float]:
    """Seconds for which each of a caller's refusals that come together is held, in order."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one() -> float:
        await slowdown.hold("greedy", LATER)
        return loop.time() - began

    await slowdown.hold("greedy", LATER)
    return sorted(await asyncio.gather(*(one() for _ in range(count))))


async def test_a_caller_with_many_connections_has_a_bounded_number_of_responses_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.process.slowdown.RELEASED_PER_SECOND", 200)
    slowdown = Slowdown(seconds=0.01, fraction=lambda: 0.5)
    held = await released(slowdown, 60)
    assert held[0] >= 0.01
    assert held[-1] >= 60 / 200, "the sixtieth waits for its place"
    assert all(seconds >= place / 200 for place, seconds in enumerate(held, 1) if place > 2)


async def test_no_refusal_is_held_longer_than_its_maximum() -> None:
    slowdown = Slowdown(seconds=0.001, fraction=lambda: 0.5)
    await slowdown.hold("network", LATER)
    async with asyncio.timeout(5):
        await asyncio.gather(*(slowdown.hold("network", LATER, longest=0.05) for _ in range(900)))


async def begins(slowdown: Slowdown, caller: str, *, little_left: bool = False) -> bool:
    """Whether a request of this caller begins before the next round."""
    return await returns_at_once(slowdown.join_round(caller, little_left=little_left))


async def test_requests_of_a_merchant_that_continues_begin_together_in_the_next_round() -> None:
    slowdown = Slowdown(seconds=0.001, round_seconds=0.2)
    await slowdown.hold("greedy", LATER)
    together = [asyncio.create_task(slowdown.join_round("greedy", little_left=True)) for _ in range(3)]
    assert await begins(slowdown, "other"), "nobody else waits"
    assert not any(task.done() for task in together)
    async with asyncio.timeout(5):
        await asyncio.wait(together, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
    assert all(task.done() for task in together)
    assert not await begins(slowdown, "greedy"), "the next one waits for the next round"


async def test_a_caller_without_a_refusal_joins_no_round() -> None:
    slowdown = Slowdown(round_seconds=FOR_EVER)
    assert all([await begins(slowdown, "busy", little_left=True) for _ in range(3)])


async def test_a_merchant_with_room_again_leaves_the_rounds() -> None:
    slowdown = Slowdown(round_seconds=0.05)
    await slowdown.hold("greedy", 0)
    assert await begins(slowdown, "greedy"), "its Retry-After is over"
    await slowdown.hold("greedy", LATER)
    slowdown._waits_until["greedy"] = 0.0
    assert await begins(slowdown, "greedy", little_left=True)


async def test_a_merchant_that_uses_up_its_limit_stays_in_the_rounds() -> None:
    slowdown = Slowdown(round_seconds=0.05)
    await slowdown.hold("greedy", 1)
    slowdown._waits_until["greedy"] = time.monotonic() + 0.04
    await slowdown.join_round("greedy", little_left=True)
    await asyncio.sleep(0.04)
    assert not await begins(slowdown, "greedy")


async def test_a_process_that_stops_holds_nothing() -> None:
    slowdown = Slowdown(seconds=FOR_EVER, round_seconds=FOR_EVER)
    await slowdown.hold("greedy", LATER)
    held = [
        asyncio.create_task(slowdown.hold("greedy", LATER)),
        asyncio.create_task(slowdown.join_round("greedy", little_left=True)),
    ]
    await asyncio.sleep(0)
    assert not any(task.done() for task in held)
    slowdown.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*held)
        await slowdown.hold("greedy", LATER)
        await slowdown.join_round("greedy", little_left=True)
