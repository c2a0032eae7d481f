"""Two applications' flows, rebuilt from what they call and read: Odoo's payment provider and a WooCommerce plugin."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.razorpay.shop import CARD, DoubleShop
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver


@pytest_asyncio.fixture
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


async def test_odoos_flow_from_customer_to_refund(shop: DoubleShop, hooks: Receiver) -> None:
    """Its only link between the two sides is the payment's `description` and the refund's `notes.reference`."""
    reference, secret = f"S{secrets.token_hex(4)}", "odoo-webhook-secret"
    events = ["payment.authorized", "payment.captured", "payment.failed", "refund.failed", "refund.processed"]

    def pay() -> tuple[str, str]:
        body = {"url": hooks.url(), "events": events, "secret": secret}
        endpoint = shop.client.webhook.create(body)
        buyer = {"name": "Marc", "email": f"{reference}@example.com", "contact": "+919876543210", "fail_existing": "0"}
        customer = shop.client.customer.create(buyer)
        options = {"manual_expiry_period": 7_200, "refund_speed": "normal"}
        order = shop.order(
            75_000, method="card", customer_id=customer["id"], payment={"capture": "manual", "capture_options": options}
        )
        payment_id = shop.pay(order, method="card", card=CARD, description=reference)
        found = shop.payment(payment_id, status="authorized")
        assert (found["description"], found["method"]) == (reference, "card")
        answer = shop.call("POST", f"/v1/payments/{payment_id}/capture", json={"amount": 75_000, "currency": "INR"})
        assert answer.json()["status"] == "captured"
        refund = {"amount": 25_000, "notes": {"reference": f"R-{reference}"}}
        made = shop.call("POST", f"/v1/payments/{payment_id}/refund", json=refund).json()
        assert (made["payment_id"], made["amount"], made["notes"]["reference"]) == (
            payment_id,
            25_000,
            f"R-{reference}",
        )
        return payment_id, endpoint["id"]

    payment_id, endpoint_id = await asyncio.to_thread(pay)

    def reconciled() -> bool:
        by_event = {one.json["event"]: one for one in hooks.received}
        assert set(by_event) == {"payment.authorized", "payment.captured", "refund.processed"}
        for one in by_event.values():
            verify = shop.client.utility.verify_webhook_signature
            assert verify(one.body.decode(), one.headers["X-Razorpay-Signature"], secret)
        for name in ("payment.authorized", "payment.captured"):
            entity = by_event[name].json["payload"]["payment"]["entity"]
            assert (entity["id"], entity["description"], entity["card"]["network"]) == (payment_id, reference, "Visa")
        refund = by_event["refund.processed"].json["payload"]["refund"]["entity"]
        assert (refund["notes"]["reference"], refund["status"]) == (f"R-{reference}", "processed")
        return True

    await eventually(reconciled, timeout=60, what="the three webhooks")
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint_id}", {})


async def test_a_woocommerce_plugins_flow_in_forms_and_trailing_slashes(shop: DoubleShop, hooks: Receiver) -> None:
    """Key check, own webhook, order as a form, a look before payment; the webhook finds the order by its notes."""

    def pay() -> tuple[str, str]:
        assert shop.call("GET", "/v1/orders/", params={"count": 1}).json()["entity"] == "collection"
        assert shop.call("GET", "/v1/preferences/").json()["methods"]["upi"] is True
        assert shop.call("GET", "/v1/webhooks/", params={"count": 10, "skip": 0}).json()["entity"] == "collection"
        endpoint = shop.call(
            "POST", "/v1/webhooks/",
            data={"url": hooks.url(), "active": "1", "secret": "woo", "events[payment.authorized]": "1",
                  "events[refund.created]": "1", "events[payment.pending]": "1"},
        ).json()  # fmt: skip
        form = {
            "receipt": "117", "amount": "49900", "currency": "INR", "payment_capture": "1", "app_offer": "0",
            "notes[woocommerce_order_id]": "117", "notes[woocommerce_order_number]": "#117",
        }  # fmt: skip
        order = shop.call("POST", "/v1/orders/", data=form).json()
        again = shop.call("GET", f"/v1/orders/{order['id']}/").json()
        assert (again["id"], again["amount"], again["currency"], again["receipt"]) == (
            order["id"],
            49_900,
            "INR",
            "117",
        )
        payment_id = shop.pay(order)
        shop.payment(payment_id, status="captured")
        refund = {
            "amount": "10000",
            "notes[reason]": "size",
            "notes[order_id]": "117",
            "notes[refund_from_website]": "1",
        }
        made = shop.call("POST", f"/v1/payments/{payment_id}/refund", data=refund).json()
        assert (made["entity"], made["amount"], made["speed_requested"]) == ("refund", 10_000, "normal")
        return payment_id, endpoint["id"]

    payment_id, endpoint_id = await asyncio.to_thread(pay)

    def noticed() -> bool:
        by_event = {one.json["event"]: one.json["payload"] for one in hooks.received}
        assert set(by_event) == {"payment.authorized", "refund.created"}
        entity = by_event["payment.authorized"]["payment"]["entity"]
        assert (entity["id"], entity["notes"]["woocommerce_order_id"]) == (payment_id, "117")
        assert by_event["refund.created"]["refund"]["entity"]["notes"]["refund_from_website"] == "1"
        return True

    await eventually(noticed, timeout=60, what="both webhooks")
    await asyncio.to_thread(shop.client.delete, f"/v1/webhooks/{endpoint_id}", {})
