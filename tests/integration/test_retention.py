"""What is past its use goes, in portions; what is needed stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from aiokafka import TopicPartition

from domain.ids import ORDER
from runtime.clock import now
from store import retention
from store.actor import KEEP
from store.connections import make_pool
from store.retention import prune_attempts, prune_commands, prune_promises
from tests.support.command_client import CommandClient, fresh, order_command
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.catalogue import COMMANDS
from topics.reader import Start, log_reader, oldest_at
from topics.records import instant_of

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


INSERT_DECIDED = """
INSERT INTO commands (id, order_id, type, nonce, rejected, reply, first_sequence, event_count, decided_at)
SELECT $1 || '_' || days, 'order_clock', 'refund.create', 'n1', true, '{}', 1, 0, now() - make_interval(days => days)
  FROM unnest($2::int[]) AS days
"""


async def test_a_clock_that_jumps_ahead_does_not_empty_the_inbox(pool: asyncpg.Pool) -> None:
    # Given rows that look old to the database, whose clock has jumped ahead by 30 days, and commands on the log since
    # 36 days ago by that clock,
    key = f"idk_{uuid.uuid4().hex}"
    await pool.execute(INSERT_DECIDED, key, [30, 35, 36, 38, 40])
    # when the inbox is pruned,
    await prune_commands(pool, days=9, oldest=now() - timedelta(days=36))
    # then what is younger than the oldest command, less the reserve of a day, is still there.
    kept = await pool.fetch("SELECT id FROM commands WHERE id LIKE $1 || '_%'", key)
    assert sorted(row["id"].rpartition("_")[2] for row in kept) == ["30", "35", "36"]
    await prune_commands(pool, days=9, oldest=None)
    assert await pool.fetchval("SELECT count(*) FROM commands WHERE id LIKE $1 || '_%'", key) == 0


async def test_a_promise_is_kept_as_long_as_the_log_holds_its_command(pool: asyncpg.Pool) -> None:
    command_id = f"cmd_{uuid.uuid4().hex}"
    await pool.execute(
        "INSERT INTO promises (command_id, nonce, resource_id, order_id, merchant_id, resource, promised_at)"
        " VALUES ($1, '', 'pay_1', 'order_1', 'm', '{}', now() - interval '30 days')",
        command_id,
    )
    assert await prune_promises(pool, days=9, oldest=now() - timedelta(days=36)) == 0
    assert await prune_promises(pool, days=9, oldest=now() - timedelta(days=20)) == 1


async def test_the_age_of_the_oldest_command_is_the_logs_own(services: Stack) -> None:
    async with CommandClient(services.settings) as command_client:
        await command_client.publish([command_client.record(order_command(fresh(ORDER)))])
        oldest = await oldest_at(services.settings, COMMANDS)
        places = [TopicPartition(COMMANDS, number) for number in range(services.settings.topic_partitions)]
        async with log_reader(services.settings) as reader:
            first, *_ = [record async for record in reader.merged(await reader.spans(places, Start()))]
        assert oldest == instant_of(first.at_ms)


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
        pruning = asyncio.create_task(prune_commands(pool, days=9, oldest=None))
        await eventually(lambda: actor.fetchval(BLOCKED), timeout=20, what="the pruning to wait for the actor")
        await renewal.commit()
        await pruning
        # then the acceptance is still there.
        assert await actor.fetchval("SELECT count(*) FROM commands WHERE id = $1", key) == 1
    finally:
        await actor.close()
