"""Inspection of a whole gateway: a journey into its webhooks, dead deliveries sent again, events on localhost."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api, created
from tests.support.authority import make_authority
from tests.support.command import Ended, gateway, started_gateway
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack


async def steps_of(stack: Stack, subject: str) -> list[dict[str, Any]]:
    ended = await gateway(stack, "journey", subject, "--json")
    assert ended.code == 0, ended.err
    return list(json.loads(ended.out)["steps"])


@dataclass(frozen=True, slots=True)
class Merchant:
    """A shop and its server; endpoints and payments without the API."""

    shop: Shop
    receiver: Receiver


@pytest.fixture
async def merchant(webhook_stack: Stack) -> AsyncIterator[Merchant]:
    async with receiver() as receiving, open_shop(webhook_stack.settings) as shop:
        yield Merchant(shop, receiving)


async def log_that_is(merchant: Merchant, status: str) -> asyncpg.Record:
    """The shop's delivery, once it has this status."""

    async def there() -> asyncpg.Record | None:
        found = await merchant.shop.logs(status=status)
        return found[0] if found else None

    found = await eventually(there, timeout=60, what=f"a delivery that is {status}")
    assert found is not None
    return found


async def test_a_journey_shows_everything_in_order_by_any_id(webhook_stack: Stack, merchant: Merchant) -> None:
    merchant.receiver.responses["/hook"] = [500, 200]
    await merchant.shop.endpoint(merchant.receiver.url(), events=["payment.success"])
    payment_id = await merchant.shop.pay()
    log = await log_that_is(merchant, "success")

    steps = await steps_of(webhook_stack, payment_id)

    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    titles = [step["title"] for step in steps]
    for earlier, later in (
        ("order.create", "order.created"),
        ("order.created", "payment.processing"),
        ("payment.processing", "payment.success"),
        ("payment.success", "webhook payment.success"),
        ("webhook attempt 1", "webhook attempt 2"),
    ):
        assert titles.index(earlier) < titles.index(later), titles
    by_title = {step["title"]: step for step in steps}
    assert by_title["payment.success"]["change"] == f"{payment_id} PROCESSING → SUCCESS"
    assert by_title["webhook attempt 1"]["refused"] is True
    assert by_title["webhook attempt 2"]["refused"] is False
    assert by_title["webhook attempt 2"]["facts"]["response_code"] == 200
    on_log = [step for step in steps if step["kind"] in ("command", "event")]
    assert all(step["topic"] and step["offset"] is not None for step in on_log), on_log

    event_id = by_title["payment.success"]["id"]
    for subject in (str(log["id"]), event_id, by_title["payment.success"]["caused_by"]):
        assert [step["id"] for step in await steps_of(webhook_stack, subject)] == [step["id"] for step in steps]


async def test_dead_deliveries_are_sent_again_and_arrive(webhook_stack: Stack, merchant: Merchant) -> None:
    merchant.receiver.responses["/hook"] = [500]
    await merchant.shop.endpoint(merchant.receiver.url(), events=["payment.success"])
    payment_id = await merchant.shop.pay()
    log = await log_that_is(merchant, "failed")
    letter_id = await dead_letter_of(webhook_stack, str(log["id"]))
    assert any(step["kind"] == "dead" for step in await steps_of(webhook_stack, payment_id))
    merchant.receiver.responses["/hook"] = [200]
    before = len(merchant.receiver.at("/hook"))

    ended = await gateway(webhook_stack, "dlq", "replay", letter_id, "--apply")

    assert (ended.code, "1 sent, 0 refused" in ended.out) == (0, True), ended
    log = await log_that_is(merchant, "success")
    last, *_ = reversed(merchant.receiver.at("/hook"))
    assert len(merchant.receiver.at("/hook")) == before + 1
    assert last.event_id == log["event_id"]
    again = await gateway(webhook_stack, "dlq", "replay", letter_id)
    assert (again.code, again.err.startswith("Error: No open dead letter")) == (2, True), again


async def test_a_period_is_replayed_to_an_endpoint_and_its_job_can_be_followed(
    webhook_stack: Stack, merchant: Merchant
) -> None:
    endpoint_id = (await merchant.shop.endpoint(merchant.receiver.url(), events=["payment.success"])).id
    await merchant.shop.pay()
    log = await log_that_is(merchant, "success")
    requested = ("replay", endpoint_id, "--since", "10m")

    dry = await gateway(webhook_stack, *requested)
    assert (dry.code, "1 event from" in dry.out, "nothing was sent" in dry.out) == (0, True, True), dry
    assert len(merchant.receiver.at("/hook")) == 1
    ended = await gateway(webhook_stack, *requested, "--apply", "--json")

    assert ended.code == 0, ended
    job = json.loads(ended.out)
    assert (job["state"], job["total"], job["done"]) == ("done", 1, 1)
    await eventually(lambda: len(merchant.receiver.at("/hook")) == 2, timeout=20, what="the webhook to come again")
    again = merchant.receiver.at("/hook")[1]
    assert (again.event_id, again.headers["webhook-replay"]) == (log["event_id"], "true")
    watched = await gateway(webhook_stack, "replay", job["job_id"])
    assert (watched.code, f"{job['job_id']}  done, 1 of 1" in watched.out) == (0, True), watched


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("whe_none",), "There is no endpoint 'whe_none'"),
        (("job_none",), "There is no job 'job_none'"),
        (("whe_none", "--since", "1h", "--until", "2h"), "--since must be before --until"),
        (("whe_none", "--since", "soon"), "'soon' is neither a duration"),
    ],
)
async def test_a_replay_of_what_is_not_there_is_a_sentence(
    webhook_stack: Stack, arguments: tuple[str, ...], message: str
) -> None:
    ended = await gateway(webhook_stack, "replay", *arguments)
    assert (ended.code, message in ended.err) == (2, True), ended


async def dead_letter_of(stack: Stack, log_id: str) -> str:
    """Id of the letter that names this delivery."""

    async def found() -> str | None:
        ended = await gateway(stack, "topics", "tail", "webhooks.dlq", "--where", f"value ~ '{log_id}'", "--json")
        assert ended.code == 0, ended
        records = [json.loads(line) for line in ended.out.splitlines()]
        return str(records[0]["record"]["id"]) if records else None

    return str(await eventually(found, timeout=30, interval=0.5, what="the dead letter"))


async def test_listening_brings_signed_events_to_a_developer(webhook_stack: Stack, merchant: Merchant) -> None:
    secret = "whsec_" + "QUJD" * 10
    url = merchant.receiver.url("/dev")
    requested = ("--merchant", merchant.shop.merchant_id, "--secret", secret, "--max", "2", "--json")
    listening = await started_gateway(
        webhook_stack, "listen", "--forward-to", url, "--event", "payment.success", "--event", "payment.created",
        "--from", "1m", *requested,
    )  # fmt: skip
    payment_id = await merchant.shop.pay()
    out, err = await listening.communicate()
    assert listening.returncode == 0, err
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["payment.created", "payment.success"]
    assert merchant.receiver.events("/dev") == ["payment.created", "payment.success"]
    success = merchant.receiver.at("/dev")[1]
    assert success.json["data"]["payment"]["id"] == payment_id
    assert success.headers["X-Signature"] == signature(secret, success.body)

    resent: Ended = await gateway(
        webhook_stack, "listen", "--forward-to", url, "--secret", secret, "--resend", success.event_id
    )
    assert resent.code == 0, resent.err
    assert merchant.receiver.at("/dev")[2].body == success.body


async def test_listening_reaches_a_self_signed_server_only_with_the_option(
    webhook_stack: Stack, merchant: Merchant, tmp_path: Path
) -> None:
    _, tls = make_authority(tmp_path)
    payment_id = await merchant.shop.pay()
    async with receiver(tls=tls) as developer:
        requested = (
            "listen", "--forward-to", developer.url("/dev").replace("http:", "https:"), "--event", "payment.success",
            "--from", "5m", "--merchant", merchant.shop.merchant_id, "--max", "1", "--json",
        )  # fmt: skip
        checked = await gateway(webhook_stack, *requested)
        (line,) = [json.loads(line) for line in checked.out.splitlines()]
        assert (line["answer"].startswith("ClientConnectorCertificateError"), line["body"]) == (True, None), line
        assert developer.received == []
        trusted = await gateway(webhook_stack, *requested, "--insecure")
        (line,) = [json.loads(line) for line in trusted.out.splitlines()]
        assert (line["answer"], line["attempt"]) == ("200", 1)
        (received,) = developer.at("/dev")
        assert received.json["data"]["payment"]["id"] == payment_id


async def test_a_test_event_goes_to_the_endpoint_that_is_named_and_its_delivery_is_shown(
    webhook_stack: Stack, merchant: Merchant
) -> None:
    settings = webhook_stack.settings
    async with Api(webhook_stack.api_url, settings.test_api_key, settings.test_api_secret.get_secret_value()) as api:
        endpoint = created(await api.post("/webhook-endpoints", {"url": merchant.receiver.url("/test")}))
        ended = await gateway(webhook_stack, "trigger", "webhook.test", "--endpoint", endpoint["id"], "--json")
        assert ended.code == 0, ended.err
        found = json.loads(ended.out)
        assert (found["type"], found["status"], found["response_code"]) == ("webhook.test", "success", 200)
        (received,) = merchant.receiver.at("/test")
        assert (received.event_id, received.json["event"]) == (found["id"], "webhook.test")
        assert (await api.get(f"/webhooks/{found['log_id']}")).json()["status"] == "success"
        assert (await api.call("DELETE", f"/webhook-endpoints/{endpoint['id']}")).is_success
        nowhere = await gateway(webhook_stack, "trigger", "webhook.test", "--endpoint", endpoint["id"])
        assert (nowhere.code, "404" in nowhere.err) == (1, True), nowhere


def signature(secret: str, body: bytes) -> str:
    """As a developer would check it, with nothing of ours."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
