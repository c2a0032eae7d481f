"""A database that is behind the log: nothing is decided on it, and `gateway recover` brings it up to the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from runtime.fenced import COMMAND
from store.connections import make_pool
from tests.support.command import gateway
from tests.support.copies import copy_database, restore_database
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.signed_up import SignedUp, body_of, signed_up
from tests.support.stack import ALL_ROLES, Stack, running_stack

pytestmark = pytest.mark.timeout(300)
ROLES = tuple(role for role in ALL_ROLES if role != "auditor")


@pytest.fixture(scope="module")
def own(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A whole gateway whose database is thrown back."""
    with running_stack(roles=ROLES, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture
async def pool(own: Stack) -> AsyncIterator[asyncpg.Pool]:
    made = await make_pool(own.settings, size=2)
    yield made
    made.terminate()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What happened after the copy was made, as it was answered."""

    order_id: str
    payment: dict[str, object]
    refunded: str
    refused_key: str
    keyed_order: dict[str, object]
    bystander: str


async def pay_order(merchant: SignedUp, order_id: str, **headers: str) -> httpx.Response:
    body = {"order_id": order_id, "method": "upi", "vpa": "success@upi"}
    return await merchant.client.post("/payments", json=body, headers=headers)


async def work_after_the_copy(merchant: SignedUp, order_id: str, earlier: str) -> Forgotten:
    payment = body_of(await pay_order(merchant, order_id, **{"Idempotency-Key": "the payment"}), 201)
    paid = await merchant.until("/payments", payment["id"], "SUCCESS")
    await merchant.refund(earlier, amount=20_000)
    refused = await pay_order(merchant, order_id, **{"Idempotency-Key": "too late"})
    assert refused.json()["error"]["description"] == "Order already paid"
    keyed = await merchant.client.post("/orders", json={"amount": 700}, headers={"Idempotency-Key": "an order"})
    other = await merchant.pay()
    return Forgotten(order_id, paid, earlier, "too late", body_of(keyed, 201), other["id"])


async def restored_copy(own: Stack, merchant: SignedUp) -> Forgotten:
    """A gateway over a database that has forgotten a payment, a refund, a refusal and two orders."""
    earlier = await merchant.pay()
    order = await merchant.order()
    copy = await copy_database(own)
    await eventually(merchant.pay, timeout=60, what="payments are made again")
    after = await work_after_the_copy(merchant, order["id"], earlier["id"])
    await restore_database(own, copy)
    return after


async def is_fenced(own: Stack) -> bool:
    ended = await gateway(own, "health")
    return ended.code == 1 and f"run `{COMMAND}`" in ended.out


async def recovered(own: Stack) -> str:
    ended = await gateway(own, "recover", "--apply")
    assert ended.code == 0, ended
    return ended.out


async def healthy(own: Stack) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{own.api_url}/health")).json()["worker"] == "running"


async def test_nothing_is_decided_on_a_restored_copy_and_recover_brings_everything_back(
    own: Stack, pool: asyncpg.Pool
) -> None:
    async with receiver() as shop, signed_up(own) as merchant:
        body_of(await merchant.client.post("/webhook-endpoints", json={"url": shop.url()}), 201)
        after = await restored_copy(own, merchant)
        events = "SELECT count(*) FROM events"

        # Given a gateway that shows that it is behind, and how to fix that,
        await eventually(lambda: is_fenced(own), timeout=60, interval=1.0, what="the fence is closed")
        async with httpx.AsyncClient() as client:
            message = await client.get(f"{own.api_url}/health")
        assert (message.status_code, message.json()["worker"]) == (503, "fenced")
        behind = await pool.fetchval(events)

        # when the paid order is paid once more, then nothing is decided: the caller gets a promise at most;
        second = await pay_order(merchant, after.order_id)
        assert second.status_code == 202
        assert await pool.fetchval(events) == behind

        # a dry run changes nothing;
        dry = await gateway(own, "recover")
        assert dry.code == 1
        assert "nothing was changed" in dry.out
        assert await pool.fetchval(events) == behind

        # and after the recovery every answer that was given holds again, the second payment is refused,
        announced = await recovered(own)
        assert "byte for byte" in announced
        await eventually(lambda: healthy(own), timeout=30, what="the partitions are open")
        assert await merchant.get(f"/payments/{after.payment['id']}") == after.payment
        assert (await merchant.get(f"/orders/{after.order_id}"))["status"] == "PAID"
        assert (await merchant.get(f"/payments/{after.refunded}"))["amount_refunded"] == 20_000
        assert (await merchant.get(f"/payments/{after.bystander}"))["status"] == "SUCCESS"
        await eventually(
            lambda: refused_as_paid(pool, second.json()["id"]), timeout=20, what="the second payment is refused"
        )
        # requests with their keys are answered as before,
        again = await pay_order(merchant, after.order_id, **{"Idempotency-Key": "the payment"})
        assert (again.status_code, again.json()["id"]) == (201, after.payment["id"])
        late = await pay_order(merchant, after.order_id, **{"Idempotency-Key": after.refused_key})
        assert late.json()["error"]["description"] == "Order already paid"
        keyed = await merchant.client.post("/orders", json={"amount": 700}, headers={"Idempotency-Key": "an order"})
        assert keyed.json() == after.keyed_order
        # and the audit finds no difference.
        verified = await gateway(own, "verify")
        assert verified.code == 0, verified.out


async def refused_as_paid(pool: asyncpg.Pool, payment_id: str) -> bool:
    rejected = "SELECT true FROM commands WHERE rejected AND strpos(reply, 'Order already paid') > 0 AND id = $1"
    found = await pool.fetchval("SELECT command_id FROM promises WHERE resource_id = $1", payment_id)
    return found is not None and bool(await pool.fetchval(rejected, found))
