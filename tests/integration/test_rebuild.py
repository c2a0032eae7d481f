"""`gateway rebuild` on a real history: the topic alone gives every row again, and a swap heals what was damaged."""

from __future__ import annotations

import asyncpg
import pytest

from ops.audit.rebuild.command import run
from ops.console.errors import GatewayError
from tests.support.asking import Asker
from tests.support.stack import Stack


async def test_every_row_follows_from_the_topic(recorded: tuple[Stack, Asker]) -> None:
    stack, asker = recorded
    rebuilt, swapped = await run(stack.settings, swap=False)
    assert not swapped
    assert rebuilt.differences == []
    assert rebuilt.broken == []
    for table in ("orders", "payments", "refunds"):
        assert rebuilt.rows[table] == await asker.pool.fetchval(f"SELECT count(*) FROM {table}") > 0


async def test_damaged_lost_and_invented_rows_are_named_and_healed_by_a_swap(recorded: tuple[Stack, Asker]) -> None:
    stack, asker = recorded
    # Given one row changed, one lost and one invented,
    wrong = await asker.pool.fetchval(
        "UPDATE orders SET receipt = 'x' WHERE id = (SELECT min(id) FROM orders) RETURNING id"
    )
    lost = await asker.pool.fetchval("DELETE FROM payments WHERE id = (SELECT min(id) FROM payments) RETURNING id")
    await asker.pool.execute(
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


async def test_a_swap_is_refused_while_an_actor_is_connected(recorded: tuple[Stack, Asker]) -> None:
    stack, _ = recorded
    actor = await asyncpg.connect(stack.database_url, server_settings={"application_name": "payment-actor"})
    try:
        with pytest.raises(GatewayError, match="payment actor is connected"):
            await run(stack.settings, swap=True)
    finally:
        await actor.close()
