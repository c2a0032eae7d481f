"""What `gateway stuck` finds in the tables, with the rows put there by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.ids import PAYMENT, REFUND
from ops.inspection.stuck import find_stuck
from runtime.clock import make_id
from store.connections import make_pool
from tests.support.stack import Stack

REFUND_ROW = """
INSERT INTO refunds (id, payment_id, order_id, merchant_id, amount, currency, reason, status, automatic, error_code,
                     deadline_at, version, created_at)
VALUES ($1, $2, 'order_stuck', 'test_merchant', 700, 'INR', 'late_success', $3, $4, 'REFUND_FAILED', now(), 9, now())
"""


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    made = await make_pool(services.settings, size=2)
    yield made
    await made.execute("DELETE FROM refunds WHERE order_id = 'order_stuck'")
    await made.close()


async def test_money_that_came_too_late_and_did_not_go_back_is_named(services: Stack, pool: asyncpg.Pool) -> None:
    refused, returned, asked_for = make_id(PAYMENT), make_id(PAYMENT), make_id(PAYMENT)
    for payment_id, status, automatic in (
        (refused, "FAILED", True),
        (refused, "FAILED", True),
        (returned, "FAILED", True),
        (returned, "PROCESSED", True),
        (asked_for, "FAILED", False),
    ):
        await pool.execute(REFUND_ROW, make_id(REFUND), payment_id, status, automatic)

    ours = {refused, returned, asked_for}
    found = [one for one in await find_stuck(services.settings, 10.0) if one.kind == "money" and one.id in ours]

    assert [one.id for one in found] == [refused]
    assert found[0].says.startswith("700 INR charged too late is not back: refused 2 times of 5")
