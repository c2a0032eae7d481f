"""The official Python client, call by call: what it gets from the double, or the exception it raises."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from razorpay.errors import BadRequestError

from tests.e2e.razorpay.shop import CARD, DoubleShop, Json
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


@pytest.fixture(scope="module")
def made(shop: DoubleShop) -> Made:
    captured = shop.captured()
    card = shop.captured(method="card", card=CARD)
    return Made(
        order=shop.order(receipt="made", notes={"a": "b"}),
        authorized=shop.authorized(),
        captured=captured,
        card=card,
        refund=shop.client.payment.refund(captured["id"], {"amount": 1_000}),
        customer=shop.client.customer.create({"name": "A", "email": f"{secrets.token_hex(4)}@example.com"}),
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
    ("capture of another amount", lambda c, m: c.payment.capture(m.authorized["id"], 1), "must be equal to the amount"),
    ("refund before capture", lambda c, m: c.payment.refund(m.authorized["id"], {}), "should be captured"),
    ("refund of too much", lambda c, m: c.payment.refund(m.card["id"], {"amount": 50_001}), "greater than amount"),
    ("refund of too little", lambda c, m: c.payment.refund(m.card["id"], {"amount": 99}), "at least INR 1.00"),
    ("no card", lambda c, m: c.payment.fetchCardDetails(m.captured["id"]), "Payment was not done using card"),
    ("pay a paid order", lambda c, m: _pay_again(c, m), "the order is already paid"),
    ("bad address", lambda c, _: c.payment.validateVpa({"vpa": "nobody"}), "Invalid VPA"),
    ("too many", lambda c, _: c.payment.all({"count": 101}), "may not be greater than 100"),
    ("unknown filter", lambda c, _: c.payment.all({"colour": "red"}), "is/are not required"),
    ("times in the wrong order", lambda c, _: c.order.all({"from": 1_700_000_001, "to": 1_700_000_000}), "from must"),
    ("unknown webhook events", lambda c, _: c.webhook.create({"url": "http://a.example", "events": ["x"]}), "at least"),
    ("virtual accounts", lambda c, _: c.virtual_account.all(), PART),
    ("subscriptions", lambda c, _: c.subscription.all(), PART),
    ("payment links in parts", lambda c, _: c.payment_link.create({"amount": 500, "accept_partial": True}), PART),
    ("settlements", lambda c, _: c.settlement.all(), PART),
    ("another verb", lambda c, _: c.delete("/v1/orders", {}), PART),
    ("version 2", lambda c, _: c.webhook.all(account_id="acc_1"), PART),
]


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
def test_a_payment_waits_for_its_capture_where_the_order_says_so(shop: DoubleShop, flag: Any) -> None:
    order = shop.order(payment_capture=flag)
    payment = shop.payment(shop.pay(order), status="authorized")
    assert (payment["captured"], payment["fee"]) == (False, None)
    assert shop.client.order.fetch(order["id"])["status"] == "attempted"
    captured = shop.client.payment.capture(payment["id"], 50_000, {"currency": "INR"})
    assert (captured["status"], captured["captured"]) == ("captured", True)
    assert shop.client.order.fetch(order["id"])["status"] == "paid"


def test_capture_options_are_read_and_what_has_no_effect_is_named(shop: DoubleShop) -> None:
    options = {"manual_expiry_period": 7_200, "refund_speed": "normal"}
    body = {"amount": 500, "currency": "INR", "payment": {"capture": "manual", "capture_options": options}}
    answer = shop.call("POST", "/v1/orders", json=body)
    ignored = "payment.capture_options.manual_expiry_period, payment.capture_options.refund_speed"
    assert answer.headers["X-Test-Double-Ignored"] == ignored
    assert shop.payment(shop.pay(answer.json()), status="authorized")["captured"] is False


def test_a_failed_payment_says_why_and_the_order_can_be_paid_again(shop: DoubleShop) -> None:
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


def test_a_payment_that_is_authorized_late_is_captured_by_itself_all_the_same(shop: DoubleShop) -> None:
    payment_id = shop.pay(shop.order(late_authorization=True), vpa="unknown@upi")
    assert shop.payment(payment_id, status="captured")["error_reason"] is None


def test_a_card_payment_shows_its_card_where_it_is_asked_for(shop: DoubleShop, made: Made) -> None:
    assert "card" not in shop.client.payment.fetch(made.card["id"])
    card = shop.client.payment.fetch(made.card["id"], {"expand[]": "card"})["card"]
    assert (card["last4"], card["network"], card["name"]) == ("1007", "Visa", "A Payer")
    assert card == shop.client.payment.fetchCardDetails(made.card["id"])
    assert made.card["card_id"] == card["id"]


def test_the_payers_words_stay_with_the_payment(shop: DoubleShop) -> None:
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


def test_the_same_refund_key_refunds_once_and_another_request_with_it_is_refused(shop: DoubleShop) -> None:
    payment = shop.captured()
    headers = {"X-Refund-Idempotency": secrets.token_hex(8)}
    path = f"/v1/payments/{payment['id']}/refund"
    first = shop.call("POST", path, json={"amount": 1_000}, headers=headers).json()
    assert shop.call("POST", path, json={"amount": 1_000}, headers=headers).json()["id"] == first["id"]
    refusal = shop.error(shop.call("POST", path, json={"amount": 2_000}, headers=headers))
    assert refusal["description"] == "Different request with the same idempotency key has already been processed."
    assert shop.client.payment.fetch(payment["id"])["amount_refunded"] == 1_000


def test_a_repeated_refund_of_everything_is_answered_as_the_first(shop: DoubleShop) -> None:
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


def test_threads_that_race_for_captures_and_refunds_never_move_too_much(shop: DoubleShop) -> None:
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


def test_a_customer_that_exists_is_refused_or_answered_as_the_caller_wishes(shop: DoubleShop) -> None:
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


def test_every_answer_names_the_double(shop: DoubleShop, made: Made) -> None:
    for path in ("/v1/orders", "/v1/orders/", f"/v1/payments/{made.captured['id']}/", "/v1/preferences", "/v1/methods"):
        answer = shop.call("GET", path)
        assert (answer.status_code, answer.headers["X-Test-Double"]) == (200, "payment-gateway"), path
    for path in ("/v1", "/v1/", "/v1/nothing", "/v2/accounts/a", "/v1/orders/%00"):
        answer = shop.call("GET", path)
        assert (answer.status_code, answer.headers["X-Test-Double"]) == (400, "payment-gateway"), path


def test_the_seeded_pair_runs_the_first_lines_of_anybodys_tutorial(stack: Stack) -> None:
    import razorpay  # noqa: PLC0415 (the tutorial's first line)

    client = razorpay.Client(auth=("key_test_abc123", "secret_test_xyz789"), base_url=stack.api_url)
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "order_rcptid_11"})
    assert client.order.fetch(order["id"])["status"] == "created"


def test_a_broken_body_is_an_error_and_no_server_error(shop: DoubleShop) -> None:
    for body in (b"{", b'"text"', b"[1]", b"\xff"):
        answer = shop.call("POST", "/v1/orders", data=body, headers={"Content-Type": "application/json"})
        assert shop.error(answer)["code"] == "BAD_REQUEST_ERROR"
