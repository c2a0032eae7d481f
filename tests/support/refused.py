"""Requests up to a limit: sent one after another until one is refused for coming too often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

TRIES_MAX = 200


async def until_refused(send: Callable[[], Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """All answers; the last is the first 429. Fails where none comes."""
    answers: list[httpx.Response] = []
    while len(answers) < TRIES_MAX:
        answers.append(await send())
        if answers[-1].status_code == 429:
            return answers
    raise AssertionError(f"{TRIES_MAX} requests passed")
