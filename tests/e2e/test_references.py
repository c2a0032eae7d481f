"""The merchant's reference and the payer's words wherever a payment is shown: bodies, search, events, webhooks, CSV."""

from __future__ import annotations

import csv
import io
import secrets
from typing import Any

import httpx
import pytest

from tests.support.api import CARD, Api, created, error_of
from tests.support.eventually import eventually
from tests.support.receiver import receiver

WORDS = {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210", "description": "Two tickets"}


async def _paid(api: Api, **fields: Any) -> dict[str, Any]:
    """A decided payment with these words, of an order with a receipt and notes of its own."""
    order = await api.order(700, receipt=f"invoice-{secrets.token_hex(6)}", notes={"cart": "42"})
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi", **fields}
    payment = created(await api.post("/payments", body))
    return await api.decided(f"/payments/{payment['id']}")


async def test_a_payment_shows_its_payers_data_and_its_orders_reference(api: Api) -> None:
    payment = await _paid(api, **WORDS | {"contact": "+91 98765-43210", "name": " Asha Rao "})
    assert {name: payment[name] for name in WORDS} == WORDS
    assert (payment["receipt"].startswith("invoice-"), payment["notes"]) == (True, {"cart": "42"})
    (listed,) = (await api.get("/payments", order_id=payment["order_id"])).json()
    assert listed == payment


async def test_a_payments_own_notes_take_the_place_of_its_orders(api: Api) -> None:
    payment = await _paid(api, notes={"seat": 4})
    assert (payment["notes"], payment["name"]) == ({"seat": "4"}, None)


async def test_every_event_of_a_payment_carries_them(api: Api) -> None:
    payment = await _paid(api, **WORDS)
    events = (await api.get("/events", payment_id=payment["id"])).json()["data"]
    assert len(events) >= 3
    for event in events:
        shown = event["data"]["payment"]
        assert {name: shown[name] for name in WORDS} == WORDS
        assert (shown["receipt"], shown["notes"]) == (payment["receipt"], {"cart": "42"})


async def test_a_webhook_carries_them(stranger: Api) -> None:
    async with receiver() as hooks:
        expected = {"url": hooks.url("/words"), "events": ["payment.success"]}
        endpoint = created(await stranger.post("/webhook-endpoints", expected))
        payment = await _paid(stranger, **WORDS)
        await eventually(lambda: hooks.at("/words"), what="the webhook of the payment")
        await stranger.call("DELETE", f"/webhook-endpoints/{endpoint['id']}")
    (sent,) = hooks.at("/words")
    shown = sent.json["data"]["payment"]
    assert (shown["id"], shown["receipt"]) == (payment["id"], payment["receipt"])
    assert {name: shown[name] for name in WORDS} == WORDS


@pytest.mark.parametrize("text", ["{receipt}", "{receipt_begins}", "ASHA-{tag}@EXAM", "asha {tag}", "+91 99{digits}"])
async def test_a_payment_is_found_by_its_payers_data_and_its_reference(stranger: Api, text: str) -> None:
    tag, digits = secrets.token_hex(4), f"{secrets.randbelow(10**8):08}"
    words = {"email": f"asha-{tag}@example.com", "name": f"Asha {tag}", "contact": f"+9199{digits}"}
    payment, _other = await _paid(stranger, **words), await _paid(stranger)
    receipt = payment["receipt"]
    expected = text.format(receipt=receipt, receipt_begins=receipt[:-2], tag=tag, digits=digits)
    found = (await stranger.get("/payments", q=expected)).json()
    assert [one["id"] for one in found] == [payment["id"]]


async def test_nobody_finds_another_merchants_payer(api: Api, stranger: Api) -> None:
    payment = await _paid(api, email=f"{secrets.token_hex(6)}@example.com")
    assert (await stranger.get("/payments", q=payment["email"])).json() == []
    assert [one["id"] for one in (await api.get("/payments", q=payment["email"])).json()] == [payment["id"]]


async def test_a_payer_gives_a_name_but_no_notes(api: Api) -> None:
    order = await api.order(500, notes={"cart": "42"})
    body = {"order_id": order["id"], "method": "card", "card": CARD, **WORDS, "notes": {"cart": "another"}}
    response = await api.public(
        "POST", "/payments/public", json=body, headers={"Idempotency-Key": secrets.token_hex(8)}
    )
    shown = created(response)
    assert response.headers["X-Ignored"] == "notes"
    assert not {"name", "email", "contact", "notes"} & shown.keys()
    assert shown["description"] == "Two tickets"
    read = (await api.public("GET", f"/payments/{shown['id']}/public")).json()
    assert not {"name", "email", "contact", "notes"} & read.keys()
    payment = await api.decided(f"/payments/{shown['id']}")
    assert {name: payment[name] for name in WORDS} == WORDS
    assert payment["notes"] == {"cart": "42"}
    strict = await api.public("POST", "/payments/public", json=body, headers={"Prefer": "handling=strict"})
    assert (strict.status_code, error_of(strict)["field"]) == (400, "notes")


async def test_one_key_is_one_request_whatever_spaces_the_payer_typed(api: Api) -> None:
    order, key = await api.order(500), secrets.token_hex(8)
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi", **WORDS}
    first = created(await api.post("/payments", body, key=key))
    again = await api.post("/payments", body | {"contact": "+91 98765 43210", "email": " asha@example.com "}, key=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json()["id"]) == (201, "true", first["id"])
    other = await api.post("/payments", body | {"email": "ravi@example.com"}, key=key)
    assert other.status_code == 422
    assert "email" in error_of(other)["description"] and "ravi" not in error_of(other)["description"]


@pytest.mark.parametrize("fields", [{"email": "nobody"}, {"contact": "call me"}, {"name": "a\nb"}, {"description": 7}])
async def test_malformed_payer_data_is_refused_before_anything_is_written(api: Api, fields: dict[str, Any]) -> None:
    order = await api.order(500)
    response = await api.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "success@upi", **fields})
    assert (response.status_code, error_of(response)["field"]) == (400, next(iter(fields)))
    assert (await api.get("/payments", order_id=order["id"])).json() == []


def _rows(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200 and response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


async def test_payments_orders_and_refunds_are_files_under_the_filters_of_their_lists(stranger: Api) -> None:
    payment = await _paid(stranger, **WORDS)
    unpaid = await stranger.order(900, receipt="0042")
    expected = {"payment_id": payment["id"], "amount": 300, "receipt": "return-7"}
    refund = created(await stranger.post("/refunds", expected))
    (row,) = _rows(await stranger.get("/payments/export.csv", q=payment["receipt"]))
    assert (row["receipt"], row["name"], row["contact"]) == (payment["receipt"], "Asha Rao", "'+919876543210")
    orders = _rows(await stranger.get("/orders/export.csv", status="CREATED"))
    assert (orders[0]["id"], orders[0]["receipt"], orders[0]["amount_decimal"]) == (unpaid["id"], "'0042", "9.00")
    assert all(one["status"] == "CREATED" for one in orders)
    (row,) = _rows(await stranger.get("/refunds/export.csv", payment_id=payment["id"]))
    assert (row["id"], row["receipt"], row["amount_decimal"]) == (refund["id"], "return-7", "3.00")
    for path in ("/orders/export.csv", "/refunds/export.csv"):
        assert (await stranger.public("GET", path)).status_code == 401
        assert (await stranger.get(path, status="LOST")).status_code == 400
