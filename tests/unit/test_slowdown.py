"""Refusals that are held back: whose, how many at once, and never a client that keeps to Retry-After."""

from __future__ import annotations

import asyncio

from api.process.slowdown import REMEMBERED, Slowdown

FOR_EVER = 3_600.0
LATER = 60


async def responded_at_once(slowdown: Slowdown, caller: str, retry_after: int = LATER) -> bool:
    """Whether a refusal may go out now; one that is held is given up, as by a client that hangs up."""
    holding = asyncio.create_task(slowdown.hold(caller, retry_after))
    await asyncio.sleep(0)
    at_once = holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    return at_once


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
