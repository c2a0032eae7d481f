"""A bank that changes its word, on the whole gateway: what merchants see, what is owed, and that the books agree."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from ops.audit.verify.audit import audit, second_process
from tests.support.api import Api, error_of
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)
AMOUNT = 50_000
TURN_NOW = "UPDATE bank.ledger SET late_at = clock_timestamp() WHERE attempt_id = $1 AND turn = 0"
MOVED = "SELECT outcome, turn, times_moved FROM bank.ledger WHERE attempt_id = $1"


async def paid(api: Api, vpa: str = "success@upi") -> dict[str, Any]:
    order = (await api.post("/orders", {"amount": AMOUNT})).json()
    body = {"order_id": order["id"], "method": "upi", "vpa": vpa}
    payment = (await api.post("/payments", body)).json()
    return await api.decided(f"/payments/{payment['id']}", timeout=40)


async def refunded(api: Api, payment_id: str, reason: str, amount: int = AMOUNT) -> dict[str, Any]:
    """A refund with the bank's first word."""
    response = await api.post(f"/payments/{payment_id}/refunds", {"amount": amount, "reason": reason})
    assert response.status_code in (201, 202), response.text

    async def settled() -> dict[str, Any] | None:
        found = (await api.get(f"/refunds/{response.json()['id']}")).json()
        return found if found["status"] != "PENDING" else None

    return dict(await eventually(settled, timeout=40, what="the bank's word on the refund"))


async def until(api: Api, path: str, **expected: Any) -> dict[str, Any]:
    """The resource once it shows these values."""

    async def shown() -> dict[str, Any] | None:
        found: dict[str, Any] = (await api.get(path)).json()
        return found if expected.items() <= found.items() else None

    return dict(await eventually(shown, timeout=40, what=f"{path} to show {expected}"))


async def types_of(api: Api, payment_id: str) -> list[str]:
    timeline = (await api.get(f"/payments/{payment_id}/timeline")).json()
    return [event["type"] for event in timeline["data"]]


async def in_debt(api: Api, database: asyncpg.Connection) -> dict[str, Any]:
    """A payment whose failed refund was carried out after another one had taken its place."""
    payment = await paid(api)
    first = await refunded(api, payment["id"], "fail_refund")
    second = await refunded(api, payment["id"], "once more")
    assert (first["status"], second["status"]) == ("FAILED", "PROCESSED")
    await database.execute(TURN_NOW, first["id"])
    await until(api, f"/refunds/{first['id']}", status="PROCESSED")
    return await until(api, f"/payments/{payment['id']}", amount_owed=AMOUNT)


async def test_a_reversed_payment_keeps_its_status_and_can_be_neither_captured_nor_refunded(
    api: Api, database: asyncpg.Connection
) -> None:
    payment = await paid(api, "reversed@upi")
    path = f"/payments/{payment['id']}"
    after = await until(api, path, reversed=True)
    assert (after["status"], after["amount_owed"]) == ("SUCCESS", 0)
    assert error_of(await api.post(f"{path}/capture", {}))["description"] == "Payment not in capturable state"
    refused = await api.post(f"{path}/refunds", {"amount": 100})
    assert error_of(refused)["description"] == "Payment not in refundable state"
    assert (await api.get(f"/orders/{payment['order_id']}")).json()["status"] == "PAID"
    assert (await types_of(api, payment["id"]))[-1] == "payment.reversed"
    assert tuple(await database.fetchrow(MOVED, payment["id"])) == ("failed", 1, 2)


async def test_refunds_before_a_reversal_are_owed(api: Api, database: asyncpg.Connection) -> None:
    payment = await paid(api)
    await refunded(api, payment["id"], "damaged", 20_000)
    await database.execute(TURN_NOW, payment["id"])
    after = await until(api, f"/payments/{payment['id']}", reversed=True)
    assert (after["amount_refunded"], after["amount_owed"]) == (20_000, 20_000)


async def test_a_refund_that_succeeds_late_takes_its_amount_again(api: Api, database: asyncpg.Connection) -> None:
    payment = await paid(api)
    refund = await refunded(api, payment["id"], "late_refund", 20_000)
    assert refund["status"] == "FAILED"
    late = await until(api, f"/refunds/{refund['id']}", status="PROCESSED")
    assert (late["error_code"], late["error_description"]) == (None, None)
    after = await until(api, f"/payments/{payment['id']}", amount_refunded=20_000)
    assert after["amount_owed"] == 0
    assert tuple(await database.fetchrow(MOVED, refund["id"])) == ("success", 1, 1)


async def test_a_refund_that_bounces_gives_its_amount_back(api: Api) -> None:
    payment = await paid(api)
    refund = await refunded(api, payment["id"], "bounced_refund", 20_000)
    assert refund["status"] == "PROCESSED"
    bounced = await until(api, f"/refunds/{refund['id']}", status="FAILED")
    assert bounced["error_code"] == "REFUND_RETURNED"
    await until(api, f"/payments/{payment['id']}", amount_refunded=0)


async def test_a_debt_is_shown_to_its_merchant_and_settled_by_an_operator(
    api: Api, database: asyncpg.Connection, stack: Stack
) -> None:
    # Given a payment that the bank refunded twice,
    payment = await in_debt(api, database)
    assert payment["amount_refunded"] == AMOUNT
    assert (await types_of(api, payment["id"]))[-1] == "refund.late_success"
    # When its merchant and an operator look, then both see the debt;
    summary = (await api.get("/analytics/summary")).json()
    assert summary["owed"]["count"] >= 1
    assert summary["owed"]["amount_minor"] >= AMOUNT
    named = await gateway(stack, "owed", "--json")
    assert named.code == 1
    assert {"payment_id": payment["id"], "amount": AMOUNT}.items() <= _of(named.out, payment["id"]).items()
    stuck = json.loads((await gateway(stack, "stuck", "--json")).out)
    assert [one["kind"] for one in stuck if one["id"] == payment["id"]] == ["owed"]
    # when it is settled, then it is open no longer, and cannot be settled twice.
    settled = await gateway(stack, "owed", "settle", payment["id"], "--note", "deducted from the payout")
    assert settled.code == 0, settled
    assert _of((await gateway(stack, "owed", "--json")).out, payment["id"]) == {}
    again = await gateway(stack, "owed", "settle", payment["id"], "--note", "again")
    assert (again.code, "is owed" in again.err) == (2, True)
    wrong = await gateway(stack, "owed", "settle", "pay_x", "--note", "again")
    assert (wrong.code, "is not a valid payment id" in wrong.err) == (2, True)


def _of(listed: str, payment_id: str) -> dict[str, Any]:
    return next((one for one in json.loads(listed) if one["payment_id"] == payment_id), {})


async def test_a_payer_sees_a_reversal_but_not_what_the_merchant_owes(api: Api, database: asyncpg.Connection) -> None:
    payment = await paid(api)
    await database.execute(TURN_NOW, payment["id"])
    await until(api, f"/payments/{payment['id']}", reversed=True)
    shown = (await api.get(f"/payments/{payment['id']}/public")).json()
    assert shown["reversed"] is True
    assert "amount_owed" not in shown


async def test_after_all_these_turns_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
