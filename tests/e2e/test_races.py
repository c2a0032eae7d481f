"""Requests that race each other over HTTP: whatever order they arrive in, the money adds up, and the auditor agrees.

Each test also holds under heavy load, where a response may be 202: the decision counts.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from domain.decision import Command
from domain.outcome import Outcome
from domain.payment import SettlePayment
from ops.audit.verify.audit import audit, second_process
from runtime.clock import now
from tests.support.api import Api, error_of
from tests.support.command_client import CommandClient
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)
TAKEN = (200, 201, 202)
EXCEEDS = "Refund amount exceeds available amount"


async def ordered(api: Api) -> str:
    """Id of a new order that is decided: on a machine under load some are only accepted (202) in time."""

    async def created() -> str | None:
        response = await api.post("/orders", {"amount": 50_000})
        assert response.status_code in TAKEN, response.text
        return str(response.json()["id"]) if response.status_code == 201 else None

    return str(await eventually(created, timeout=40, what="an order decided in time"))


async def paying(api: Api, order_id: str, vpa: str) -> dict[str, Any]:
    response = await api.post("/payments", {"order_id": order_id, "method": "upi", "vpa": vpa})
    assert response.status_code in TAKEN, response.text
    return dict(response.json())


async def paid(api: Api, order_id: str | None = None, vpa: str = "success@upi") -> dict[str, Any]:
    """A payment that the bank has decided."""
    payment = await paying(api, order_id or await ordered(api), vpa)
    return await api.decided(f"/payments/{payment['id']}", timeout=40)


async def at_once(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


def refusals(responses: list[httpx.Response]) -> set[str]:
    """The descriptions of everything that was not taken; each must be an honest 400."""
    refused = [response for response in responses if response.status_code not in TAKEN]
    assert {response.status_code for response in refused} <= {400}, Counter(
        response.status_code for response in responses
    )
    return {error_of(response)["description"] for response in refused}


async def test_200_refunds_at_once_never_exceed_the_payment(api: Api, database: asyncpg.Connection) -> None:
    # Given a successful payment of 500.00,
    payment = await paid(api)
    # When 200 refunds of 50.00 are asked for at the same moment, by both routes,
    by_payment = (api.post(f"/payments/{payment['id']}/refunds", {"amount": 5_000}) for _ in range(100))
    by_body = (api.post("/refunds", {"payment_id": payment["id"], "amount": 5_000}) for _ in range(100))
    responses = await at_once(*by_payment, *by_body)
    # Then exactly ten are made, and the rest is told why not.
    assert refusals(responses) == {EXCEEDS}
    stored = await eventually(lambda: ten_refunds_processed(database, payment["id"]), timeout=30)
    created = {response.json()["id"] for response in responses if response.status_code == 201}
    assert created <= stored
    found = (await api.get(f"/payments/{payment['id']}")).json()
    assert (found["amount_refunded"], found["status"]) == (50_000, "SUCCESS")


async def ten_refunds_processed(database: asyncpg.Connection, payment_id: str) -> set[str]:
    rows = await database.fetch("SELECT id, status, amount FROM refunds WHERE payment_id = $1", payment_id)
    assert len(rows) == 10
    assert {(row["status"], row["amount"]) for row in rows} == {("PROCESSED", 5_000)}
    return {row["id"] for row in rows}


async def test_100_payments_of_one_order_are_one_payment(api: Api, database: asyncpg.Connection) -> None:
    order_id = await ordered(api)
    body = {"order_id": order_id, "method": "upi", "vpa": "success@upi"}
    owner = (api.post("/payments", body) for _ in range(50))
    payer = (api.public("POST", "/payments/public", json=body) for _ in range(50))
    responses = await at_once(*owner, *payer)
    assert refusals(responses) <= {"Order has a payment in progress", "Order already paid"}
    assert sum(response.status_code == 201 for response in responses) <= 1
    rows = await eventually(
        lambda: database.fetch("SELECT id FROM payments WHERE order_id = $1 AND status = 'SUCCESS'", order_id)
    )
    assert len(rows) == 1
    assert await database.fetchval("SELECT count(*) FROM payments WHERE order_id = $1", order_id) == 1


async def test_50_captures_take_the_money_once(api: Api, database: asyncpg.Connection) -> None:
    payment = await paid(api)
    responses = await at_once(*(api.post(f"/payments/{payment['id']}/capture", {}) for _ in range(50)))
    assert refusals(responses) == {"Payment not in capturable state"}
    assert sum(response.status_code == 200 for response in responses) <= 1
    captures = "SELECT count(*) FROM events WHERE order_id = $1 AND type = 'payment.captured'"
    assert await eventually(lambda: database.fetchval(captures, payment["order_id"])) == 1
    assert (await api.get(f"/payments/{payment['id']}")).json()["captured"] is True


async def test_a_refund_against_a_capture_leaves_no_captured_money_that_was_given_back_before(
    api: Api, database: asyncpg.Connection
) -> None:
    payments = await asyncio.gather(*(paid(api) for _ in range(12)))
    requested = []
    for payment in payments:
        pair = [
            api.post(f"/payments/{payment['id']}/capture", {}),
            api.post(f"/payments/{payment['id']}/refunds", {"amount": 50_000}),
        ]
        random.shuffle(pair)
        requested += pair
    refusals(await at_once(*requested))
    for payment in payments:
        kinds = await database.fetch(
            "SELECT type FROM events WHERE order_id = $1 AND type IN ('payment.captured', 'refund.created')"
            " ORDER BY sequence",
            payment["order_id"],
        )
        assert [row["type"] for row in kinds] in (["payment.captured", "refund.created"], ["refund.created"])


async def test_the_same_key_50_times_is_one_payment_and_one_response(api: Api, database: asyncpg.Connection) -> None:
    order_id = await ordered(api)
    key = secrets.token_hex(8)
    body = {"order_id": order_id, "method": "upi", "vpa": "success@upi"}
    responses = await at_once(*(api.post("/payments", body, key=key) for _ in range(50)))
    assert {response.status_code for response in responses} <= {201, 202, 409}, Counter(
        a.status_code for a in responses
    )
    bodies = {response.content for response in responses if response.status_code == 201}
    assert len(bodies) == 1
    first = [a for a in responses if a.status_code == 201 and "Idempotent-Replayed" not in a.headers]
    assert len(first) <= 1
    assert await database.fetchval("SELECT count(*) FROM payments WHERE order_id = $1", order_id) == 1
    # And one more, much later: byte for byte the same.
    again = await api.post("/payments", body, key=key)
    assert {again.content} == bodies
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_repeated_and_reordered_reports_of_the_bank_settle_once(
    api: Api, database: asyncpg.Connection, stack: Stack
) -> None:
    # Given ten payments at a bank that takes its time,
    orders = await asyncio.gather(*(ordered(api) for _ in range(10)))
    payments = await asyncio.gather(*(paying(api, order_id, "slow@upi") for order_id in orders))
    # When its answers come three times each, the wrong one first, in any order,
    async with CommandClient(stack.settings) as command_client:
        received = [
            reported_by_bank(payment, outcome) for payment in payments for outcome in (Outcome.FAILED, Outcome.SUCCESS)
        ]
        repeated = [
            command_client.record(command, f"stl_{command.payment_id}_{command.outcome}") for command in received
        ] * 3
        random.shuffle(repeated)
        await command_client.publish(repeated)
    # Then each payment is settled once: paid, or failed with the late money given back.
    for payment in payments:
        await api.decided(f"/payments/{payment['id']}", timeout=40)
        await eventually(lambda p=payment: settled_once(database, p["order_id"]), timeout=20)


def reported_by_bank(payment: dict[str, Any], outcome: Outcome) -> SettlePayment:
    late = now() + timedelta(seconds=10)
    code = None if outcome is Outcome.SUCCESS else "BANK_TIMEOUT"
    reference = f"bank_{payment['id'].rpartition('_')[2]}"
    command: Command = SettlePayment(payment["order_id"], payment["id"], outcome, code, None, reference, late)
    assert isinstance(command, SettlePayment)
    return command


async def settled_once(database: asyncpg.Connection, order_id: str) -> bool:
    rows = await database.fetch("SELECT type FROM events WHERE order_id = $1 ORDER BY sequence", order_id)
    after_requests = [row["type"] for row in rows][3:]
    return after_requests in (
        ["payment.success", "order.paid"],
        ["payment.failed", "payment.late_success", "refund.created", "refund.processed"],
    )


async def test_unknown_outcomes_are_resolved_by_asking_never_by_charging_again(
    api: Api, database: asyncpg.Connection
) -> None:
    expected = {"timeout@upi": "FAILED", "unknown@upi": "SUCCESS", "slow@upi": "SUCCESS"}
    decided = await asyncio.gather(*(paid(api, vpa=vpa) for vpa in expected for _ in range(4)))
    assert [payment["status"] for payment in decided] == [status for status in expected.values() for _ in range(4)]
    assert {payment["error_code"] for payment in decided if payment["status"] == "FAILED"} == {"BANK_TIMEOUT"}
    ids = [payment["id"] for payment in decided]
    moved = await database.fetch("SELECT times_moved, amount FROM bank.ledger WHERE attempt_id = ANY($1)", ids)
    once = {"FAILED": (0, 50_000), "SUCCESS": (1, 50_000)}
    assert sorted(tuple(row) for row in moved) == sorted(once[payment["status"]] for payment in decided)


async def test_a_late_charge_is_refunded_even_if_the_order_is_paid_by_now(
    api: Api, database: asyncpg.Connection
) -> None:
    order_id = await ordered(api)
    first = await paid(api, order_id, "late@upi")
    if first["status"] == "SUCCESS":  # a machine so slow that the late charge was in time
        return
    second = await paid(api, order_id)
    assert second["status"] == "SUCCESS"

    async def given_back() -> bool:
        found = await database.fetchrow("SELECT * FROM refunds WHERE payment_id = $1", first["id"])
        return found is not None and found["status"] == "PROCESSED" and found["automatic"] and found["amount"] == 50_000

    await eventually(given_back, timeout=20, what="the late charge to be given back")
    assert (await api.get(f"/payments/{first['id']}")).json()["status"] == "FAILED"
    assert (await api.get(f"/orders/{order_id}")).json()["status"] == "PAID"


async def test_after_all_these_races_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
    assert report.events > 0
