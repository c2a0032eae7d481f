"""The official Python client, call by call: what it gets from the double, or the exception it raises."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from razorpay.errors import BadRequestError

from api.app import create_app
from api.razorpay.errors import FULLY_REFUNDED, REFUND_TOO_LARGE
from runtime.secrets import Sealed, unseal
from tests.e2e.razorpay.shop import CARD, DoubleShop, Json
from tests.support.api import signed_up
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.live_api import live_api
from tests.support.stack import Stack

ORDER_KEYS = {
    "id", "entity", "amount", "amount_paid", "amount_due", "currency", "receipt", "offer_id", "status", "attempts",
    "notes", "created_at",
}  # fmt: skip
PAYMENT_KEYS = {
    "id", "entity", "amount", "currency", "status", "order_id", "invoice_id", "international", "method",
    "amount_refunded", "refund_status", "captured", "description", "card_id", "bank", "wallet", "vpa", "email",
    "contact", "notes", "fee", "tax", "error_code", "error_description", "error_source", "error_step",
    "error_reason", "acquirer_data", "created_at",
}  # fmt: skip
REFUND_KEYS = {
    "id", "entity", "amount", "currency", "payment_id", "notes", "receipt", "acquirer_data", "created_at", "batch_id",
    "status", "speed_processed", "speed_requested",
}  # fmt: skip
CARD_KEYS = {"id", "entity", "name", "last4", "network", "type", "issuer", "international", "emi", "sub_type"}
CUSTOMER_KEYS = {"id", "entity", "name", "email", "contact", "gstin", "notes", "created_at"}
WAITS_FOR_ITS_PAYER = "4000000000003220"
"""A card that needs a password, which nobody enters."""
COLLECTION_KEYS = {"entity", "count", "items"}


@dataclass(frozen=True, slots=True)
class Made:
    """What the calls of the table are about: one of each."""

    order: Json
    authorized: Json
    captured: Json
    card: Json
    refund: Json
    customer: Json
    failed: Json
    late: Json
    """An order with a payment that the bank has not answered, shown as failed: it is to be authorized late."""


@pytest.fixture(scope="module")
def made(shop: DoubleShop) -> Made:
    captured = shop.captured()
    card = shop.captured(method="card", card=CARD)
    failed = shop.payment(shop.pay(shop.order(), vpa="failure@razorpay"), status="failed")
    late = shop.order(late_authorization=True)
    shop.pay(late, method="card", card={**CARD, "number": WAITS_FOR_ITS_PAYER})
    return Made(
        order=shop.order(receipt="made", notes={"a": "b"}),
        authorized=shop.authorized(),
        captured=captured,
        card=card,
        refund=shop.client.payment.refund(captured["id"], {"amount": 1_000}),
        customer=shop.client.customer.create({"name": "A", "email": f"{secrets.token_hex(4)}@example.com"}),
        failed=failed,
        late=late,
    )


Call = Callable[[Any, Made], Any]
ANSWERED: list[tuple[str, Call, set[str]]] = [
    ("order.create", lambda c, _: c.order.create({"amount": 500, "currency": "INR"}), ORDER_KEYS),
    ("order.create, no arguments but an amount", lambda c, _: c.order.create(data={"amount": "500"}), ORDER_KEYS),
    ("order.fetch", lambda c, m: c.order.fetch(m.order["id"]), ORDER_KEYS),
    ("order.edit", lambda c, m: c.order.edit(m.order["id"], {"notes": {"x": "y"}}), ORDER_KEYS),
    ("order.all", lambda c, _: c.order.all(), COLLECTION_KEYS),
    ("order.all, expanded", lambda c, _: c.order.all({"expand[]": "payments"}), COLLECTION_KEYS),
    ("order.payments", lambda c, m: c.order.payments(m.captured["order_id"]), COLLECTION_KEYS),
    ("payment.all", lambda c, _: c.payment.all({"count": 5}), COLLECTION_KEYS),
    ("payment.fetch", lambda c, m: c.payment.fetch(m.captured["id"]), PAYMENT_KEYS),
    ("payment.fetch, expanded", lambda c, m: c.payment.fetch(m.card["id"], {"expand[]": "card"}), PAYMENT_KEYS),
    ("payment.edit", lambda c, m: c.payment.edit(m.captured["id"], {"notes": {"k": "v"}}), PAYMENT_KEYS),
    ("payment.fetchCardDetails", lambda c, m: c.payment.fetchCardDetails(m.card["id"]), CARD_KEYS),
    ("payment.refund", lambda c, m: c.payment.refund(m.captured["id"], {"amount": 100}), REFUND_KEYS),
    ("payment.refund, as version 1 calls it", lambda c, m: c.payment.refund(m.captured["id"], 200), REFUND_KEYS),
    ("payment.fetch_multiple_refund", lambda c, m: c.payment.fetch_multiple_refund(m.captured["id"]), COLLECTION_KEYS),
    (
        "payment.fetch_refund_id",
        lambda c, m: c.payment.fetch_refund_id(m.captured["id"], m.refund["id"]),
        REFUND_KEYS,
    ),
    ("payment.validateVpa", lambda c, _: c.payment.validateVpa({"vpa": "someone@bank"}), {"vpa", "success"}),
    ("refund.create", lambda c, m: c.refund.create({"payment_id": m.captured["id"], "amount": 100}), REFUND_KEYS),
    ("refund.all", lambda c, _: c.refund.all(), COLLECTION_KEYS),
    ("refund.fetch", lambda c, m: c.refund.fetch(m.refund["id"]), REFUND_KEYS),
    ("refund.edit", lambda c, m: c.refund.edit(m.refund["id"], {"notes": {"k": "v"}}), REFUND_KEYS),
    ("customer.create", lambda c, _: c.customer.create({"name": "No address"}), CUSTOMER_KEYS),
    ("customer.fetch", lambda c, m: c.customer.fetch(m.customer["id"]), CUSTOMER_KEYS),
    ("customer.edit", lambda c, m: c.customer.edit(m.customer["id"], {"name": "B"}), CUSTOMER_KEYS),
    ("customer.all", lambda c, _: c.customer.all(), COLLECTION_KEYS),
    ("webhook.all", lambda c, _: c.webhook.all(), COLLECTION_KEYS),
]


@pytest.mark.parametrize(("call", "keys"), [one[1:] for one in ANSWERED], ids=[one[0] for one in ANSWERED])
def test_the_client_gets_what_it_reads(shop: DoubleShop, made: Made, call: Call, keys: set[str]) -> None:
    answer = call(shop.client, made)
    assert keys <= set(answer), keys - set(answer)


UNKNOWN = "The id provided does not exist"
PART = "is not part of this test double"
REFUSED: list[tuple[str, Call, str]] = [
    ("amount missing", lambda c, _: c.order.create({"currency": "INR"}), "The amount field is required."),
    ("amount too small", lambda c, _: c.order.create({"amount": 99}), "The amount must be at least INR 1.00"),
    ("amount not whole", lambda c, _: c.order.create({"amount": 100.5}), "The amount must be an integer."),
    ("unknown currency", lambda c, _: c.order.create({"amount": 500, "currency": "XXX"}), "Currency is not supported"),
    ("long receipt", lambda c, _: c.order.create({"amount": 500, "receipt": "r" * 41}), "greater than 40 characters"),
    ("16 notes", lambda c, _: c.order.create({"amount": 500, "notes": {str(n): "" for n in range(16)}}), "less than"),
    ("unknown field", lambda c, _: c.order.create({"amount": 500, "colour": 1}), "is/are not required"),
    ("partial payment", lambda c, _: c.order.create({"amount": 500, "partial_payment": True}), PART),
    ("transfers", lambda c, _: c.order.create({"amount": 500, "transfers": [{"account": "a"}]}), PART),
    ("unknown order", lambda c, _: c.order.fetch("order_nothing"), UNKNOWN),
    ("unknown payment", lambda c, _: c.payment.fetch("pay_nothing"), UNKNOWN),
    ("unknown refund", lambda c, _: c.refund.fetch("rfnd_nothing"), UNKNOWN),
    ("unknown customer", lambda c, _: c.customer.fetch("cust_nothing"), UNKNOWN),
    ("refund of an unknown payment", lambda c, _: c.payment.refund("pay_nothing", {}), UNKNOWN),
    ("capture twice", lambda c, m: c.payment.capture(m.captured["id"], 50_000), "payment has already been captured"),
    ("capture in another currency", lambda c, m: _capture(c, m.authorized, currency="USD"), "currency should match"),
    ("capture of a failed payment", lambda c, m: _capture(c, m.failed), "authorized and not yet captured"),
    ("capture of another amount", lambda c, m: c.payment.capture(m.authorized["id"], 1), "must be equal to the amount"),
    ("refund before capture", lambda c, m: c.payment.refund(m.authorized["id"], {}), "should be captured"),
    ("refund of too much", lambda c, m: c.payment.refund(m.card["id"], {"amount": 50_001}), "greater than amount"),
    ("refund of too little", lambda c, m: c.payment.refund(m.card["id"], {"amount": 99}), "at least INR 1.00"),
    ("no card", lambda c, m: c.payment.fetchCardDetails(m.captured["id"]), "Payment was not done using card"),
    ("pay a paid order", lambda c, m: _pay_again(c, m), "the order is already paid"),
    ("pay another amount", lambda c, m: _pay(c, m.order, amount=600), "amount is different from your order amount"),
    ("pay another currency", lambda c, m: _pay(c, m.order, currency="USD"), "currency is different from your order"),
    ("pay with a bad address", lambda c, m: _pay(c, m.order, vpa="nobody"), "Invalid VPA"),
    ("pay with a wrong number", lambda c, m: _pay_by_card(c, m, number="4100280000001008"), "number or CVV"),
    ("pay with an old card", lambda c, m: _pay_by_card(c, m, expiry_year="20"), "card has expired"),
    ("pay with a token", lambda c, m: _pay(c, m.order, token="token_1"), PART),
    ("pay beside an open payment", lambda c, m: _pay(c, m.late), "still being processed"),
    ("pay an unknown order", lambda c, _: _pay(c, {"id": "order_nothing", "amount": 500}), UNKNOWN),
    ("bad address", lambda c, _: c.payment.validateVpa({"vpa": "nobody"}), "Invalid VPA"),
    ("too many", lambda c, _: c.payment.all({"count": 101}), "may not be greater than 100"),
    ("unknown filter", lambda c, _: c.payment.all({"colour": "red"}), "is/are not required"),
    ("times in the wrong order", lambda c, _: c.order.all({"from": 1_700_000_001, "to": 1_700_000_000}), "from must"),
    ("unknown webhook events", lambda c, _: c.webhook.create({"url": "http://a.example", "events": ["x"]}), "at least"),
    (
        "events as a text",
        lambda c, _: c.webhook.create({"url": "http://a.example", "events": "x"}),
        "a list of names or",
    ),
    ("a customer of nobody", lambda c, _: c.order.create({"amount": 500, "customer_id": "cust_nothing"}), UNKNOWN),
    ("pay for a customer of nobody", lambda c, m: _pay(c, m.order, customer_id="cust_nothing"), UNKNOWN),
    ("downtimes", lambda c, _: c.payment.fetchDownTime(), PART),
    ("virtual accounts", lambda c, _: c.virtual_account.all(), PART),
    ("subscriptions", lambda c, _: c.subscription.all(), PART),
    ("payment links in parts", lambda c, _: c.payment_link.create({"amount": 500, "accept_partial": True}), PART),
    ("settlements", lambda c, _: c.settlement.all(), PART),
    ("another verb", lambda c, _: c.delete("/v1/orders", {}), PART),
    ("version 2", lambda c, _: c.webhook.all(account_id="acc_1"), PART),
]


def _capture(client: Any, payment: Json, *, currency: str = "INR") -> Any:
    return client.payment.capture(payment["id"], payment["amount"], {"currency": currency})


def _pay(client: Any, order: Json, **fields: Any) -> Any:
    body = {"amount": order["amount"], "currency": "INR", "order_id": order["id"], "method": "upi"}
    return client.payment.createUpi({**body, "vpa": "success@razorpay", **fields})


def _pay_by_card(client: Any, made: Made, **fields: str) -> Any:
    card = {**CARD, **fields}
    body = {"amount": made.order["amount"], "order_id": made.order["id"], "method": "card", "card": card}
    return client.payment.createPaymentJson(body)


def _pay_again(client: Any, made: Made) -> Any:
    body = {"amount": 50_000, "order_id": made.captured["order_id"], "method": "upi", "vpa": "success@razorpay"}
    return client.payment.createUpi(body)


@pytest.mark.parametrize(("call", "text"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_the_client_raises_its_bad_request_error(shop: DoubleShop, made: Made, call: Call, text: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        call(shop.client, made)
    assert text in str(refusal.value)


def test_a_new_order_captures_its_payment_by_itself(shop: DoubleShop) -> None:
    order = shop.order(receipt="r-1", notes={"cart": "7"})
    assert (order["status"], order["amount_paid"], order["amount_due"], order["attempts"]) == ("created", 0, 50_000, 0)
    payment = shop.payment(shop.pay(order), status="captured")
    paid = shop.client.order.fetch(order["id"])
    assert (paid["status"], paid["amount_paid"], paid["amount_due"], paid["attempts"]) == ("paid", 50_000, 0, 1)
    assert (payment["captured"], payment["fee"], payment["tax"]) == (True, 1_180, 180)
    assert payment["notes"] == {"cart": "7"}
    assert [one["id"] for one in shop.client.order.payments(order["id"])["items"]] == [payment["id"]]


@pytest.mark.parametrize("flag", [0, "0", False])
def test_a_payment_waits_for_its_capture_if_the_order_requests_it(shop: DoubleShop, flag: Any) -> None:
    order = shop.order(payment_capture=flag)
    payment = shop.payment(shop.pay(order), status="authorized")
    assert (payment["captured"], payment["fee"]) == (False, None)
    assert shop.client.order.fetch(order["id"])["status"] == "attempted"
    captured = shop.client.payment.capture(payment["id"], 50_000, {"currency": "INR"})
    assert (captured["status"], captured["captured"]) == ("captured", True)
    assert shop.client.order.fetch(order["id"])["status"] == "paid"


def test_a_capture_takes_the_amount_that_it_names_or_nothing(shop: DoubleShop) -> None:
    payment = shop.authorized()
    refund = shop.call("POST", f"/api/v1/payments/{payment['id']}/refunds", json={"amount": 20_000})
    assert refund.status_code == 201, refund.text
    with pytest.raises(BadRequestError, match="Capture amount must be equal to the amount authorized"):
        shop.client.payment.capture(payment["id"], 50_000, {"currency": "INR"})
    assert shop.client.payment.fetch(payment["id"])["captured"] is False


@pytest.mark.parametrize(
    ("capture", "options", "ignored", "own"),
    [
        ("manual", {"manual_expiry_period": 7_200}, "", ("manual", 7_200)),
        ("manual", {"automatic_expiry_period": 12}, "automatic_expiry_period", ("manual", None)),
        ("manual", {"refund_speed": "normal"}, "refund_speed", ("manual", None)),
        ("automatic", {"manual_expiry_period": 7_200}, "manual_expiry_period", ("automatic", None)),
        ("automatic", {"automatic_expiry_period": 12, "manual_expiry_period": 20}, "", ("manual", 20)),
    ],
)
def test_capture_options_become_the_orders_own_terms_and_what_has_no_effect_is_named(
    shop: DoubleShop, capture: str, options: Json, ignored: str, own: tuple[str, int | None]
) -> None:
    body = {"amount": 500, "currency": "INR", "payment": {"capture": capture, "capture_options": options}}
    answer = shop.call("POST", "/v1/orders", json=body)
    assert answer.headers.get("X-Test-Double-Ignored", "").removeprefix("payment.capture_options.") == ignored
    order = shop.call("GET", f"/api/v1/orders/{answer.json()['id']}").json()
    assert (order["capture"], order["capture_within_minutes"]) == own


def test_a_success_within_the_automatic_period_is_captured_by_itself(shop: DoubleShop) -> None:
    order = shop.order(payment={"capture": "automatic", "capture_options": {"automatic_expiry_period": 12}})
    assert shop.payment(shop.pay(order), status="captured")["captured"] is True


def test_a_failed_payment_shows_the_reason_and_the_order_can_be_paid_again(shop: DoubleShop) -> None:
    order = shop.order()
    failed = shop.payment(shop.pay(order, vpa="failure@razorpay"), status="failed")
    assert failed["error_code"] == "BAD_REQUEST_ERROR"
    assert (failed["error_source"], failed["error_reason"]) == ("customer", "payment_failed")
    assert shop.client.order.fetch(order["id"])["status"] == "attempted"
    shop.payment(shop.pay(order), status="captured")
    assert shop.client.order.fetch(order["id"])["attempts"] == 2


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        ("4100280000090000", "BAD_REQUEST_ERROR", "payment_timed_out"),
        ("5305620000050001", "BAD_REQUEST_ERROR", "insufficient_fund"),
        ("4100280000070002", "BAD_REQUEST_ERROR", "payment_cancelled"),
        ("5305620000010005", "BAD_REQUEST_ERROR", "card_declined"),
        ("4100280000030006", "BAD_REQUEST_ERROR", "card_disabled_for_online_payments"),
        ("4100280000010008", "BAD_REQUEST_ERROR", "card_number_invalid"),
        ("5305620000090007", "GATEWAY_ERROR", "gateway_technical_error"),
        ("4100280000000009", "GATEWAY_ERROR", "authentication_failed"),
    ],
)
def test_the_documented_error_cards_fail_with_their_reasons(
    shop: DoubleShop, number: str, code: str, reason: str
) -> None:
    payment_id = shop.pay(shop.order(), method="card", card={**CARD, "number": number})
    failed = shop.payment(payment_id, status="failed")
    assert (failed["error_code"], failed["error_reason"]) == (code, reason)


def test_a_payment_that_is_authorized_late_is_still_captured_automatically(shop: DoubleShop) -> None:
    payment_id = shop.pay(shop.order(late_authorization=True), vpa="unknown@upi")
    assert shop.payment(payment_id, status="captured")["error_reason"] is None


def test_a_card_payment_shows_its_card_on_request(shop: DoubleShop, made: Made) -> None:
    assert "card" not in shop.client.payment.fetch(made.card["id"])
    card = shop.client.payment.fetch(made.card["id"], {"expand[]": "card"})["card"]
    assert (card["last4"], card["network"], card["name"]) == ("1007", "Visa", "A Payer")
    assert card == shop.client.payment.fetchCardDetails(made.card["id"])
    assert made.card["card_id"] == card["id"]


def test_the_payers_data_stays_with_the_payment(shop: DoubleShop) -> None:
    said = {"email": "payer@example.com", "contact": "+919876543210", "description": "S00042"}
    payment = shop.authorized(**said, notes={"own": "note"})
    assert {name: payment[name] for name in said} == said
    assert payment["notes"] == {"own": "note"}


def test_notes_may_hold_more_than_texts_and_empty_ones_are_a_list(shop: DoubleShop) -> None:
    assert shop.order(notes={"number": 7, "flag": True, "text": "x"})["notes"] == {
        "number": 7, "flag": True, "text": "x",
    }  # fmt: skip
    order = shop.order(notes={"number": 7})
    assert shop.client.order.fetch(order["id"])["notes"] == {"number": 7}
    assert shop.order(notes=[])["notes"] == shop.order()["notes"] == []
    assert shop.client.order.edit(order["id"], {"notes": {"new": "note"}})["notes"] == {"new": "note"}


def test_refunds_add_up_and_the_rest_needs_no_amount(shop: DoubleShop) -> None:
    payment = shop.captured()
    first = shop.client.payment.refund(payment["id"], {"amount": 20_000, "receipt": "r", "notes": {"why": "late"}})
    assert (first["amount"], first["receipt"], first["notes"], first["speed_requested"]) == (
        20_000, "r", {"why": "late"}, "normal",
    )  # fmt: skip
    found = shop.client.payment.fetch(payment["id"])
    assert (found["status"], found["amount_refunded"], found["refund_status"]) == ("captured", 20_000, "partial")
    assert shop.client.payment.refund(payment["id"], {})["amount"] == 30_000
    found = shop.client.payment.fetch(payment["id"])
    assert (found["status"], found["amount_refunded"], found["refund_status"]) == ("refunded", 50_000, "full")
    with pytest.raises(BadRequestError, match="The payment has been fully refunded already"):
        shop.client.payment.refund(payment["id"], {})
    refunds = shop.client.payment.fetch_multiple_refund(payment["id"])
    assert sorted(one["amount"] for one in refunds["items"]) == [20_000, 30_000]
    assert shop.client.order.fetch(payment["order_id"])["status"] == "paid"


@pytest.mark.parametrize("body", [b"2500", b'"2500"'])
def test_a_refund_whose_body_is_nothing_but_a_number_is_of_that_amount(shop: DoubleShop, body: bytes) -> None:
    payment = shop.captured()
    path = f"/v1/payments/{payment['id']}/refund"
    answer = shop.call("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert answer.json()["amount"] == 2_500
    assert shop.client.payment.refund(payment["id"], 1_500)["amount"] == 1_500
    assert shop.client.payment.fetch(payment["id"])["amount_refunded"] == 4_000


def test_a_payment_is_made_by_card_or_upi_over_either_route(shop: DoubleShop) -> None:
    for name in ("json", "upi"):
        order = shop.order()
        body = {"amount": order["amount"], "currency": "INR", "order_id": order["id"], "method": "card", "card": CARD}
        made = shop.call("POST", f"/v1/payments/create/{name}", json=body)
        assert made.status_code == 200
        assert made.json()["razorpay_order_id"] == order["id"]
        assert shop.payment(made.json()["razorpay_payment_id"], status="captured")["method"] == "card"


@pytest.mark.parametrize("name", ["expand[]", "expand[0]", "expand[expand]"])
def test_an_expansion_is_read_in_every_spelling_that_clients_send(shop: DoubleShop, made: Made, name: str) -> None:
    found = shop.call("GET", f"/v1/payments/{made.card['id']}", params={name: "card"}).json()
    assert found["card"]["last4"] == "1007"
    listed = shop.call("GET", "/v1/orders", params={name: "payments"}).json()["items"]
    assert all(order["payments"]["entity"] == "collection" for order in listed)


@pytest.mark.parametrize("flag", [1, "1", True, "true", 0, "0", False, "false"])
def test_automatic_capture_is_read_in_every_spelling_of_json_and_of_forms(shop: DoubleShop, flag: Any) -> None:
    wanted = "manual" if flag in (0, "0", False, "false") else "automatic"
    body = {"amount": "500", "currency": "INR", "payment_capture": flag}
    forms = {**body, "payment_capture": str(flag)}
    for more in ({"json": body}, {"data": forms}):
        order = shop.call("POST", "/v1/orders/", **more).json()
        assert shop.call("GET", f"/api/v1/orders/{order['id']}").json()["capture"] == wanted
    nested = {"amount": "500", "payment[capture]": wanted, "payment[capture_options][refund_speed]": "normal"}
    order = shop.call("POST", "/v1/orders", data=nested).json()
    assert shop.call("GET", f"/api/v1/orders/{order['id']}").json()["capture"] == wanted


def test_the_same_refund_key_refunds_once_and_another_request_with_it_is_refused(shop: DoubleShop) -> None:
    payment = shop.captured()
    headers = {"X-Refund-Idempotency": secrets.token_hex(8)}
    path = f"/v1/payments/{payment['id']}/refund"
    first = shop.call("POST", path, json={"amount": 1_000}, headers=headers).json()
    assert shop.call("POST", path, json={"amount": 1_000}, headers=headers).json()["id"] == first["id"]
    refusal = shop.error(shop.call("POST", path, json={"amount": 2_000}, headers=headers))
    assert refusal["description"] == "Different request with the same idempotency key has already been processed."
    assert shop.client.payment.fetch(payment["id"])["amount_refunded"] == 1_000


def test_a_repeated_refund_of_everything_returns_the_first(shop: DoubleShop) -> None:
    payment = shop.captured()
    headers = {"X-Refund-Idempotency": secrets.token_hex(8)}
    answers = [shop.call("POST", f"/v1/payments/{payment['id']}/refund", headers=headers).json() for _ in range(3)]
    assert {one["id"] for one in answers} == {answers[0]["id"]}
    assert shop.client.payment.fetch(payment["id"])["amount_refunded"] == 50_000


@pytest.mark.parametrize("key", ["short", "not a key at all"])
def test_a_malformed_refund_key_is_refused(shop: DoubleShop, made: Made, key: str) -> None:
    path = f"/v1/payments/{made.captured['id']}/refund"
    error = shop.error(shop.call("POST", path, json={"amount": 100}, headers={"X-Refund-Idempotency": key}))
    assert "The idempotency key must" in error["description"]


async def test_threads_that_race_for_captures_and_refunds_never_move_too_much(shop: DoubleShop, stack: Stack) -> None:
    await asyncio.to_thread(_race, shop)
    verified = await gateway(stack, "verify")
    assert verified.code == 0, verified


def _race(shop: DoubleShop) -> None:
    payment = shop.authorized()

    def attempt(act: Callable[[], Json]) -> Json | str:
        try:
            return act()
        except BadRequestError as error:
            return str(error)

    with ThreadPoolExecutor(20) as threads:
        captures = list(threads.map(attempt, [lambda: shop.client.payment.capture(payment["id"], 50_000)] * 20))
        assert sum(isinstance(one, dict) for one in captures) == 1
        assert {one for one in captures if isinstance(one, str)} == {"This payment has already been captured"}
        refunds = list(
            threads.map(attempt, [lambda: shop.client.payment.refund(payment["id"], {"amount": 10_000})] * 20)
        )
    assert sum(one["amount"] for one in refunds if isinstance(one, dict)) == 50_000
    assert {one for one in refunds if isinstance(one, str)} <= {FULLY_REFUNDED, REFUND_TOO_LARGE}
    assert shop.client.payment.fetch(payment["id"])["amount_refunded"] == 50_000


def test_lists_are_paged_by_count_and_skip_newest_first(other_shop: DoubleShop) -> None:
    orders = [other_shop.order(receipt=f"r-{number}") for number in range(5)]
    listed = [one["id"] for one in other_shop.client.order.all({"count": 2, "skip": 1})["items"]]
    assert listed == [orders[3]["id"], orders[2]["id"]]
    assert [one["id"] for one in other_shop.client.order.all({"receipt": "r-2"})["items"]] == [orders[2]["id"]]
    at = orders[0]["created_at"]
    assert other_shop.client.order.all({"from": at, "to": at + 60})["count"] == 5
    assert other_shop.client.order.all({"to": at - 1})["count"] == 0


def test_orders_are_found_by_whether_a_payment_waits_for_capture(other_shop: DoubleShop) -> None:
    payment = other_shop.authorized()
    waiting = other_shop.client.order.all({"authorized": 1})["items"]
    assert [one["id"] for one in waiting] == [payment["order_id"]]
    assert payment["order_id"] not in [one["id"] for one in other_shop.client.order.all({"authorized": 0})["items"]]


def test_another_merchants_objects_do_not_exist(other_shop: DoubleShop, made: Made) -> None:
    calls = (
        lambda: other_shop.client.order.fetch(made.order["id"]),
        lambda: other_shop.client.order.edit(made.order["id"], {"notes": {"a": "b"}}),
        lambda: other_shop.client.order.payments(made.captured["order_id"]),
        lambda: other_shop.client.payment.fetch(made.captured["id"]),
        lambda: other_shop.client.payment.edit(made.captured["id"], {"notes": {"a": "b"}}),
        lambda: other_shop.client.payment.capture(made.authorized["id"], 50_000),
        lambda: other_shop.client.payment.refund(made.captured["id"], {"amount": 100}),
        lambda: other_shop.client.payment.fetch_multiple_refund(made.captured["id"]),
        lambda: other_shop.client.refund.fetch(made.refund["id"]),
        lambda: other_shop.client.customer.fetch(made.customer["id"]),
        lambda: other_shop.client.customer.edit(made.customer["id"], {"name": "Mine"}),
    )
    for call in calls:
        with pytest.raises(BadRequestError, match=UNKNOWN):
            call()


def test_an_existing_customer_is_refused_or_returned_as_requested(shop: DoubleShop) -> None:
    said = {"name": "A", "email": f"{secrets.token_hex(4)}@example.com", "contact": "9876543210"}
    first = shop.client.customer.create(said)
    with pytest.raises(BadRequestError, match="Customer already exists"):
        shop.client.customer.create(said)
    assert shop.client.customer.create({**said, "fail_existing": "0"})["id"] == first["id"]


@pytest.mark.parametrize(
    "auth", [None, ("", ""), ("key_test_abc123", "wrong"), ("rzp_live_abc", "secret"), ("unknown", "secret")]
)
def test_wrong_credentials_are_401_in_the_doubles_shape(shop: DoubleShop, auth: Any) -> None:
    assert shop.error(shop.call("GET", "/v1/orders", auth=auth), 401)["code"] == "BAD_REQUEST_ERROR"


def test_a_bearer_token_is_refused_with_a_sentence(shop: DoubleShop) -> None:
    answer = shop.call("GET", "/v1/orders", auth=None, headers={"Authorization": "Bearer token"})
    assert "OAuth is not part of this test double" in shop.error(answer, 401)["description"]


def test_every_response_names_the_double(shop: DoubleShop, made: Made) -> None:
    for path in ("/v1/orders", "/v1/orders/", f"/v1/payments/{made.captured['id']}/", "/v1/preferences", "/v1/methods"):
        answer = shop.call("GET", path)
        assert (answer.status_code, answer.headers["X-Test-Double"]) == (200, "payment-gateway"), path
    for path in ("/v1", "/v1/", "/v1/nothing", "/v2/accounts/a", "/v1/orders/%00"):
        answer = shop.call("GET", path)
        assert (answer.status_code, answer.headers["X-Test-Double"]) == (400, "payment-gateway"), path


def test_a_base_url_with_a_slash_at_its_end_is_the_same(shop: DoubleShop) -> None:
    """The clients put path behind base URL as they are."""
    assert shop.call("GET", "//v1/orders").json()["entity"] == "collection"


def test_under_the_originals_name_there_is_nothing_but_the_double(shop: DoubleShop) -> None:
    for path in ("/", "/health", "/V1/orders", "/api/v1/orders", "/docs"):
        answer = shop.call("GET", path, headers={"Host": "api.razorpay.com"})
        assert PART in shop.error(answer)["description"], path
    assert shop.call("GET", "/health").json()["status"]


def test_the_seeded_pair_runs_the_first_lines_of_anybodys_tutorial(stack: Stack) -> None:
    import razorpay  # noqa: PLC0415 (the tutorial's first line)

    client = razorpay.Client(auth=("key_test_abc123", "secret_test_xyz789"), base_url=stack.api_url)
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "order_rcptid_11"})
    assert client.order.fetch(order["id"])["status"] == "created"


async def test_the_secret_of_a_key_that_called_the_double_is_sealed_and_no_other_is_there(
    shop: DoubleShop, stack: Stack
) -> None:
    query = "SELECT secret_sealed, s.key_id FROM razorpay_keys s JOIN api_keys k ON k.id = s.key_id WHERE k.key = $1"
    async with await signed_up(stack) as silent:
        await silent.order()
        connection = await asyncpg.connect(stack.database_url)
        try:
            await asyncio.to_thread(shop.client.order.all)
            kept = await connection.fetchrow(query, shop.key)
            assert await connection.fetchval(query, silent.key) is None
        finally:
            await connection.close()
    assert kept is not None and shop.secret.encode() not in kept["secret_sealed"]
    assert unseal(kept["secret_sealed"], stack.settings.keys, Sealed.API_SECRET, kept["key_id"]) == shop.secret


async def test_outside_test_mode_there_is_no_double(stack: Stack) -> None:
    async with live_api(stack) as client:
        for path in (
            "/v1/orders",
            "/v1/methods",
            "/v1/checkout.js",
            "/v1/checkout/public/links/plink_0000000000000000",
        ):
            answer = await client.get(f"http://api{path}", auth=("key_test_abc123", "secret_test_xyz789"))
            assert (answer.status_code, "X-Test-Double" in answer.headers) == (404, False)


async def test_a_command_that_is_not_decided_in_time_is_an_error_and_still_decided(
    shop: DoubleShop, stack: Stack
) -> None:
    """The original has no answer for what is accepted and not decided yet."""
    payment = await asyncio.to_thread(shop.captured)
    path, headers = f"/v1/payments/{payment['id']}/refund", {"X-Refund-Idempotency": secrets.token_hex(8)}
    hasty = create_app(stack.settings.model_copy(update={"decision_timeout_ms": 3_000, "metrics_port": 0}))
    async with hasty.router.lifespan_context(hasty):
        transport = httpx.ASGITransport(app=hasty)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api", auth=(shop.key, shop.secret), headers=headers
        ) as client:
            await asyncio.to_thread(stack.hold, "payments")
            try:
                answers = [await client.post(path, json={"amount": 1_000}) for _ in range(2)]
            finally:
                await asyncio.to_thread(stack.release, "payments")
    await asyncio.to_thread(stack.wait_until_ready)
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, answer.headers["X-Test-Double"]) == (503, "payment-gateway")
        assert (error["code"], "not decided yet" in error["description"]) == ("SERVER_ERROR", True)

    def refunded() -> bool:
        answer = shop.call("POST", path, json={"amount": 1_000}, headers=headers)
        return bool(answer.status_code == 200 and answer.json()["amount"] == 1_000)

    await eventually(lambda: asyncio.to_thread(refunded), timeout=60, what="the refund")
    assert (await asyncio.to_thread(shop.client.payment.fetch, payment["id"]))["amount_refunded"] == 1_000


def test_a_body_that_is_too_large_is_an_error_in_the_doubles_shape(shop: DoubleShop) -> None:
    answer = shop.call("POST", "/v1/orders", data=b"a" * 70_000)
    assert "must not exceed 65536 bytes" in shop.error(answer, 413)["description"]


JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
BROKEN: list[tuple[str, bytes, str, str]] = [
    (JSON_TYPE, b"{", "", "not valid JSON"),
    (JSON_TYPE, b'"text"', "", "must be an object"),
    (JSON_TYPE, b"[1]", "", "must be an object"),
    (JSON_TYPE, b"\xff", "", "not valid JSON"),
    (JSON_TYPE, b'{"amount": 500,}', "", "not valid JSON"),
    (JSON_TYPE, b"amount=500", "", "not valid JSON"),
    (JSON_TYPE, b'{"amount": 1e400}', "", "not valid JSON"),
    (JSON_TYPE, b"[" * 5_000, "", "not valid JSON"),
    (JSON_TYPE, b'{"amount": true}', "amount", "must be an integer"),
    (JSON_TYPE, b'{"amount": "100.0"}', "amount", "must be an integer"),
    (JSON_TYPE, b'{"amount": 9223372036854775808}', "amount", "may not be greater than"),
    (JSON_TYPE, b'{"amount": 500, "currency": ["INR"]}', "currency", "Currency is not supported"),
    (JSON_TYPE, b'{"amount": 500, "notes": {"a": {"b": "c"}}}', "notes", "must be a text"),
    (FORM_TYPE, b"amount=500&notes[a][b]=c", "notes", "must be a text"),
    (FORM_TYPE, b"amount=500&notes=a&notes[b]=c", "", "given twice"),
    (FORM_TYPE, b'{"amount": 500}', "amount", "is required"),
    (FORM_TYPE, b"", "amount", "is required"),
    ("multipart/form-data; boundary=x", b"--x--", "", "multipart/form-data"),
    ("text/xml", b"<amount/>", "", "not valid JSON"),
]


@pytest.mark.parametrize(("kind", "body", "field", "text"), BROKEN)
def test_a_broken_body_is_an_error_with_a_sentence(
    shop: DoubleShop, kind: str, body: bytes, field: str, text: str
) -> None:
    error = shop.error(shop.call("POST", "/v1/orders", data=body, headers={"Content-Type": kind}))
    assert (error["code"], error.get("field", "")) == ("BAD_REQUEST_ERROR", field)
    assert text in error["description"]


@pytest.mark.parametrize("kind", ["orders", "payments", "refunds", "customers", "webhooks", "payment_links"])
@pytest.mark.parametrize(
    "query",
    [
        "count=0", "count=101", "count=abc", "count=", "count=1.0", "count=true", "skip=-1", "skip=10001",
        "from=2&to=1",
        "from=1700000001&to=1700000000", "to=1e12", "colour=red", "count[]=1", "skip=99999999999999999999",
    ],
)  # fmt: skip
def test_an_invalid_list_request_is_refused(shop: DoubleShop, kind: str, query: str) -> None:
    assert shop.error(shop.call("GET", f"/v1/{kind}?{query}"))["description"]


def test_a_list_between_two_instants_holds_what_was_made_between_them(other_shop: DoubleShop) -> None:
    hook = other_shop.client.webhook.create({"url": "http://localhost:9/", "events": ["order.paid"], "secret": "s"})
    customer = other_shop.client.customer.create({"name": "Listed"})
    for kind, at, identity in (
        ("webhooks", hook["created_at"], hook["id"]),
        ("customers", customer["created_at"], customer["id"]),
    ):
        for query, expected in ((f"from={at}&to={at}", True), (f"to={at - 1}", False), (f"from={at + 60}", False)):
            listed = other_shop.call("GET", f"/v1/{kind}?{query}").json()["items"]
            assert (identity in [one["id"] for one in listed]) is expected, query
    other_shop.client.delete(f"/v1/webhooks/{hook['id']}", {})


def test_whatever_has_no_effect_is_named_in_a_header(shop: DoubleShop, made: Made) -> None:
    options = {"amount": 500, "payment_capture": 1, "payment": {"capture": "manual"}}
    upi = {"amount": 50_000, "method": "upi", "vpa": "a@bank", "card": CARD, "ip": "127.0.0.1"}
    link = shop.client.payment_link.create({"amount": 500, "currency": "INR"})
    hook = {"url": "http://localhost:9/", "events": ["order.paid", "a\r\nb: ₹"], "alert_email": "a@b.example"}
    calls = [
        ("GET", f"/v1/orders/{made.order['id']}?count=1&expand[]=offers", None, "count, expand[offers]"),
        ("GET", "/v1/orders?expand[]=payments.card&expand[]=transfers", None, "expand[transfers]"),
        ("GET", f"/v1/payments/{made.captured['id']}?expand[]=emi", None, "expand[emi]"),
        ("GET", f"/v1/payments/{made.card['id']}?expand[]=card", None, ""),
        ("GET", f"/v1/orders/{made.captured['order_id']}?expand[]=payments", None, ""),
        ("POST", "/v1/orders", options, "payment_capture"),
        (
            "POST", "/v1/orders",
            {"amount": 500, "line_items": [{"sku": "a"}], "line_items_total": "500", "method": "upi"},
            "method, line_items, line_items_total",
        ),
        ("POST", f"/v1/payments/{made.card['id']}/refund", {"amount": 100, "speed": "optimum"}, "speed"),
        (
            "POST", "/v1/payments/create/json",
            {**upi, "order_id": shop.order()["id"], "upi": {"vpa": "b@bank", "expiry_time": 5}},
            "ip, card, vpa, upi.expiry_time",
        ),
        (
            "POST", "/v1/payments/create/json",
            {"amount": 50_000, "method": "card", "card": CARD, "vpa": "a@bank", "order_id": shop.order()["id"]}, "vpa",
        ),
        ("POST", f"/v1/payment_links/{link['id']}/cancel", {"why": "late"}, "why"),
        ("POST", "/v1/webhooks", hook, "a%0D%0Ab%3A%20%E2%82%B9, alert_email"),
    ]  # fmt: skip
    for method, path, body, ignored in calls:
        answer = shop.call(method, path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("X-Test-Double-Ignored", "") == ignored, path
    hooks = shop.client.webhook.all()["items"]
    shop.client.delete(f"/v1/webhooks/{hooks[0]['id']}", {})


def test_an_order_shows_its_payments_on_request(shop: DoubleShop, made: Made) -> None:
    path = f"/v1/orders/{made.card['order_id']}"
    assert "payments" not in shop.call("GET", path).json()
    (payment,) = shop.call("GET", f"{path}?expand[]=payments.card").json()["payments"]["items"]
    assert (payment["id"], payment["card"]["last4"]) == (made.card["id"], "1007")


def test_acting_for_another_account_is_refused_with_a_sentence(shop: DoubleShop) -> None:
    error = shop.error(shop.call("GET", "/v1/orders", headers={"X-Razorpay-Account": "acc_1"}))
    assert PART in error["description"]
