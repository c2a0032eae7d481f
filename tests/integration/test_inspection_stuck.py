"""What `gateway stuck` finds in the tables, with the rows put there by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.ids import PAYMENT, REFUND
from ops.health.stuck import find_stuck
from runtime.clock import make_id
from store.connections import make_pool
from store.operations.owed import settle_owed
from tests.support.stack import Stack

REFUND_ROW = """
INSERT INTO refunds (id, payment_id, order_id, merchant_id, amount, currency, reason, status, automatic, error_code,
                     deadline_at, version, created_at)
VALUES ($1, $2, 'order_stuck', 'test_merchant', 700, 'INR', 'late_success', $3, $4, 'REFUND_FAILED', now(), 9, now())
"""

PAYMENT_ROW = """
INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded,
                      amount_owed, vpa, token, deadline_at, version, created_at)
VALUES ($1, 'order_stuck_' || $1, 'test_merchant', 1000, 'INR', 'upi', 'SUCCESS', false, 1000, $2, 'a@upi', 'a@upi',
        now(), 4, now())
"""


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    made = await make_pool(services.settings, size=2)
    yield made
    await made.execute("DELETE FROM refunds WHERE order_id = 'order_stuck'")
    await made.execute("DELETE FROM owed_settled WHERE note IN ('deducted', 'deducted twice')")
    await made.execute("DELETE FROM payments WHERE order_id LIKE 'order_stuck_%'")
    await made.close()


async def test_money_that_came_too_late_and_did_not_go_back_is_named(services: Stack, pool: asyncpg.Pool) -> None:
    refused, returned, requested_for = make_id(PAYMENT), make_id(PAYMENT), make_id(PAYMENT)
    for payment_id, status, automatic in (
        (refused, "FAILED", True),
        (refused, "FAILED", True),
        (returned, "FAILED", True),
        (returned, "PROCESSED", True),
        (requested_for, "FAILED", False),
    ):
        await pool.execute(REFUND_ROW, make_id(REFUND), payment_id, status, automatic)

    ours = {refused, returned, requested_for}
    found = [one for one in await find_stuck(services.settings, 10.0) if one.kind == "money" and one.id in ours]

    assert [one.id for one in found] == [refused]
    assert found[0].says.startswith("700 INR charged too late is not back: refused 2 times of 40")


async def test_a_debt_is_named_until_it_is_settled_and_again_when_it_grows(services: Stack, pool: asyncpg.Pool) -> None:
    # Given one payment that was refunded twice, and one that was refunded once,
    owing, paid = make_id(PAYMENT), make_id(PAYMENT)
    for payment_id, owed in ((owing, 300), (paid, 0)):
        await pool.execute(PAYMENT_ROW, payment_id, owed)

    async def named() -> list[str]:
        stuck = await find_stuck(services.settings, 10.0)
        return [one.says for one in stuck if one.kind == "owed" and one.id in (owing, paid)]

    # Then the first is named, until its debt is settled;
    assert await named() == ["test_merchant owes 300 INR: refunded more than once by the bank"]
    assert not await settle_owed(pool, paid, "nothing to settle")
    assert await settle_owed(pool, owing, "deducted")
    assert await named() == []
    assert not await settle_owed(pool, owing, "deducted twice")
    # when it grows, then only the difference is open.
    await pool.execute("UPDATE payments SET amount_owed = 1000, reversed = true WHERE id = $1", owing)
    assert await named() == ["test_merchant owes 700 INR: refunded, then reversed by the bank"]


async def test_a_settled_debt_that_shrinks_is_money_to_be_returned(services: Stack, pool: asyncpg.Pool) -> None:
    # Given a debt that was settled,
    payment_id = make_id(PAYMENT)
    await pool.execute(PAYMENT_ROW, payment_id, 300)
    assert await settle_owed(pool, payment_id, "deducted")

    async def named() -> list[tuple[str, str]]:
        return [(one.says, one.do) for one in await find_stuck(services.settings, 10.0) if one.id == payment_id]

    # when the bank turns back and it is gone, then what was deducted is named,
    await pool.execute("UPDATE payments SET amount_owed = 0 WHERE id = $1", payment_id)
    says = "test_merchant has overpaid 300 INR: settled, then the bank turned back: return it"
    assert await named() == [(says, f"return it, then gateway owed settle {payment_id} --note …")]
    # until it is noted as returned;
    assert await settle_owed(pool, payment_id, "deducted")
    assert await named() == []
    # and a debt that grows again is open as a whole.
    await pool.execute("UPDATE payments SET amount_owed = 200 WHERE id = $1", payment_id)
    assert [says for says, _ in await named()] == ["test_merchant owes 200 INR: refunded more than once by the bank"]
