"""What is past its use goes, in portions; what is needed stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from store import retention
from store.actor import KEEP
from store.connections import make_pool
from store.retention import prune_attempts, prune_commands
from tests.support.eventually import eventually
from tests.support.stack import Stack

BLOCKED = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%DELETE FROM commands%')
"""


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


async def test_an_acceptance_that_is_renewed_while_the_inbox_is_pruned_stays(
    services: Stack, pool: asyncpg.Pool
) -> None:
    # Given an acceptance past its age, which a request with the same key has just been answered with,
    key = f"idk_{uuid.uuid4().hex}"
    await pool.execute(
        "INSERT INTO commands (id, order_id, type, nonce, rejected, reply, first_sequence, event_count, decided_at)"
        " VALUES ($1, 'order_kept', 'refund.create', 'n1', false, '{}', 1, 0, now() - interval '20 days')",
        key,
    )
    actor = await asyncpg.connect(services.settings.database_url.get_secret_value())
    try:
        renewal = actor.transaction()
        await renewal.start()
        await actor.execute(KEEP, [key])
        # when the inbox is pruned before the actor has committed,
        pruning = asyncio.create_task(prune_commands(pool, days=9))
        await eventually(lambda: actor.fetchval(BLOCKED), timeout=20, what="the pruning to wait for the actor")
        await renewal.commit()
        await pruning
        # then the acceptance is still there.
        assert await actor.fetchval("SELECT count(*) FROM commands WHERE id = $1", key) == 1
    finally:
        await actor.close()
