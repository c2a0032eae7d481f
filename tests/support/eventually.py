"""Waiting for something that happens elsewhere: poll until it holds, never a fixed sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def eventually(
    probe: Callable[[], T | Awaitable[T]], *, timeout: float = 10.0, interval: float = 0.05, what: str = ""
) -> T:
    """The first truthy value of `probe` (plain or async). AssertionErrors inside it count as "not yet".

    Raises AssertionError with the last value or error when `timeout` seconds have passed.
    """
    limit = time.monotonic() + timeout
    while True:
        value, error = await _attempt(probe)
        if error is None and value:
            return value  # type: ignore[no-any-return]  # the probe's own type
        if time.monotonic() > limit:
            named = what or getattr(probe, "__name__", "the condition")
            raise AssertionError(f"{named} did not hold within {timeout} s; last: {error or value!r}") from error
        await asyncio.sleep(interval)


async def _attempt(probe: Callable[[], Any]) -> tuple[Any, AssertionError | None]:
    try:
        value = probe()
        return (await value if inspect.isawaitable(value) else value), None
    except AssertionError as error:
        return None, error
