"""API keys in memory: one that was revoked while it was being read is not kept as it was."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from api.process.keys import KeyCache
from runtime.clock import now
from runtime.settings import Settings
from store.accounts.api_keys import COLUMNS
from store.driver import Pool

KEY = "key_test_abc123"


class SlowTable:
    """`api_keys` with one row. A reader that has seen it gets its answer once `responding` is set."""

    def __init__(self) -> None:
        self.row: dict[str, Any] | None = dict.fromkeys(COLUMNS.split(", ")) | {
            "key": KEY, "scopes": [], "addresses": [], "created_at": now(),
        }  # fmt: skip
        self.reads = 0
        self.reading, self.responding = asyncio.Event(), asyncio.Event()

    async def fetchrow(self, _query: str, _key: str) -> dict[str, Any] | None:
        self.reads += 1
        row = self.row
        self.reading.set()
        await self.responding.wait()
        return row


@pytest.mark.parametrize("how", [lambda keys: keys.forget(KEY), KeyCache.forget_all], ids=["told", "after a gap"])
async def test_a_key_that_is_revoked_while_it_is_read_is_read_again(how: Any) -> None:
    # Given a request that has read the key, and has not got the answer yet,
    table = SlowTable()
    keys = KeyCache(Settings(test_mode=True), cast(Pool, table))
    first = asyncio.create_task(keys.find(KEY))
    await table.reading.wait()
    # when the key is revoked, and this process learns of it before that answer comes,
    table.row = None
    how(keys)
    table.responding.set()
    await first
    # then no later request is let in with it.
    assert await keys.find(KEY) is None


async def test_a_key_is_read_once_for_many_requests() -> None:
    table = SlowTable()
    table.responding.set()
    keys = KeyCache(Settings(test_mode=True), cast(Pool, table))
    for _ in range(3):
        assert await keys.find(KEY) is not None
    assert table.reads == 1
