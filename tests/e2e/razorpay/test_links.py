"""Payment links through the official Python client."""

from __future__ import annotations

import pytest
from razorpay.errors import BadRequestError

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


def test_a_cancelled_link_takes_no_payment_and_is_sent_to_nobody(shop: DoubleShop) -> None:
    link = _link(shop)
    assert shop.client.payment_link.notifyBy(link["id"], "email") == {"success": True}
    cancelled = shop.client.payment_link.cancel(link["id"])
    assert (cancelled["status"], cancelled["cancelled_at"] > 0) == ("cancelled", True)
    with pytest.raises(BadRequestError, match="cancelled"):
        shop.client.payment_link.notifyBy(link["id"], "email")
    with pytest.raises(BadRequestError):
        shop.pay({"id": link["order_id"], "amount": 50_000})


def test_what_the_double_cannot_do_is_refused_with_a_sentence(shop: DoubleShop) -> None:
    with pytest.raises(BadRequestError, match="not part of this test double"):
        _link(shop, accept_partial=True)
    with pytest.raises(BadRequestError, match="does not exist"):
        shop.client.payment_link.fetch("plink_0000000000000000")
