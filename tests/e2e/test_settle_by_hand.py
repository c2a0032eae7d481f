"""`gateway settle`: an operator records an outcome that the bank can no longer be asked about."""

from __future__ import annotations

import json

import asyncpg
import pytest

from tests.e2e.test_bank_turns import paid, refunded, until
from tests.support.api import Api
from tests.support.command import gateway
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)
AGREE = """
UPDATE bank.ledger SET outcome = $2, turn = $3, times_moved = $4, reference = $5, error_code = $6, late_at = NULL,
                       notified = true
 WHERE attempt_id = $1
"""
"""The simulated bank's books come to say the same, so that an audit of this stack finds them right."""
NOTE = ("--note", "their statement of today")


async def test_a_refund_that_went_back_in_another_way_is_settled(
    stack: Stack, api: Api, database: asyncpg.Connection
) -> None:
    payment = await paid(api)
    refund = await refunded(api, payment["id"], "fail_refund")
    ended = await gateway(stack, "settle", refund["id"], "--outcome", "success", "--reference", "wire 4711", *NOTE)
    assert (ended.code, ended.out.strip()) == (0, f"{refund['id']} is PROCESSED"), ended.err
    await database.execute(AGREE, refund["id"], "success", 1, 1, "wire 4711", None)
    await until(api, f"/payments/{payment['id']}", amount_refunded=payment["amount"], amount_owed=0)


async def test_a_payment_that_never_reached_the_bank_is_settled(
    stack: Stack, api: Api, database: asyncpg.Connection
) -> None:
    order = (await api.post("/orders", {"amount": 50_000})).json()
    body = {"order_id": order["id"], "method": "upi", "vpa": "pending@upi"}
    payment = (await api.post("/payments", body)).json()
    await until(api, f"/payments/{payment['id']}", status="PROCESSING")
    ended = await gateway(stack, "settle", payment["id"], "--outcome", "failed", *NOTE, "--json")
    assert json.loads(ended.out) == {"id": payment["id"], "status": "FAILED"}, ended.err
    await database.execute(AGREE, payment["id"], "failed", 0, 0, "by_hand", "PAYMENT_FAILED")
    again = await gateway(stack, "settle", payment["id"], "--outcome", "success", "--reference", "x", *NOTE)
    assert (again.code, "is FAILED already; only the bank can change that" in again.err) == (2, True), again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("order_0123456789abcdef", "--outcome", "failed", *NOTE), "is not a valid payment or refund id"),
        (("pay_0123456789abcdef", "--outcome", "maybe", *NOTE), "'maybe' is not a valid outcome"),
        (("pay_0123456789abcdef", "--outcome", "success", *NOTE), "A success needs the bank's reference"),
        (("pay_0123456789abcdef", "--outcome", "failed", "--note", " "), "The note must have 1 to 500 characters"),
        (("pay_0123456789abcdef", "--outcome", "failed", *NOTE), "No payment or refund pay_0123456789abcdef exists"),
    ],
)
async def test_what_cannot_be_settled_is_said_and_nothing_is_written(
    stack: Stack, arguments: tuple[str, ...], says: str
) -> None:
    ended = await gateway(stack, "settle", *arguments)
    assert ended.code == 2
    assert says in " ".join(ended.err.split()), ended.err
