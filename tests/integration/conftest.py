"""A real history for the tests of verify, repair and rebuild: made once, with its roles stopped, so that nothing
changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from domain.event_kind import MERCHANT_EVENTS
from domain.ids import SEEDED_MERCHANT_ID
from runtime.clock import now
from store.analytics.rollups import advance
from store.webhooks.plan import drafts_of, plan_deliveries, targets_of
from tests.support.actor import Bench
from tests.support.command_client import CommandClient
from tests.support.feed import number_everything
from tests.support.recorded import recorded_history
from tests.support.stack import Stack
from topics.delivery import event_webhook_body
from topics.events import read_any_event

TABLES = (
    "orders", "payments", "refunds", "events", "commands", "bank.ledger", "webhooks", "webhook_filters",
    "webhook_logs", "webhook_attempts", "promises", "rollups", "rollup_progress",
    "feed", "feed_state",
)  # fmt: skip


ENDPOINT = """
INSERT INTO webhooks (id, merchant_id, url, events, secret_sealed, secret_hint, created_at)
VALUES ($1, $2, 'http://127.0.0.1:9/', $3, '', '', '2020-01-01Z')
"""
ATTEMPTED = """
INSERT INTO webhook_attempts (log_id, attempt, at, duration_ms, url, request_headers, response_code)
SELECT id, 1, now(), 1, 'http://127.0.0.1:9/', '{}', 200 FROM webhook_logs
"""
DELIVERED_ALL = """
UPDATE webhook_logs SET status = 'success', attempts = 1, last_attempt_at = now(), next_retry_at = NULL
"""


@pytest.fixture(scope="package")
async def recorded() -> AsyncIterator[tuple[Stack, CommandClient]]:
    """A stack of its own with every kind of event in it, actor and processor down."""
    async with recorded_history() as made:
        yield made


@pytest.fixture
async def bench(services: Stack) -> AsyncIterator[Bench]:
    """Payment actors to be driven by hand, on services without any role."""
    async with CommandClient(services.settings) as command_client:
        made = Bench(command_client)
        yield made
        await made.close()


@pytest.fixture(scope="package")
async def audited(recorded: tuple[Stack, CommandClient]) -> AsyncIterator[tuple[Stack, CommandClient]]:
    """The history, all of it delivered to one endpoint and counted, and a copy of every table."""
    stack, command_client = recorded
    await deliver_all(stack, command_client)
    await number_everything(command_client.pool)
    while await advance(command_client.pool, SEEDED_MERCHANT_ID):
        pass
    for table in TABLES:
        await command_client.pool.execute(f"CREATE TABLE kept_{table.replace('.', '_')} AS TABLE {table}")
    yield recorded


@pytest.fixture
async def intact(audited: tuple[Stack, CommandClient]) -> AsyncIterator[tuple[Stack, CommandClient]]:
    """The same, put right again after each test (the topic cannot be: its tests add to what is there)."""
    yield audited
    _, command_client = audited
    for table in TABLES:
        await command_client.pool.execute(f"TRUNCATE {table}")
        await command_client.pool.execute(f"INSERT INTO {table} SELECT * FROM kept_{table.replace('.', '_')}")


async def deliver_all(stack: Stack, command_client: CommandClient) -> None:
    """Every event planned for one endpoint that wants all, and delivered at the first attempt."""
    await command_client.pool.execute(ENDPOINT, "whe_bbbbbbbbbbbbbbbb", SEEDED_MERCHANT_ID, list(MERCHANT_EVENTS))
    targets = (await targets_of(command_client.pool, [SEEDED_MERCHANT_ID]))[SEEDED_MERCHANT_ID]
    rows = await command_client.pool.fetch("SELECT payload FROM events WHERE type = ANY($1)", list(MERCHANT_EVENTS))
    for event in [read_any_event(row["payload"].encode()) for row in rows]:
        drafts = drafts_of(event, targets, body=event_webhook_body(event))
        await plan_deliveries(command_client.pool, drafts, now())
    await command_client.pool.execute(ATTEMPTED)
    await command_client.pool.execute(DELIVERED_ALL)
