"""argon2 beside the event loop: in threads, a few at a time, and as slow for an unknown e-mail as for a known one."""

from __future__ import annotations

import asyncio
from functools import cache

from pydantic import SecretStr

from runtime.secrets import hash_password, password_matches

AT_ONCE_MAX = 2
"""Each takes 64 MiB and a core for about 100 ms. Further ones wait."""
_turn = asyncio.Semaphore(AT_ONCE_MAX)


async def hashed(password: SecretStr) -> str:
    async with _turn:
        return await asyncio.to_thread(hash_password, password.get_secret_value())


async def matches(password: SecretStr, stored: str | None) -> bool:
    """Whether the password is the one of `stored`. None (no such merchant) takes as long and is never right."""
    async with _turn:
        right = await asyncio.to_thread(_compare, password.get_secret_value(), stored)
    return right and stored is not None


def _compare(password: str, stored: str | None) -> bool:
    return password_matches(password, stored if stored is not None else _nobodys_hash())


@cache
def _nobodys_hash() -> str:
    return hash_password("nobody has this password")
