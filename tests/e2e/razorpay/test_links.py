"""Payment links through the official Python client."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from razorpay.errors import BadRequestError, SignatureVerificationError

from tests.e2e.razorpay.shop import DoubleShop, Json


def _link(shop: DoubleShop, **fields: object) -> Json:
    asked = {"amount": 50_000, "currency": "INR", "description": "Tea", "notify": {"email": True}, **fields}
    made: Json = shop.client.payment_link.create(asked)
    return made


def test_a_link_is_created_read_and_listed(shop: DoubleShop) -> None:
    link = _link(shop, reference_id="link-1", customer={"name": "Asha", "email": "asha@example.com"}, notes={"a": "b"})
    assert (link["status"], link["reference_id"], link["notes"]) == ("created", "link-1", {"a": "b"})
    assert link["customer"] == {"name": "Asha", "email": "asha@example.com"}
    assert "/l/" in link["short_url"]
    assert shop.client.payment_link.fetch(link["id"]) == link
    assert link in shop.client.payment_link.all({"reference_id": "link-1"})["payment_links"]


def test_a_link_is_paid_as_its_order(shop: DoubleShop) -> None:
    link = _link(shop)
    payment = shop.payment(shop.pay({"id": link["order_id"], "amount": 50_000}), status="captured")
    paid = shop.client.payment_link.fetch(link["id"])
    assert (paid["status"], paid["amount_paid"]) == ("paid", 50_000)
    assert [one["payment_id"] for one in paid["payments"]] == [payment["id"]]
    assert payment["description"] == "Tea"
    with pytest.raises(BadRequestError, match="already paid"):
        shop.client.payment_link.cancel(link["id"])


def test_a_cancelled_link_accepts_no_payment_and_cannot_be_resent(shop: DoubleShop) -> None:
    link = _link(shop)
    assert shop.client.payment_link.notifyBy(link["id"], "email") == {"success": True}
    cancelled = shop.client.payment_link.cancel(link["id"])
    assert (cancelled["status"], cancelled["cancelled_at"] > 0) == ("cancelled", True)
    with pytest.raises(BadRequestError, match="cancelled"):
        shop.client.payment_link.notifyBy(link["id"], "email")
    with pytest.raises(BadRequestError):
        shop.pay({"id": link["order_id"], "amount": 50_000})


def test_a_callback_address_gets_the_paid_link_with_a_signature_that_the_official_client_accepts(
    shop: DoubleShop,
) -> None:
    address = "https://shop.example/thanks?cart=7"
    link = _link(shop, reference_id="link-9", callback_url=address, callback_method="get")
    assert (link["callback_url"], link["callback_method"]) == (address, "get")
    assert shop.client.payment_link.fetch(link["id"]) == link
    # The checkout leads the payer here; nobody is called back before the link is paid.
    here = shop.call("GET", f"/api/v1/orders/{link['order_id']}").json()["return_url"]
    assert _led_on(here) == link["short_url"]
    payment = shop.payment(shop.pay({"id": link["order_id"], "amount": 50_000}), status="captured")
    parts = urlsplit(_led_on(here))
    fields = dict(parse_qsl(parts.query))
    assert (parts.netloc, parts.path, fields.pop("cart")) == ("shop.example", "/thanks", "7")
    assert fields["razorpay_payment_id"] == payment["id"]
    proof = {name.removeprefix("razorpay_"): value for name, value in fields.items() if "_link_" in name}
    named = {name: fields[name] for name in ("razorpay_payment_id", "razorpay_signature")}
    assert proof == {
        "payment_link_id": link["id"], "payment_link_reference_id": "link-9", "payment_link_status": "paid",
    }  # fmt: skip
    assert shop.client.utility.verify_payment_link_signature({**proof, **named})
    with pytest.raises(SignatureVerificationError):
        shop.client.utility.verify_payment_link_signature({**proof, **named, "payment_link_status": "cancelled"})


def _led_on(url: str) -> str:
    """Where a payer is led from here."""
    answer = requests.get(url, params={"status": "SUCCESS"}, allow_redirects=False, timeout=40)
    assert (answer.status_code, answer.headers["X-Test-Double"]) == (303, "payment-gateway")
    return answer.headers["Location"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"callback_url": "javascript:alert(1)"}, "whole http or https address"),
        ({"callback_url": "http://shop.example/"}, "callback_url must be an https address"),
        ({"callback_url": "https://shop.example/", "callback_method": "post"}, "callback_method"),
        ({"callback_method": "get"}, "The callback_url is required"),
    ],
)
def test_a_callback_that_leads_nowhere_is_refused(shop: DoubleShop, fields: Json, text: str) -> None:
    with pytest.raises(BadRequestError, match=text):
        _link(shop, **fields)


def test_an_unknown_link_leads_nowhere(shop: DoubleShop) -> None:
    link = _link(shop)
    for name in (link["id"], "plink_0000000000000000", "x"):
        shop.error(shop.call("GET", f"/v1/checkout/public/links/{name}", auth=None))


def test_what_the_double_cannot_do_is_refused_with_a_sentence(shop: DoubleShop) -> None:
    with pytest.raises(BadRequestError, match="not part of this test double"):
        _link(shop, accept_partial=True)
    with pytest.raises(BadRequestError, match="does not exist"):
        shop.client.payment_link.fetch("plink_0000000000000000")
