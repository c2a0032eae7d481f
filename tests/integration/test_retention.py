"""What is past its use goes, in portions; what is needed stays."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from store import retention
from store.connections import make_pool
from store.retention import prune_attempts
from tests.support.stack import Stack


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    pool = await make_pool(services.settings, size=1)
    yield pool
    await pool.close()


async def test_old_attempts_go_and_young_ones_stay(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    log_id = uuid.uuid4()
    await pool.executemany(
        "INSERT INTO webhook_attempts (log_id, attempt, at, duration_ms, url, request_headers) "
        "VALUES ($1, $2, now() - make_interval(days => $3), 5, 'https://example.com', '{}')",
        [(log_id, number, days) for number, days in enumerate((400, 120, 91, 89, 1, 0), start=1)],
    )
    monkeypatch.setattr(retention, "PRUNE_MAX", 2)
    assert await prune_attempts(pool, days=90) == 3
    kept = await pool.fetch("SELECT attempt FROM webhook_attempts WHERE log_id = $1 ORDER BY attempt", log_id)
    assert [row["attempt"] for row in kept] == [4, 5, 6]
    assert await prune_attempts(pool, days=90) == 0
