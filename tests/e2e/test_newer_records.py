"""A command that a newer version wrote, read by a real actor: its partition waits, everything else continues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import orjson
import pytest
import redis.asyncio as redis

from agents.payments.app import GROUP
from runtime.clock import now
from store.redis.clients import make_subscriber
from store.redis.replies import Flag, Reply, subscribe_replies
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.signed_up import SignedUp, body_of, signed_up
from tests.support.stack import Stack, running_stack
from topics.admin import admin_client
from topics.catalogue import COMMANDS, partition_of
from topics.codec import PAYMENT_CREATE
from topics.envelope import HEADER_REPLY_TO, HEADER_TYPE, VERSION, encode_json
from topics.producer import LogProducer, Record

pytestmark = pytest.mark.timeout(300)
WAITING_API = "an api worker of tests"


@pytest.fixture(scope="module")
def own(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A gateway of which one partition will stand still."""
    with running_stack(
        roles=("api", "payments", "processor"), failed=lambda: request.session.testsfailed > 0
    ) as running:
        yield running


@pytest.fixture
async def replies(own: Stack) -> AsyncIterator[list[Reply]]:
    """What is sent to an API worker that waits."""
    received: list[Reply] = []
    client: redis.Redis = make_subscriber(own.settings)
    connected = asyncio.Event()

    async def listen() -> None:
        message = subscribe_replies(client, WAITING_API, on_state=lambda stands: connected.set() if stands else None)
        async for portion in message:
            received.extend(portion)

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(connected.wait(), 20)
    yield received
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await client.aclose()


def partition(stack: Stack, order_id: str) -> int:
    return partition_of(order_id.encode(), stack.settings.topic_partitions)


async def order_elsewhere(merchant: SignedUp, taken: int) -> dict[str, Any]:
    """An order of another partition."""

    async def made() -> dict[str, Any] | None:
        response = await merchant.client.post("/orders", json={"amount": 50_000})
        order: dict[str, Any] = response.json()
        return order if response.status_code == 201 and partition(merchant.stack, order["id"]) != taken else None

    found = await eventually(made, timeout=30, what="an order of another partition")
    assert found is not None
    return found


async def send_newer(stack: Stack, order_id: str) -> None:
    """A payment.create as a later release may write it: only its head is as today."""
    value = encode_json(
        {
            "id": "cmd_newer", "type": PAYMENT_CREATE, "v": VERSION + 1, "key": order_id, "at": now(),
            "request_id": "req_newer", "caused_by": None, "nonce": "n1", "instrument": {"of": ["another", "shape"]},
        }
    )  # fmt: skip
    headers = [(HEADER_TYPE, PAYMENT_CREATE.encode()), (HEADER_REPLY_TO, WAITING_API.encode())]
    producer = LogProducer(stack.settings)
    await producer.start()
    await producer.publish([Record(COMMANDS, partition(stack, order_id), order_id.encode(), value, headers)])
    await producer.stop()


async def pay(merchant: SignedUp, order_id: str) -> httpx.Response:
    body = {"order_id": order_id, "method": "upi", "vpa": "success@upi"}
    return await merchant.client.post("/payments", json=body)


async def stands_still(stack: Stack) -> str | None:
    ended = await gateway(stack, "health", "--json")
    problems: list[str] = orjson.loads(ended.out)["problems"]
    return next((message for message in problems if "stands still" in message), None)


async def test_an_older_actor_stops_before_a_newer_command_and_decides_everything_else(
    own: Stack, replies: list[Reply]
) -> None:
    async with signed_up(own) as merchant:
        order = await merchant.order()
        number = partition(own, order["id"])
        elsewhere = await order_elsewhere(merchant, number)

        # When a newer API asks this actor for something,
        await send_newer(own, order["id"])

        # then the actor names the record and both versions, and whoever waits for it is answered.
        message = await eventually(lambda: stands_still(own), timeout=60, interval=0.5, what="the actor stands still")
        assert message is not None and f"stands still: {COMMANDS}/{number}/" in message
        assert f"has version {VERSION + 1}, newer than this version ({VERSION})" in message
        received = [Reply("cmd_newer", "n1", Flag.LATER, "")]
        await eventually(lambda: replies == received, timeout=20, what="the caller to be answered")
        async with httpx.AsyncClient() as client:
            health = await client.get(f"{own.api_url}/health")
        assert (health.status_code, health.json()["worker"]) == (503, "outdated")

        # A payment behind it is promised and not decided; one of another partition is decided as ever.
        waiting = body_of(await pay(merchant, order["id"]), 202)
        paid = body_of(await pay(merchant, elsewhere["id"]), 201)
        await merchant.until("/payments", paid["id"], "SUCCESS")
        assert body_of(await merchant.client.get(f"/payments/{waiting['id']}"), 200)["status"] == "CREATED"

        # The record was neither made a dead letter nor passed: the next reader begins with it, as does this one again.
        place = int(message.split(f"{COMMANDS}/{number}/")[1].split()[0])
        await eventually(lambda: committed(own, number, place), timeout=30, what=f"{place} to be the next to be read")
        assert (await gateway(own, "dlq", "ls")).code == 0
        restarted = await gateway(own, "restart", "payments")
        assert restarted.code == 0, restarted
        again = await eventually(lambda: stands_still(own), timeout=60, interval=0.5, what="it stands there again")
        assert again is not None and f"{COMMANDS}/{number}/{place} " in again
        after = body_of(await pay(merchant, (await order_elsewhere(merchant, number))["id"]), 201)
        await merchant.until("/payments", after["id"], "SUCCESS")


async def committed(stack: Stack, number: int, place: int) -> bool:
    async with admin_client(stack.settings) as client:
        found = await client.list_consumer_group_offsets(GROUP)
    return any(at.partition == number and meta.offset == place for at, meta in found.items())
