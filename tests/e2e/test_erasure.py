"""Personal fields on a whole gateway that seals them: found only in responses, and nowhere once erased."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from domain.signature import standard_signature
from tests.support.api import Api, created, error_of, signed_up
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver
from tests.support.stack import ALL_ROLES, Stack, running_stack
from tests.support.traces import traces_of
from topics.catalogue import COMMANDS, PAYMENTS_DLQ, partition_of
from topics.producer import LogProducer, Record
from topics.reader import Start, log_reader
from topics.records import LogRecord

pytestmark = pytest.mark.timeout(300)
ENVIRONMENT = {"PERSONAL_FIELDS": "sealed", "API_WORKERS": "1", "WEBHOOK_RETRY_INTERVALS_TEST": "0,1,1"}
ROLES = tuple(role for role in ALL_ROLES if role != "auditor")
MARKER, CONTACT = "zqmarker", "+918877665544"
MARKERS = (MARKER.encode(), CONTACT[1:].encode())
PAYER = {
    "name": f"{MARKER} Rao",
    "email": f"{MARKER}@mail.example",
    "contact": CONTACT,
    "description": f'Tea for "{MARKER}"',
}
NOTES = {f"{MARKER} seat": f"{MARKER} 4"}


@pytest.fixture(scope="module")
def sealing(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A whole gateway that seals personal fields."""
    with running_stack(roles=ROLES, env=ENVIRONMENT, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture
async def api(sealing: Stack) -> AsyncIterator[Api]:
    async with await signed_up(sealing) as client:
        yield client


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    """A merchant's server that sends back what it was sent."""
    async with receiver() as merchant:
        merchant.responses["/hook"] = [web.Response(text=f"thank you for {MARKER}")]
        yield merchant


@dataclass(frozen=True, slots=True)
class Bought:
    """One order with everything personal that a merchant and a payer can say about it."""

    order_id: str
    payment_id: str
    refund_id: str


async def bought(api: Api) -> Bought:
    order = created(await api.post("/orders", {"amount": 50_000, "receipt": f"{MARKER}-1", "notes": NOTES}, key="o"))
    body = {"order_id": order["id"], "method": "upi", "vpa": f"{MARKER}@upi", "notes": NOTES, **PAYER}
    payment = created(await api.post("/payments", body, key="p"))
    await api.decided(f"/payments/{payment['id']}")
    await api.post(f"/payments/{payment['id']}/capture", {})
    again = {**body, "vpa": f"{MARKER}2@upi"}
    assert error_of(await api.post("/payments", again))["description"] == "Order already paid"
    back = {"amount": 10_000, "reason": f"{MARKER} torn", "receipt": f"{MARKER}-2", "notes": NOTES}
    refund = created(await api.post(f"/payments/{payment['id']}/refunds", back))
    await api.decided(f"/refunds/{refund['id']}")
    return Bought(order["id"], payment["id"], refund["id"])


async def linked(api: Api) -> tuple[str, str]:
    """A payment link to the same person, and its order."""
    customer = {name: PAYER[name] for name in ("name", "email", "contact")}
    body = {"amount": 700, "description": f"{MARKER} tea", "customer": customer, "reference": f"{MARKER}-3"}
    link = created(await api.post("/payment-links", body))
    return str(link["id"]), str(link["order_id"])


async def records_of(sealing: Stack, topic: str, key: bytes) -> list[LogRecord]:
    async with log_reader(sealing.settings) as reader:
        spans = await reader.spans(await reader.partitions([topic]), Start())
        return [record async for record in reader.merged(spans) if record.key == key]


async def make_dead_letter(sealing: Stack, order_id: str) -> None:
    """A payment of the order, written by a stranger under another key: it becomes a dead letter."""
    requested = await records_of(sealing, COMMANDS, order_id.encode())
    value = next(one.value for one in requested if one.envelope and one.envelope.type == "payment.create")
    key = f"not {order_id}".encode()
    async with LogProducer(sealing.settings) as producer:
        partition = partition_of(key, sealing.settings.topic_partitions)
        await producer.publish([Record(COMMANDS, partition, key, value, [])])
    await eventually(lambda: records_of(sealing, PAYMENTS_DLQ, key), timeout=20, what="a dead letter")


async def delivered(hook: Receiver, event: str, count: int = 1) -> None:
    await eventually(lambda: hook.events().count(event) >= count, timeout=20, what=f"webhook {event}")


def payer_of(erased: dict[str, Any]) -> dict[str, Any]:
    """What a payment shows of its payer."""
    return {name: erased[name] for name in ("vpa", "name", "email", "contact", "description", "receipt", "notes")}


async def erase(sealing: Stack, *arguments: str) -> dict[str, Any]:
    ended = await gateway(sealing, "erase", *arguments, "--json")
    assert ended.code == 0, ended.err + ended.out
    found: dict[str, Any] = json.loads(ended.out)
    return found


async def checked(sealing: Stack, *arguments: str) -> None:
    ended = await gateway(sealing, *arguments)
    assert ended.code == 0, ended.out + ended.err


async def test_a_payer_is_found_nowhere_once_erased_and_everything_else_still_holds(
    sealing: Stack, api: Api, hook: Receiver
) -> None:
    bystander = await bought_by_another(api)
    endpoint = created(await api.post("/webhook-endpoints", {"url": hook.url()}))
    one, (link_id, link) = await bought(api), await linked(api)
    await delivered(hook, "refund.processed")
    await make_dead_letter(sealing, one.order_id)

    # Sealed: only what a merchant's server sent back is there to be read.
    sent = next(webhook for webhook in hook.received if webhook.json["event"] == "payment.success")
    assert sent.json["data"]["payment"]["email"] == PAYER["email"]
    payment = (await api.get(f"/payments/{one.payment_id}")).json()
    assert payer_of(payment) == {**PAYER, "vpa": f"{MARKER}@upi", "receipt": f"{MARKER}-1", "notes": NOTES}
    sheet = (await api.get("/payments/export.csv")).text
    assert PAYER["email"] in sheet
    assert f"{MARKER} torn" in (await api.get("/audit-log/export.csv")).text
    responses = "table webhook_attempts"
    assert responses in (places := await traces_of(sealing, *MARKERS))
    assert all(place == responses or place.startswith("backup") for place in places), places

    # A dry run changes nothing.
    planned = json.loads((await gateway(sealing, "erase", "--contact", PAYER["email"].upper(), "--json")).out)
    assert {order["order_id"]: order["state"] for order in planned["orders"]} == {
        one.order_id: "ready",
        link: "payable",
    }
    response = await api.post(f"/payment-links/{link_id}/cancel", {})
    assert response.is_success, response.text
    assert planned["erased"] == []
    assert (await api.get(f"/payments/{one.payment_id}")).json() == payment

    kept = await key_rows(sealing)
    done = await erase(sealing, "--contact", CONTACT, "--yes")
    assert set(done["erased"]) == {one.order_id, link}
    await check_erased(sealing, api, one)
    assert (await api.get(f"/payments/{bystander}")).json()["vpa"] == "success@upi"

    # A webhook that is sent again carries nothing personal, and its signature holds.
    before = len(hook.received)
    delivery = next(
        log for log in (await api.get("/webhooks", payment_id=one.payment_id)).json()["data"]
        if log["event"] == "payment.success"
    )  # fmt: skip
    assert (await api.post(f"/webhooks/{delivery['id']}/retry")).is_success
    await eventually(lambda: len(hook.received) > before, timeout=20, what="the webhook again")
    again = hook.received[-1]
    assert again.json["data"]["payment"] | {"erased": True} == again.json["data"]["payment"]
    signature = standard_signature(
        endpoint["secret"],
        message_id=again.event_id,
        timestamp=int(again.headers["webhook-timestamp"]),
        body=again.body,
    )
    assert signature in again.headers["webhook-signature"]

    for command in (["verify"], ["republish"], ["recover"], ["rebuild"]):
        await checked(sealing, *command)

    # An older database has the keys again; the log remembers that they must go.
    await put_back(sealing, kept)
    missing = json.loads((await gateway(sealing, "erase", "--again", "--json")).out)
    assert set(missing["missing"]) >= {one.order_id, link}
    assert {one.order_id, link} <= await readable_again(sealing)
    await checked(sealing, "recover", "--apply")
    missing = json.loads((await gateway(sealing, "erase", "--again", "--json")).out)
    assert missing["missing"] == []
    await eventually(lambda: is_erased(api, one), timeout=20, what="the key to be gone again")
    await check_erased(sealing, api, one)
    await checked(sealing, "verify")

    # Nor may a key come back alone, without a word of the erasure.
    await put_back(sealing, kept, but_remembered=True)
    assert {one.order_id, link} <= await readable_again(sealing)
    await checked(sealing, "erase", "--again", "--yes")
    await checked(sealing, "verify")


async def readable_again(sealing: Stack) -> set[str]:
    """What `gateway verify` finds of erased orders."""
    ended = await gateway(sealing, "verify", "--settle", "0", "--json")
    report = json.loads(ended.out)
    assert ended.code == 1, ended.out + ended.err
    assert report["kinds"]["erasure"]["repair"] == "gateway erase --again --yes"
    return {found["subject"] for found in report["checks"]["erasures"]["found"]}


async def bought_by_another(api: Api) -> str:
    return str((await api.paid())["id"])


async def check_erased(sealing: Stack, api: Api, one: Bought) -> None:
    payment = (await api.get(f"/payments/{one.payment_id}")).json()
    assert payment["erased"] is True
    assert payer_of(payment) == {**dict.fromkeys(payer_of(payment)), "notes": {}}
    order = (await api.get(f"/orders/{one.order_id}")).json()
    assert (order["receipt"], order["notes"], order["erased"]) == (None, {}, True)
    refund = (await api.get(f"/refunds/{one.refund_id}")).json()
    assert (refund["receipt"], refund["notes"], refund["reason"]) == (None, {}, None)
    assert MARKER not in (await api.get("/payments/export.csv")).text
    for path in (
        "/payments",
        "/orders",
        "/refunds",
        "/events",
        "/webhooks",
        "/audit-log",
        "/audit-log/export.csv",
        f"/payments/{one.payment_id}/timeline",
    ):
        assert MARKER not in (await api.get(path)).text
    assert await traces_of(sealing, *MARKERS) == []


async def is_erased(api: Api, one: Bought) -> bool:
    return bool((await api.get(f"/payments/{one.payment_id}")).json()["vpa"] is None)


async def key_rows(sealing: Stack) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(sealing.database_url)
    try:
        return list(await connection.fetch("SELECT id, day, key_sealed FROM order_keys"))
    finally:
        await connection.close()


async def put_back(sealing: Stack, rows: list[asyncpg.Record], *, but_remembered: bool = False) -> None:
    """What restoring a backup from before the erasure does to these two tables. `but_remembered`: to the first only."""
    connection = await asyncpg.connect(sealing.database_url)
    try:
        async with connection.transaction():
            await connection.execute("DELETE FROM order_keys")
            if not but_remembered:
                await connection.execute("DELETE FROM erased_orders")
            await connection.executemany("INSERT INTO order_keys (id, day, key_sealed) VALUES ($1, $2, $3)", rows)
    finally:
        await connection.close()


async def test_the_bank_receives_plaintext(api: Api) -> None:
    assert (await api.paid(vpa="failure@upi"))["status"] == "FAILED"
    assert (await api.paid(vpa="success@upi"))["status"] == "SUCCESS"


async def test_a_repeated_request_gets_the_same_response_before_and_after_the_erasure(sealing: Stack, api: Api) -> None:
    body = {"amount": 500, "receipt": f"{MARKER}-9"}
    order = created(await api.post("/orders", body, key="again"))
    assert created(await api.post("/orders", body, key="again")) == order
    ended = await gateway(sealing, "erase", "--order", order["id"], "--yes", "--json")
    assert (ended.code, json.loads(ended.out)["orders"][0]["state"]) == (1, "payable")
    assert (await api.post(f"/orders/{order['id']}/cancel", {})).is_success
    await erase(sealing, "--order", order["id"], "--yes")
    repeated = await api.post("/orders", body, key="again")
    assert repeated.headers["Idempotent-Replayed"] == "true"
    assert repeated.json() == {**order, "receipt": None, "erased": True}
    refused = error_of(await api.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "a@upi"}))
    assert "erased" in refused["description"]


async def test_an_order_whose_money_still_moves_is_not_erased(sealing: Stack, api: Api) -> None:
    order = await api.order()
    await api.pay(order["id"], vpa="pending@upi")
    ended = await gateway(sealing, "erase", "--order", order["id"], "--yes", "--json")
    assert ended.code == 1
    found = json.loads(ended.out)
    assert (found["orders"][0]["state"], found["erased"]) == ("open", [])


async def test_nobody_can_have_a_foreign_sealed_field_opened(sealing: Stack, api: Api) -> None:
    await bought(api)
    connection = await asyncpg.connect(sealing.database_url)
    try:
        stolen = await connection.fetchval("SELECT email FROM payments WHERE email IS NOT NULL LIMIT 1")
    finally:
        await connection.close()
    escaped = stolen.replace("s", "\\u0073", 1)
    # A parser that accepts what another refuses must not open a way around.
    for text in (f'"{stolen}"', f'"{escaped}"', f'"{escaped}", "x": NaN', f'"{escaped}", "x": 1e999'):
        body = f'{{"url": "http://127.0.0.1:1/hook", "description": {text}}}'
        response = await api.call(
            "POST", "/webhook-endpoints", content=body, headers={"Content-Type": "application/json"}
        )
        assert "sealed:1:" in error_of(response)["description"]
    response = await api.call("GET", "/orders", headers={"X-Request-Id": stolen[:128]})
    assert response.headers["X-Request-Id"] != stolen[:128]
