"""Requests up to a limit: sent one after another until one is refused for coming too often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

TRIES_MAX = 200


async def until_refused(send: Callable[[], Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """All answers; the last is the first 429. Fails where none comes."""
    responses: list[httpx.Response] = []
    while len(responses) < TRIES_MAX:
        responses.append(await send())
        if responses[-1].status_code == 429:
            return responses
    raise AssertionError(f"{TRIES_MAX} requests passed")
