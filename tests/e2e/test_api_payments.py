"""Orders, payments, captures and refunds over HTTP, from the request to the outcome."""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import datetime
from typing import Any

import pytest

from tests.support.api import CARD, Api, created, error_of

ORDER_KEYS = [
    "id", "merchant_id", "amount", "currency", "receipt", "notes", "status", "amount_paid", "capture",
    "capture_within_minutes", "expires_at", "return_url", "created_at", "updated_at", "attempts",
]  # fmt: skip
PAYMENT_KEYS = [
    "id", "order_id", "merchant_id", "amount", "currency", "method", "status", "captured", "amount_captured",
    "amount_released", "voided", "void_reason", "capture_before", "amount_refunded", "amount_owed", "reversed",
    "name", "email", "contact", "description", "receipt", "notes", "error_code", "error_description", "next_action",
    "cancellation", "created_at", "updated_at",
]  # fmt: skip
REFUND_KEYS = [
    "id", "payment_id", "merchant_id", "amount", "currency", "reason", "receipt", "notes", "status", "error_code",
    "error_description", "created_at", "processed_at", "updated_at",
]  # fmt: skip
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")


async def test_an_order_is_created_as_requested(api: Api) -> None:
    order = await api.order(500, receipt="r-1", notes={"größe": "XL", "empty": ""})
    assert list(order) == ORDER_KEYS
    assert re.fullmatch(r"order_[0-9A-Za-z]{16}", order["id"])
    assert (order["amount"], order["currency"], order["status"]) == (500, "INR", "CREATED")
    assert (order["receipt"], order["notes"]) == ("r-1", {"größe": "XL", "empty": ""})
    assert INSTANT.match(order["created_at"])
    assert order["updated_at"] is None
    assert (await api.get(f"/orders/{order['id']}")).json() == order


@pytest.mark.parametrize("fields", [{"currency": "USD"}, {"currency": None, "receipt": None, "notes": None}])
async def test_optional_fields_may_be_given_or_null(api: Api, fields: dict[str, Any]) -> None:
    order = await api.order(100, **fields)
    assert order["currency"] == (fields["currency"] or "INR")
    assert order["notes"] == {}


async def test_a_upi_payment_is_accepted_and_succeeds(api: Api) -> None:
    order = await api.order(700)
    payment = await api.pay(order["id"])
    assert [key for key in payment if key != "vpa"] == PAYMENT_KEYS
    assert (payment["status"], payment["vpa"], payment["amount"], payment["captured"]) == (
        "CREATED", "success@upi", 700, False,
    )  # fmt: skip
    decided = await api.decided(f"/payments/{payment['id']}")
    assert (decided["status"], decided["error_code"]) == ("SUCCESS", None)
    assert datetime.fromisoformat(decided["updated_at"]) >= datetime.fromisoformat(decided["created_at"])
    paid = (await api.get(f"/orders/{order['id']}")).json()
    assert (order["amount_paid"], paid["status"], paid["amount_paid"]) == (0, "PAID", 700)


async def test_a_card_payment_keeps_network_and_last_digits_only(api: Api) -> None:
    order = await api.order()
    body = {"order_id": order["id"], "method": "card", "card": {**CARD, "number": "5555 5555 5555 4444"}}
    payment = created(await api.post("/payments", body))
    assert (payment["card_network"], payment["card_last4"]) == ("mastercard", "4444")
    assert "vpa" not in payment
    assert "5555555555554444" not in str(payment)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"method": "upi", "vpa": "failure@upi"}, "FAILED", "UPI_DECLINED"),
        ({"method": "upi", "vpa": "insufficient@upi"}, "FAILED", "INSUFFICIENT_FUNDS"),
        ({"method": "upi", "vpa": "timeout@upi"}, "FAILED", "BANK_TIMEOUT"),
        ({"method": "upi", "vpa": "unknown@upi"}, "SUCCESS", None),
        ({"method": "upi", "vpa": "anyone@bank"}, "SUCCESS", None),
        ({"method": "card", "card": {**CARD, "number": "4000000000000002"}}, "FAILED", "CARD_DECLINED"),
        ({"method": "card", "card": {**CARD, "number": "4000000000009995"}}, "FAILED", "INSUFFICIENT_FUNDS"),
        ({"method": "card", "card": {**CARD, "number": "378282246310005", "cvv": "1234"}}, "SUCCESS", None),
    ],
)
async def test_the_instrument_decides_the_outcome(
    api: Api, body: dict[str, Any], status: str, code: str | None
) -> None:
    order = await api.order()
    payment = created(await api.post("/payments", {"order_id": order["id"], **body}))
    decided = await api.decided(f"/payments/{payment['id']}")
    assert (decided["status"], decided["error_code"]) == (status, code)
    assert (decided["error_description"] is None) == (code is None)


@pytest.mark.parametrize("fields", [{"amount": 501}, {"currency": "USD"}])
async def test_an_amount_or_currency_other_than_the_orders_is_refused(api: Api, fields: dict[str, Any]) -> None:
    order = await api.order(500)
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    response = await api.post("/payments", {**body, **fields})
    assert (response.status_code, error_of(response)["field"]) == (400, next(iter(fields)))
    created(await api.post("/payments", {**body, "amount": 500, "currency": "INR"}))


async def test_an_order_is_paid_once_and_can_be_paid_again_after_a_failure(api: Api) -> None:
    order = await api.order()
    body = {"order_id": order["id"], "method": "upi", "vpa": "slow@upi"}
    first = created(await api.post("/payments", {**body, "vpa": "failure@upi"}))
    await api.decided(f"/payments/{first['id']}")
    second = created(await api.post("/payments", body))
    beside = await api.post("/payments", body)
    assert (beside.status_code, error_of(beside)["description"]) == (400, "Order has a payment in progress")
    await api.decided(f"/payments/{second['id']}")
    after = await api.post("/payments", body)
    assert (after.status_code, error_of(after)["description"]) == (400, "Order already paid")


async def test_of_many_payments_at_once_one_order_takes_one(api: Api) -> None:
    order = await api.order()
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    responses = await asyncio.gather(*(api.post("/payments", body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [201] + [400] * 19


async def test_a_capture_needs_success_and_happens_once(api: Api) -> None:
    order = await api.order(900)
    payment = await api.pay(order["id"], vpa="slow@upi")
    path = f"/payments/{payment['id']}/capture"
    early = await api.post(path, {})
    assert (early.status_code, error_of(early)["description"]) == (400, "Payment not in capturable state")
    await api.decided(f"/payments/{payment['id']}")
    wrong = await api.post(path, {"amount": 901})
    assert (wrong.status_code, error_of(wrong)["field"]) == (400, "amount")
    response = await api.call("POST", path)
    assert (response.status_code, response.json()["captured"], response.json()["amount_captured"]) == (200, True, 900)
    again = await api.post(path, {"amount": 900})
    assert (again.status_code, error_of(again)["description"]) == (400, "Payment not in capturable state")


async def test_a_payment_is_refunded_in_parts_and_never_above_its_amount(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    first = created(await api.post(f"/payments/{payment['id']}/refunds", {"amount": 400, "reason": "one"}))
    assert [key for key in first if key != "automatic"] == REFUND_KEYS
    assert (first["status"], first["processed_at"], first["reason"]) == ("PENDING", None, "one")
    created(await api.post("/refunds", {"payment_id": payment["id"], "amount": 500}))
    above = await api.post(f"/payments/{payment['id']}/refunds", {"amount": 101})
    assert (above.status_code, error_of(above)["description"]) == (400, "Refund amount exceeds available amount")
    processed = await api.decided(f"/refunds/{first['id']}")
    assert processed["status"] == "PROCESSED"
    assert INSTANT.match(processed["processed_at"])
    after = (await api.get(f"/payments/{payment['id']}")).json()
    assert (after["amount_refunded"], after["status"]) == (900, "SUCCESS")
    listed = (await api.get("/refunds", payment_id=payment["id"])).json()
    assert [refund["amount"] for refund in listed["data"]] == [500, 400]


async def test_a_capture_takes_what_refunds_have_left(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    path = f"/payments/{payment['id']}"
    created(await api.post(f"{path}/refunds", {"amount": 100}))
    whole = await api.post(f"{path}/capture", {"amount": 1_000})
    assert (whole.status_code, error_of(whole)["field"]) == (400, "amount")
    captured = (await api.post(f"{path}/capture", {"amount": 900})).json()
    assert (captured["captured"], captured["amount_captured"], captured["amount_refunded"]) == (True, 900, 100)
    created(await api.post(f"{path}/refunds", {"amount": 900}))
    after = (await api.get(path)).json()
    assert (after["amount_captured"], after["amount_refunded"]) == (900, 1_000)


async def test_a_payment_that_is_refunded_in_full_cannot_be_captured(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    created(await api.call("POST", f"/payments/{payment['id']}/refunds"))
    response = await api.post(f"/payments/{payment['id']}/capture", {})
    assert (response.status_code, error_of(response)["description"]) == (400, "Payment not in capturable state")


async def test_a_refund_without_an_amount_is_all_that_is_left(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    created(await api.post("/refunds", {"payment_id": payment["id"], "amount": 300}))
    body = {"payment_id": payment["id"], "receipt": "return-7", "notes": {"why": "torn", "times": 2}}
    rest = created(await api.post("/refunds", body))
    assert (rest["amount"], rest["receipt"], rest["notes"]) == (700, "return-7", {"why": "torn", "times": "2"})
    nothing = await api.post("/refunds", body)
    assert (nothing.status_code, error_of(nothing)["description"]) == (400, "Refund amount exceeds available amount")
    decided = await api.decided(f"/refunds/{rest['id']}")
    assert (decided["amount"], decided["receipt"], decided["notes"]) == (700, "return-7", rest["notes"])


async def test_of_many_refunds_without_an_amount_at_once_one_takes_it_all(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    responses = await asyncio.gather(*(api.post(f"/payments/{payment['id']}/refunds", {}) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [201] + [400] * 7
    assert (await api.get(f"/payments/{payment['id']}")).json()["amount_refunded"] == 1_000


async def test_a_refund_repeated_with_its_key_but_another_receipt_is_another_request(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    path, key = f"/payments/{payment['id']}/refunds", secrets.token_hex(8)
    first = created(await api.post(path, {"receipt": "a"}, key=key))
    again = await api.post(path, {"receipt": "a", "notes": {}}, key=key)
    assert again.json() == first
    other = await api.post(path, {"receipt": "b"}, key=key)
    assert (other.status_code, error_of(other)["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert "receipt" in error_of(other)["description"]


async def test_a_refund_that_fails_gives_its_amount_back(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    refund = created(await api.post(f"/payments/{payment['id']}/refunds", {"amount": 1_000, "reason": "fail_refund"}))
    failed = await api.decided(f"/refunds/{refund['id']}")
    assert (failed["status"], failed["error_code"]) == ("FAILED", "REFUND_FAILED")
    created(await api.post(f"/payments/{payment['id']}/refunds", {"amount": 1_000}))


async def test_only_a_success_can_be_refunded(api: Api) -> None:
    payment = await api.paid(vpa="failure@upi")
    response = await api.post(f"/payments/{payment['id']}/refunds", {"amount": 100})
    assert (response.status_code, error_of(response)["description"]) == (400, "Payment not in refundable state")


async def test_concurrent_refunds_together_stay_within_the_payment(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    requested = [api.post(f"/payments/{payment['id']}/refunds", {"amount": 300}) for _ in range(12)]
    responses = await asyncio.gather(*requested)
    assert sorted(response.status_code for response in responses) == [201] * 3 + [400] * 9


async def test_lists_are_complete_newest_first_and_page_without_gaps(stranger: Api) -> None:
    orders = [(await stranger.order(1_000 + number))["id"] for number in range(5)]
    payments = [await stranger.paid(order, vpa="failure@upi" if order == orders[0] else "a.b@upi") for order in orders]
    newest_first = [payment["id"] for payment in reversed(payments)]
    bare = (await stranger.get("/payments")).json()
    assert [payment["id"] for payment in bare][:5] == newest_first
    seen, cursor = [], ""
    while True:
        page = (await stranger.get("/payments", limit=2, cursor=cursor)).json()
        seen += [payment["id"] for payment in page["data"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            break
        cursor = page["next_cursor"]
    assert seen[:5] == newest_first
    assert seen == [payment["id"] for payment in bare]
    listed = (await stranger.get("/orders", limit=5)).json()
    assert [order["id"] for order in listed["data"]] == list(reversed(orders))


async def test_a_list_of_payments_can_be_filtered(api: Api) -> None:
    amount = 10**9 + secrets.randbelow(10**9)  # of nobody else's payments
    paid = await api.paid(amount=amount, vpa="find_me.x@upi")
    failed = await api.paid(amount=amount, vpa="failure@upi")
    captured = (await api.post(f"/payments/{paid['id']}/capture")).json()

    async def found(**query: Any) -> list[str]:
        response = await api.get("/payments", amount_min=amount, amount_max=amount, **query)
        return [payment["id"] for payment in response.json()]

    assert await found() == [failed["id"], paid["id"]]
    assert await found(status="FAILED") == [failed["id"]]
    assert await found(captured="true") == [paid["id"]] == await found(captured="true", method="upi")
    assert await found(method="card") == []
    assert await found(order_id=paid["order_id"]) == [paid["id"]]
    assert await found(q="find_me") == [paid["id"]] == await found(q=paid["id"]) == await found(q="FIND_ME.X")
    assert await found(q="find%me") == []
    assert await found(q="UPI_DECLINED") == [failed["id"]]
    assert await found(**{"from": captured["created_at"]}) == [failed["id"], paid["id"]]
    assert await found(to=captured["created_at"]) == []
    assert await found(**{"from": "2001-01-01", "to": "2002-01-01T00:00:00 05:30"}) == []
    today = paid["created_at"][:10]
    assert await found(**{"from": today, "to": failed["created_at"][:10]}) == [failed["id"], paid["id"]]
    assert await found(currency="INR") == [failed["id"], paid["id"]] and await found(currency="USD") == []


async def test_lists_are_filtered_by_the_merchants_own_reference(api: Api) -> None:
    receipt = f"invoice%_{secrets.token_hex(6)}"
    order = created(await api.post("/orders", {"amount": 7_000, "receipt": receipt}))
    payment = await api.paid(order["id"])

    async def orders(**query: Any) -> list[str]:
        return [one["id"] for one in (await api.get("/orders", **query)).json()["data"]]

    assert await orders(receipt=receipt) == await orders(q=receipt[:-2]) == await orders(q=order["id"]) == [order["id"]]
    assert await orders(q=receipt.replace("%", "x")) == await orders(receipt=receipt, status="CREATED") == []
    assert [one["id"] for one in (await api.get("/payments", receipt=receipt)).json()] == [payment["id"]]
    assert (await api.get("/payments", receipt=receipt[:-2])).json() == []


async def test_a_list_of_refunds_can_be_filtered(api: Api) -> None:
    payment, other = await api.paid(), await api.paid()
    refunds = [
        created(await api.post(f"/payments/{one['id']}/refunds", {"amount": 100, "reason": reason}))
        for one, reason in ((payment, "fail_refund"), (payment, None), (other, None))
    ]
    first, second, third = [await api.decided(f"/refunds/{refund['id']}") for refund in refunds]

    async def found(**query: Any) -> list[str]:
        return [refund["id"] for refund in (await api.get("/refunds", limit=100, **query)).json()["data"]]

    assert await found(payment_id=payment["id"]) == [second["id"], first["id"]]
    assert await found(payment_id=payment["id"], status="FAILED") == [first["id"]]
    span = {"from": second["created_at"], "to": third["created_at"]}
    assert await found(**span) == [second["id"]]
    assert await found(payment_id=other["id"], to=third["created_at"][:10]) == [third["id"]]


@pytest.mark.parametrize("path", ["/orders", "/payments", "/refunds", "/payments/export.csv", "/analytics/summary"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"to": "tomorrow"}, "to"),
    ],
)
async def test_a_period_that_is_none_is_refused(api: Api, path: str, query: dict[str, str], field: str) -> None:
    response = await api.get(path, **query)
    assert (response.status_code, error_of(response)["field"]) == (400, field)
