"""`gateway rebuild` on a real history: the topic alone gives every row again, and a swap heals what was damaged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import orjson
import pytest

from domain.ids import ORDER, event_id
from ops.audit.rebuild.command import run
from ops.console.errors import GatewayError
from runtime.clock import make_id
from tests.support.command import gateway
from tests.support.command_client import CommandClient
from tests.support.recorded import recorded_history
from tests.support.stack import Stack
from topics.catalogue import EVENTS


@pytest.fixture(scope="module")
async def recorded() -> AsyncIterator[tuple[Stack, CommandClient]]:
    """A history of its own: a rebuild reads the whole log, and the tests of verify forge records in theirs."""
    async with recorded_history() as made:
        yield made


async def test_every_row_follows_from_the_topic(recorded: tuple[Stack, CommandClient]) -> None:
    stack, command_client = recorded
    rebuilt, swapped = await run(stack.settings, swap=False)
    assert not swapped
    assert rebuilt.differences == []
    # Another test leaves a record of an order that the gateway never had: no row follows from it.
    known = {row["id"] for row in await command_client.pool.fetch("SELECT id FROM orders")}
    assert not known & rebuilt.broken.keys()
    assert (rebuilt.missing_events, rebuilt.missing_commands) == (0, 0)
    for table in ("orders", "payments", "refunds"):
        assert rebuilt.rows[table] == await command_client.pool.fetchval(f"SELECT count(*) FROM {table}") > 0


async def test_damaged_lost_and_invented_rows_are_named_and_healed_by_a_swap(
    recorded: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = recorded
    # Given one row changed, one lost and one invented,
    wrong = await command_client.pool.fetchval(
        "UPDATE orders SET receipt = 'x' WHERE id = (SELECT min(id) FROM orders) RETURNING id"
    )
    lost = await command_client.pool.fetchval(
        "DELETE FROM payments WHERE id = (SELECT min(id) FROM payments) RETURNING id"
    )
    await command_client.pool.execute(
        "INSERT INTO refunds SELECT 'rfnd_zzzzzzzzzzzzzzzz', payment_id, order_id, merchant_id, amount, currency,"
        " reason, status, automatic, error_code, error_description, bank_reference, deadline_at, version, created_at,"
        " processed_at, updated_at FROM refunds LIMIT 1"
    )
    # When rebuilt, then the three are named;
    rebuilt, _ = await run(stack.settings, swap=False)
    assert {(one.id, one.live, one.rebuilt) for one in rebuilt.differing} == {
        (wrong, True, True),
        (lost, False, True),
        ("rfnd_zzzzzzzzzzzzzzzz", True, False),
    }
    # and after a swap nothing differs.
    _, swapped = await run(stack.settings, swap=True)
    assert swapped
    rebuilt, _ = await run(stack.settings, swap=False)
    assert rebuilt.differences == []


async def test_a_swap_adds_lost_events_and_acceptances(recorded: tuple[Stack, CommandClient]) -> None:
    stack, command_client = recorded
    # Given an order whose last event and its inbox row are gone,
    lost = await command_client.pool.fetchrow("SELECT * FROM events ORDER BY order_id, sequence DESC LIMIT 1")
    caused_by = orjson.loads(lost["payload"])["caused_by"]
    await command_client.pool.execute(
        "DELETE FROM events WHERE order_id = $1 AND sequence = $2", lost["order_id"], lost["sequence"]
    )
    reply = await command_client.pool.fetchval("DELETE FROM commands WHERE id = $1 RETURNING reply", caused_by)
    # when swapped, then both are there again: the event byte for byte, the acceptance with its reply.
    rebuilt, swapped = await run(stack.settings, swap=True)
    assert (swapped, rebuilt.missing_commands) == (True, 1)
    payload = "SELECT payload FROM events WHERE order_id = $1 AND sequence = $2"
    assert await command_client.pool.fetchval(payload, lost["order_id"], lost["sequence"]) == lost["payload"]
    assert await command_client.pool.fetchval("SELECT reply FROM commands WHERE id = $1", caused_by) == reply


async def test_one_broken_order_keeps_its_rows_and_the_others_are_swapped(
    recorded: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = recorded
    # Given an order that the log has only the third event of, and a damaged row of another,
    order_id = make_id(ORDER)
    third = await command_client.pool.fetchval("SELECT payload FROM events WHERE sequence = 3 LIMIT 1")
    # It has a command of nobody: one that is on the log would make it the gateway's own event.
    moved = orjson.dumps(orjson.loads(third) | {"id": event_id(order_id, 3), "caused_by": f"cmd_{order_id}"})
    record = command_client.raw_record(order_id.encode(), moved)
    await command_client.publish([replace(record, topic=EVENTS)])
    damaged = await command_client.pool.fetchval(
        "UPDATE orders SET receipt = 'x' WHERE id = (SELECT min(id) FROM orders) RETURNING id"
    )
    # when swapped, then the damage is healed, and the broken order is named.
    rebuilt, swapped = await run(stack.settings, swap=True)
    assert (swapped, list(rebuilt.broken)) == (True, [order_id])
    assert await command_client.pool.fetchval("SELECT receipt FROM orders WHERE id = $1", damaged) is None
    assert not await command_client.pool.fetchval("SELECT count(*) FROM events WHERE order_id = $1", order_id)
    # A log cannot be edited: the tests after this one audit it, so the record is disowned.
    ended = await gateway(stack, "recover", "--disown", event_id(order_id, 3), "--note", "a test's", "--apply")
    assert ended.code == 0, ended


async def test_a_swap_is_refused_while_an_actor_is_connected(recorded: tuple[Stack, CommandClient]) -> None:
    stack, _ = recorded
    actor = await asyncpg.connect(stack.database_url, server_settings={"application_name": "payment-actor"})
    try:
        with pytest.raises(GatewayError, match="payment actor is connected"):
            await run(stack.settings, swap=True)
    finally:
        await actor.close()
