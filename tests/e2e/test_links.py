"""Payment links over HTTP: created, found, paid, cancelled, resent, and all notifications."""

from __future__ import annotations

import secrets
from typing import Any

from ops.audit.verify.audit import audit, second_process
from tests.support.api import Api, created, error_of, taken
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.stack import Stack

CUSTOMER = {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210"}


async def _link(api: Api, **fields: Any) -> dict[str, Any]:
    body = {"amount": 700, "description": "Two tickets", "customer": CUSTOMER, **fields}
    return created(await api.post("/payment-links", body))


async def test_a_link_is_an_order_with_an_address(api: Api) -> None:
    link = await _link(api, reference="invoice-42", notes={"cart": "42"})
    assert link["id"] == f"plink_{link['order_id'].removeprefix('order_')}"
    assert link["url"].endswith(f"/l/{link['id'].removeprefix('plink_')}")
    assert (link["status"], link["customer"], link["reference"]) == ("CREATED", CUSTOMER, "invoice-42")
    assert (await api.get(f"/payment-links/{link['id']}")).json() == link
    order = (await api.get(f"/orders/{link['order_id']}")).json()
    assert (order["receipt"], order["amount"], order["payment_link"]["id"]) == ("invoice-42", 700, link["id"])
    public = (await api.public("GET", f"/orders/{link['order_id']}/public")).json()
    assert public["description"] == "Two tickets"
    assert "asha" not in str(public).lower()


async def test_a_link_is_paid_as_its_order_and_its_merchant_is_notified(stranger: Api) -> None:
    async with receiver() as hooks:
        expected = {"url": hooks.url("/links"), "events": ["payment_link.paid", "payment_link.resent"]}
        endpoint = created(await stranger.post("/webhook-endpoints", expected))
        link = await _link(stranger)
        sent = (await stranger.post(f"/payment-links/{link['id']}/resend")).json()
        assert (sent["resent"], sent["status"]) == (1, "CREATED")
        body = {"order_id": link["order_id"], "method": "upi", "vpa": "success@upi", "name": "Ravi"}
        payment = created(await stranger.public("POST", "/payments/public", json=body))
        await eventually(lambda: len(hooks.at("/links")) >= 2, what="the webhooks of the link", timeout=20)
        await stranger.call("DELETE", f"/webhook-endpoints/{endpoint['id']}")
    received = {one.json["event"]: one.json["data"]["payment_link"] for one in hooks.at("/links")}
    assert received["payment_link.resent"]["url"] == link["url"]
    assert (received["payment_link.paid"]["status"], received["payment_link.paid"]["customer"]) == ("PAID", CUSTOMER)
    paid = (await stranger.get(f"/payment-links/{link['id']}")).json()
    assert (paid["status"], paid["amount_paid"]) == ("PAID", 700)
    shown = (await stranger.get(f"/payments/{payment['id']}")).json()
    assert (shown["name"], shown["email"], shown["description"]) == ("Ravi", CUSTOMER["email"], "Two tickets")
    for what in ("cancel", "resend"):
        refused = await stranger.post(f"/payment-links/{link['id']}/{what}")
        assert (refused.status_code, error_of(refused)["description"]) == (400, "Order already paid")


async def test_a_cancelled_link_takes_no_money_and_is_not_sent_again(api: Api) -> None:
    link = await _link(api)
    cancelled = (await api.post(f"/payment-links/{link['id']}/cancel")).json()
    assert (cancelled["id"], cancelled["status"]) == (link["id"], "CANCELLED")
    assert (await api.post(f"/payment-links/{link['id']}/cancel")).json()["status"] == "CANCELLED"
    body = {"order_id": link["order_id"], "method": "upi", "vpa": "success@upi"}
    for response in (await api.post("/payments", body), await api.post(f"/payment-links/{link['id']}/resend")):
        assert (response.status_code, error_of(response)["description"]) == (400, "Order is not payable")
    assert (await api.public("GET", f"/orders/{link['order_id']}/public")).json()["status"] == "CANCELLED"


async def test_links_are_listed_without_other_orders(stranger: Api) -> None:
    reference = f"r-{secrets.token_hex(6)}"
    first, second = await _link(stranger, reference=reference), await _link(stranger)
    await stranger.order(900, receipt=reference)
    page = (await stranger.get("/payment-links", limit=1)).json()
    assert (page["data"], page["has_more"]) == ([second], True)
    page = (await stranger.get("/payment-links", limit=1, cursor=page["next_cursor"])).json()
    assert page["data"] == [first]
    for params in ({"reference": reference}, {"q": reference[:-1]}, {"q": first["id"]}):
        found = (await stranger.get("/payment-links", **params)).json()["data"]
        assert [one["id"] for one in found] == [first["id"]]
    assert (await stranger.get("/payment-links", status="PAID", reference=reference)).json()["data"] == []


async def test_one_key_makes_one_link(api: Api) -> None:
    key, body = secrets.token_hex(8), {"amount": 500, "customer": CUSTOMER}
    first = await api.post("/payment-links", body, key=key)
    again = await api.post("/payment-links", body | {"customer": CUSTOMER | {"name": " Asha Rao"}}, key=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    other = await api.post("/payment-links", body | {"customer": CUSTOMER | {"name": "Ravi"}}, key=key)
    assert (other.status_code, "customer.name" in error_of(other)["description"]) == (422, True)


async def test_an_unknown_link_or_another_merchants_is_not_found(api: Api, stranger: Api) -> None:
    link, order = await _link(api), await api.order(500)
    unknown = ("plink_0000000000000000", "nonsense", f"plink_{order['id'].removeprefix('order_')}")
    for link_id, who in (*((one, api) for one in unknown), (link["id"], stranger)):
        for response in (
            await who.get(f"/payment-links/{link_id}"),
            await who.post(f"/payment-links/{link_id}/cancel"),
            await who.post(f"/payment-links/{link_id}/resend"),
        ):
            assert (response.status_code, error_of(response)["description"]) == (404, "Payment link not found")


async def test_a_paid_and_delivered_link_matches_its_history(stranger: Api, stack: Stack) -> None:
    """`gateway verify` folds links and their deliveries: a real one of each, and nothing differs."""
    async with receiver() as hooks:
        expected = {"url": hooks.url("/verified"), "events": ["payment_link.paid"]}
        endpoint = created(await stranger.post("/webhook-endpoints", expected))
        link = await _link(stranger)
        body = {"order_id": link["order_id"], "method": "upi", "vpa": "success@upi"}
        taken(await stranger.public("POST", "/payments/public", json=body))

        async def delivered() -> list[dict[str, Any]]:
            logs = (await stranger.get("/webhooks", status="success")).json()["data"]
            return [one for one in logs if one["endpoint_id"] == endpoint["id"]]

        (log,) = await eventually(delivered, what="the delivery of payment_link.paid", timeout=40)
        await stranger.call("DELETE", f"/webhook-endpoints/{endpoint['id']}")
    (received,) = hooks.at("/verified")
    assert (log["event"], received.json["event"], received.event_id) == (*["payment_link.paid"] * 2, log["event_id"])
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
