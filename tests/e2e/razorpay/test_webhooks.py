"""The double's webhooks: eight events, as the original's receivers read and verify them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from razorpay.errors import BadRequestError, SignatureVerificationError

from tests.e2e.razorpay.fields import check_entities
from tests.e2e.razorpay.shop import CARD, DoubleShop, Json
from tests.support.eventually import eventually
from tests.support.receiver import Received, Receiver, receiver

SECRET = "a secret with spaces, and ₹"
EVENTS = (
    "payment.authorized", "payment.captured", "payment.failed", "order.paid",
    "refund.created", "refund.processed", "refund.failed", "payment_link.paid",
)  # fmt: skip


@pytest_asyncio.fixture
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


async def _subscribe(shop: DoubleShop, hooks: Receiver, events: Any = EVENTS, **fields: Any) -> Json:
    body = {"url": hooks.url(), "events": list(events) if isinstance(events, tuple) else events, "secret": SECRET}
    created: Json = await asyncio.to_thread(shop.client.webhook.create, {**body, **fields})
    return created


def _of(hooks: Receiver, payment_id: str) -> list[Received]:
    """What was received about a payment, in order."""
    return [one for one in hooks.received if one.json["payload"]["payment"]["entity"]["id"] == payment_id]


async def _names_of(hooks: Receiver, payment_id: str, *expected: str) -> list[Received]:
    """The webhooks of a payment once these have come, and no other."""

    def come() -> list[Received]:
        found = _of(hooks, payment_id)
        assert all(check_entities(one.json["payload"]) for one in found)
        assert Counter(one.json["event"] for one in found) == Counter(expected)
        return found

    return await eventually(come, timeout=60, what=f"{', '.join(expected)} of {payment_id}")


async def test_a_payment_that_captures_by_itself_is_three_webhooks_in_order(shop: DoubleShop, hooks: Receiver) -> None:
    endpoint = await _subscribe(shop, hooks)
    order = await asyncio.to_thread(shop.order, receipt="r-9", notes={"cart": "9"})
    payment_id = await asyncio.to_thread(shop.pay, order, email="payer@example.com", contact="+919876543210")
    found = await _names_of(hooks, payment_id, "payment.authorized", "payment.captured", "order.paid")
    assert found[0].json["event"] == "payment.authorized"
    by_name = {one.json["event"]: one.json for one in found}
    for name, event in by_name.items():
        assert (event["entity"], event["account_id"][:4]) == ("event", "acc_")
        assert event["contains"] == list(event["payload"])
        payment = event["payload"]["payment"]["entity"]
        assert (payment["email"], payment["notes"]) == ("payer@example.com", {"cart": "9"})
        assert payment["status"] == ("authorized" if name == "payment.authorized" else "captured")
    paid = by_name["order.paid"]["payload"]["order"]["entity"]
    assert (paid["status"], paid["amount_paid"], paid["attempts"], paid["receipt"]) == ("paid", 50_000, 1, "r-9")
    assert len({one.headers["X-Razorpay-Event-Id"] for one in found}) == 3
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_paid_link_is_a_webhook_with_link_order_and_payment(shop: DoubleShop, hooks: Receiver) -> None:
    endpoint = await _subscribe(shop, hooks)
    asked = {"amount": 50_000, "currency": "INR", "reference_id": "L-7", "notes": {"cart": "7"}}
    link = await asyncio.to_thread(shop.client.payment_link.create, asked)
    payment_id = await asyncio.to_thread(shop.pay, {"id": link["order_id"], "amount": 50_000})
    found = await _names_of(
        hooks, payment_id, "payment.authorized", "payment.captured", "order.paid", "payment_link.paid"
    )
    (paid,) = [one for one in found if one.json["event"] == "payment_link.paid"]
    assert paid.json["contains"] == ["payment_link", "order", "payment"]
    entities = {name: part["entity"] for name, part in paid.json["payload"].items()}
    assert (entities["order"]["status"], entities["payment"]["status"]) == ("paid", "captured")
    shown = entities["payment_link"]
    assert (shown["id"], shown["status"], shown["reference_id"], shown["notes"]) == (
        link["id"], "paid", "L-7", {"cart": "7"},
    )  # fmt: skip
    assert shown == await asyncio.to_thread(shop.client.payment_link.fetch, link["id"])
    body, signature = paid.body.decode(), paid.headers["X-Razorpay-Signature"]
    assert shop.client.utility.verify_webhook_signature(body, signature, SECRET)
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_refund_that_the_bank_refuses_is_a_webhook_too(shop: DoubleShop, hooks: Receiver) -> None:
    payment = await asyncio.to_thread(shop.captured)
    endpoint = await _subscribe(shop, hooks, ("refund.created", "refund.processed", "refund.failed"))
    body = {"amount": 1_000, "reason": "fail_refund"}
    path = f"/api/v1/payments/{payment['id']}/refunds"
    assert (await asyncio.to_thread(shop.call, "POST", path, json=body)).ok
    _, failed = await _names_of(hooks, payment["id"], "refund.created", "refund.failed")
    refund = failed.json["payload"]["refund"]["entity"]
    assert (failed.json["event"], refund["status"], refund["amount"]) == ("refund.failed", "failed", 1_000)
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_the_official_verifier_accepts_the_raw_body_and_nothing_else(shop: DoubleShop, hooks: Receiver) -> None:
    endpoint = await _subscribe(shop, hooks, ("payment.failed",))
    order = await asyncio.to_thread(shop.order, notes={"größe": "₹"})
    payment_id = await asyncio.to_thread(shop.pay, order, vpa="failure@razorpay")
    (failed,) = await _names_of(hooks, payment_id, "payment.failed")
    body, signature = failed.body.decode(), failed.headers["X-Razorpay-Signature"]
    verify = shop.client.utility.verify_webhook_signature
    assert verify(body, signature, SECRET)
    for wrong in (body + " ", json.dumps(failed.json)):
        with pytest.raises(SignatureVerificationError):
            verify(wrong, signature, SECRET)
    payment = failed.json["payload"]["payment"]["entity"]
    assert (payment["status"], payment["error_reason"]) == ("failed", "payment_failed")
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_refund_is_created_and_processed_with_its_payment_beside_it(shop: DoubleShop, hooks: Receiver) -> None:
    payment = await asyncio.to_thread(shop.captured, method="card", card=CARD)
    endpoint = await _subscribe(shop, hooks, ("refund.created", "refund.processed"))
    refund = await asyncio.to_thread(
        shop.client.payment.refund, payment["id"], {"amount": 20_000, "notes": {"reference": "S1-R"}}
    )
    created, processed = await _names_of(hooks, payment["id"], "refund.created", "refund.processed")
    for one, status in ((created, "pending"), (processed, "processed")):
        entity = one.json["payload"]["refund"]["entity"]
        assert (entity["id"], entity["status"], entity["notes"]) == (refund["id"], status, {"reference": "S1-R"})
        assert one.json["contains"] == ["refund", "payment"]
        beside = one.json["payload"]["payment"]["entity"]
        assert (beside["amount_refunded"], beside["refund_status"]) == (20_000, "partial")
        assert beside["card"]["last4"] == "1007"
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_shuffled_endpoint_gets_the_authorization_after_its_capture(shop: DoubleShop, hooks: Receiver) -> None:
    """Razorpay promises no order, so a program must bear it. A first answer that fails turns nothing back."""
    hooks.responses["/hook"] = [500, 500, 200]
    endpoint = await _subscribe(shop, hooks, ("payment.authorized", "payment.captured"), shuffled=True)
    assert endpoint["shuffled"] is True
    payment = await asyncio.to_thread(shop.captured)

    def all_came() -> list[str]:
        names = [one.json["event"] for one in _of(hooks, payment["id"])]
        assert "payment.authorized" in names
        return names

    names = await eventually(all_came, timeout=60, what="the authorization")
    assert names == ["payment.captured"] * 3 + ["payment.authorized"]
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_failed_delivery_is_retried_under_the_same_identity(shop: DoubleShop, hooks: Receiver) -> None:
    hooks.responses["/hook"] = [500, 200]
    endpoint = await _subscribe(shop, hooks, ("payment.authorized",))
    payment = await asyncio.to_thread(shop.authorized)

    def twice() -> list[Received]:
        found = _of(hooks, payment["id"])
        assert len(found) == 2
        return found

    first, second = await eventually(twice, timeout=60, what="the second attempt")
    assert first.body == second.body
    for header in ("X-Razorpay-Event-Id", "X-Razorpay-Signature"):
        assert first.headers[header] == second.headers[header]
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_a_plugins_own_webhook_is_made_as_a_form_listed_and_changed(shop: DoubleShop, hooks: Receiver) -> None:
    """As the shop plugins do: an object of switches, events that never happen here, PUT with a new secret."""
    form = {
        "url": hooks.url("/plugin"), "alert_email": "shop@example.com", "secret": "first",
        "events[payment.authorized]": "1", "events[refund.created]": "0", "events[subscription.charged]": "1",
    }  # fmt: skip
    answer = await asyncio.to_thread(shop.call, "POST", "/v1/webhooks/", data=form)
    assert answer.headers["X-Test-Double-Ignored"] == "subscription.charged, alert_email"
    made = answer.json()
    assert made["events"] == {"payment.authorized": True, "subscription.charged": True}
    assert (made["entity"], made["active"], made["secret_exists"]) == ("webhook", True, True)
    assert "secret" not in made
    listed = await asyncio.to_thread(shop.client.webhook.all)
    assert made["id"] in [one["id"] for one in listed["items"]]
    changes = {"url": hooks.url("/changed"), "events": {"payment.captured": True}, "secret": SECRET}
    changed = await asyncio.to_thread(shop.client.webhook.edit, made["id"], None, changes)
    assert (changed["url"], changed["events"]) == (hooks.url("/changed"), {"payment.captured": True})
    payment = await asyncio.to_thread(shop.captured)
    (captured,) = await _names_of(hooks, payment["id"], "payment.captured")
    assert captured.path == "/changed"
    assert shop.client.utility.verify_webhook_signature(
        captured.body.decode(), captured.headers["X-Razorpay-Signature"], SECRET
    )
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{made['id']}", {})
    with pytest.raises(BadRequestError):
        await asyncio.to_thread(shop.client.webhook.fetch, made["id"], None)


async def test_a_late_authorization_is_a_failure_first_and_an_authorization_then(
    shop: DoubleShop, hooks: Receiver
) -> None:
    """The case that a merchant's program gets wrong, and that cannot be provoked elsewhere."""
    endpoint = await _subscribe(shop, hooks)
    order = await asyncio.to_thread(shop.order, payment_capture=0, late_authorization=True)
    payment_id = await asyncio.to_thread(shop.pay, order, vpa="unknown@upi")
    found = {
        one.json["event"]: one for one in await _names_of(hooks, payment_id, "payment.failed", "payment.authorized")
    }
    failed = found["payment.failed"].json["payload"]["payment"]["entity"]
    assert (failed["status"], failed["error_reason"]) == ("failed", "payment_timed_out")
    authorized = found["payment.authorized"].json["payload"]["payment"]["entity"]
    assert (authorized["status"], authorized["error_reason"]) == ("authorized", None)
    assert len({one.headers["X-Razorpay-Event-Id"] for one in found.values()}) == 2
    assert (await asyncio.to_thread(shop.payment, payment_id, status="authorized"))["id"] == payment_id
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})


async def test_another_merchant_neither_sees_nor_changes_a_webhook(
    shop: DoubleShop, other_shop: DoubleShop, hooks: Receiver
) -> None:
    endpoint = await _subscribe(shop, hooks)
    assert (await asyncio.to_thread(other_shop.client.webhook.all))["items"] == []
    with pytest.raises(BadRequestError, match="does not exist"):
        await asyncio.to_thread(other_shop.client.webhook.edit, endpoint["id"], None, {"active": False})
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint['id']}", {})
