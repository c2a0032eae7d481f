"""Processes and services that die in the middle of many deliveries: nothing lost, nothing out of order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict

import pytest

from domain.ids import event_id
from tests.e2e.webhooks.conftest import Merchant
from tests.support.eventually import eventually
from tests.support.receiver import Received
from tests.support.stack import Stack

PAYMENTS = 80
EVENTS = ["payment.created", "payment.success"]
WEBHOOK_ROLES = ("planner", "dispatcher", "forwarder")


@pytest.mark.chaos
async def test_killed_roles_lose_no_delivery_and_keep_each_payments_order(
    merchant: Merchant, webhook_stack: Stack
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draws = random.Random(seed)
    await merchant.endpoint("/good", events=EVENTS)
    await merchant.endpoint("/flaky", events=EVENTS)
    merchant.receiver.decide = lambda one: 503 if one.path == "/flaky" and draws.random() < 0.2 else None

    paying = asyncio.create_task(_pay_slowly(merchant))
    for role in (*WEBHOOK_ROLES, *WEBHOOK_ROLES):
        await _received_more(merchant, 15)
        webhook_stack.kill(role)
    await paying
    await eventually(lambda: _all_ended(merchant, 2 * 2 * PAYMENTS), timeout=60)

    await _check_events_complete(merchant)
    await _check_attempts_recorded_once(merchant)
    for path in ("/good", "/flaky"):
        _check_order(merchant.receiver.at(path))


@pytest.mark.chaos
async def test_a_database_restart_in_the_middle_loses_nothing(merchant: Merchant, webhook_stack: Stack) -> None:
    await merchant.endpoint("/good", events=EVENTS)
    paying = asyncio.create_task(_pay_slowly(merchant))
    await _received_more(merchant, 10)
    await asyncio.to_thread(webhook_stack.restart, "postgres", "immediate")
    await paying
    await eventually(lambda: _all_ended(merchant, 2 * PAYMENTS), timeout=60)

    await _check_events_complete(merchant)
    await _check_attempts_recorded_once(merchant)
    _check_order(merchant.receiver.at("/good"))


async def _pay_slowly(merchant: Merchant) -> None:
    for _ in range(PAYMENTS // 10):
        await merchant.shop.pay_many(10)
        await asyncio.sleep(0.2)


async def _received_more(merchant: Merchant, count: int) -> None:
    """Wait until so many further requests have come, or nothing more will come."""
    expected = len(merchant.receiver.received) + count
    with contextlib.suppress(AssertionError):
        await eventually(lambda: len(merchant.receiver.received) >= expected, timeout=5, interval=0.02)


async def _all_ended(merchant: Merchant, count: int) -> bool:
    query = "SELECT status, count(*) FROM webhook_logs WHERE merchant_id = $1 GROUP BY status"
    try:
        counts = {
            row["status"]: row["count"] for row in await merchant.shop.pool.fetch(query, merchant.shop.merchant_id)
        }
    except OSError as error:
        raise AssertionError(f"the database is away: {error!r}") from error
    assert sum(counts.values()) == count and not set(counts) & {"pending", "held"}, counts
    return True


async def _check_events_complete(merchant: Merchant) -> None:
    """Every event of the merchant has a row for each endpoint, and every success was really received."""
    rows = await merchant.shop.pool.fetch(
        "SELECT order_id, sequence FROM events WHERE merchant_id = $1 AND type = ANY($2::text[])",
        merchant.shop.merchant_id,
        EVENTS,
    )
    happened = {event_id(row["order_id"], row["sequence"]) for row in rows}
    logs = await merchant.shop.logs()
    assert len(happened) == 2 * PAYMENTS
    for path in {one.path for one in merchant.receiver.received}:
        assert {one.event_id for one in merchant.receiver.at(path)} == happened
    for endpoint_id in {log["endpoint_id"] for log in logs}:
        assert {log["event_id"] for log in logs if log["endpoint_id"] == endpoint_id} == happened
    assert {log["status"] for log in logs} <= {"success", "failed"}


async def _check_attempts_recorded_once(merchant: Merchant) -> None:
    rows = await merchant.shop.pool.fetch(
        "SELECT log.attempts, array_agg(made.attempt ORDER BY made.attempt) AS numbers FROM webhook_logs log "
        "JOIN webhook_attempts made ON made.log_id = log.id WHERE log.merchant_id = $1 GROUP BY log.id, log.attempts",
        merchant.shop.merchant_id,
    )
    assert rows
    assert all(list(row["numbers"]) == list(range(1, row["attempts"] + 1)) for row in rows)


def _check_order(received: list[Received]) -> None:
    """The first sight of each event of a payment comes after the first sight of every earlier one."""
    sequences: dict[str, list[int]] = defaultdict(list)
    bodies: dict[str, bytes] = {}
    for one in received:
        sequence = one.json["sequence"]
        assert bodies.setdefault(one.event_id, one.body) == one.body
        seen = sequences[one.json["data"]["payment"]["id"]]
        if sequence not in seen:
            seen.append(sequence)
    assert all(seen == sorted(seen) for seen in sequences.values())
