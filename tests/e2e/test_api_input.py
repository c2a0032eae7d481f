"""What the API refuses, over HTTP: every case returns its code in the common error form, and writes nothing."""

from __future__ import annotations

import base64
import secrets
import socket
from typing import Any

import asyncpg
import pytest

from tests.support.api import CARD, Api, error_of
from tests.support.stack import Stack

# What requests create. The bank may settle a payment of an earlier test at any time.
WRITTEN = """
SELECT (SELECT count(*) FROM commands WHERE type LIKE '%.create%') + (SELECT count(*) FROM orders)
     + (SELECT count(*) FROM payments) + (SELECT count(*) FROM refunds)
"""
BAD = "BAD_REQUEST_ERROR"
UPI = {"order_id": "order_0000000000000000", "method": "upi", "vpa": "success@upi"}
BY_CARD = {"order_id": "order_0000000000000000", "method": "card", "card": CARD}

ORDERS: list[tuple[Any, str, str | None]] = [
    ({}, BAD, "amount"),
    ({"amount": None}, BAD, "amount"),
    ({"amount": 99}, BAD, "amount"),
    ({"amount": 0}, BAD, "amount"),
    ({"amount": -500}, BAD, "amount"),
    ({"amount": 500.0}, BAD, "amount"),
    ({"amount": 500.5}, BAD, "amount"),
    ({"amount": "500"}, BAD, "amount"),
    ({"amount": True}, BAD, "amount"),
    ({"amount": [500]}, BAD, "amount"),
    ({"amount": 10**13}, BAD, "amount"),
    ({"amount": 10**40}, BAD, "amount"),
    ({"amount": 500, "currency": "XXX"}, BAD, "currency"),
    ({"amount": 500, "currency": ""}, BAD, "currency"),
    ({"amount": 500, "currency": 5}, BAD, "currency"),
    ({"amount": 500, "receipt": "r" * 256}, BAD, "receipt"),
    ({"amount": 500, "receipt": 7}, BAD, "receipt"),
    ({"amount": 500, "notes": {str(number): "x" for number in range(16)}}, BAD, "notes"),
    ({"amount": 500, "notes": {"long": "x" * 257}}, BAD, "notes.long"),
    ({"amount": 500, "notes": {"nested": {}}}, BAD, "notes.nested"),
    ({"amount": 500, "notes": "text"}, BAD, "notes"),
    ([], BAD, None),
    ("text", BAD, None),
    (None, BAD, None),
]
PAYMENTS: list[tuple[Any, str, str | None]] = [
    ({}, BAD, "order_id"),
    ({**UPI, "order_id": 5}, BAD, "order_id"),
    ({**UPI, "method": "cash"}, BAD, "method"),
    ({**UPI, "method": None}, BAD, "method"),
    ({**UPI, "vpa": None}, "INVALID_VPA", "vpa"),
    ({**UPI, "vpa": "nobody"}, "INVALID_VPA", "vpa"),
    ({**UPI, "vpa": "two@at@signs"}, "INVALID_VPA", "vpa"),
    ({**UPI, "vpa": "spaces in@upi"}, "INVALID_VPA", "vpa"),
    ({**UPI, "vpa": "name@ upi"}, "INVALID_VPA", "vpa"),
    ({**UPI, "vpa": "name@upi\n"}, "INVALID_VPA", "vpa"),
    ({**UPI, "amount": "500"}, BAD, "amount"),
    ({**UPI, "order_id": "nonsense"}, "NOT_FOUND_ERROR", None),
    ({**BY_CARD, "card": None}, "INVALID_CARD", "card.number"),
    ({**BY_CARD, "card": "4111111111111111"}, BAD, "card"),
    ({**BY_CARD, "card": {**CARD, "number": "4111111111111112"}}, "INVALID_CARD", "card.number"),
    ({**BY_CARD, "card": {**CARD, "number": "41111111111"}}, "INVALID_CARD", "card.number"),
    ({**BY_CARD, "card": {**CARD, "number": "٤١١١١١١١١١١١١١١١"}}, "INVALID_CARD", "card.number"),
    ({**BY_CARD, "card": {**CARD, "cvv": "12"}}, "INVALID_CARD", "card.cvv"),
    ({**BY_CARD, "card": {**CARD, "expiry_month": "00"}}, "EXPIRED_CARD", "card.expiry"),
    ({**BY_CARD, "card": {**CARD, "expiry_year": "2020"}}, "EXPIRED_CARD", "card.expiry"),
]
REFUNDS: list[tuple[Any, str, str | None]] = [
    ({"amount": 0}, BAD, "amount"),
    ({"amount": -1}, BAD, "amount"),
    ({"amount": 1.5}, BAD, "amount"),
    ({"amount": "100"}, BAD, "amount"),
    ({"reason": "all that is left"}, "NOT_FOUND_ERROR", None),
    ({"amount": 100, "reason": "r" * 256}, BAD, "reason"),
    ({"amount": 100}, "NOT_FOUND_ERROR", None),
]
STATUS = {"NOT_FOUND_ERROR": 404}


@pytest.mark.parametrize(
    ("path", "cases"),
    [
        ("/orders", ORDERS),
        ("/orders/public", ORDERS),
        ("/payments", PAYMENTS),
        ("/payments/public", PAYMENTS),
        ("/payments/pay_0000000000000000/refunds", REFUNDS),
        ("/refunds", [({**body, "payment_id": "pay_0000000000000000"}, *rest) for body, *rest in REFUNDS]),
    ],
)
async def test_a_body_that_is_not_valid_is_refused_and_nothing_is_written(
    api: Api, database: asyncpg.Connection, path: str, cases: list[tuple[Any, str, str | None]]
) -> None:
    before = await database.fetchval(WRITTEN)
    for body, code, field in cases:
        response = await api.post(path, body)
        error = error_of(response)
        assert (response.status_code, error["code"], error["field"]) == (STATUS.get(code, 400), code, field), body
        assert "4111" not in error["description"]
    assert await database.fetchval(WRITTEN) == before


@pytest.mark.parametrize(
    ("description", "path", "body"),
    [
        ("amount must be at least 100", "/orders", {"amount": 99}),
        ("VPA format invalid", "/payments", {**UPI, "vpa": "x"}),
        ("Card validation failed", "/payments", {**BY_CARD, "card": {**CARD, "number": "1"}}),
        ("Card expiry date invalid", "/payments", {**BY_CARD, "card": {**CARD, "expiry_year": "20"}}),
        ("Order not found", "/payments", {**UPI, "order_id": "order_x"}),
        ("Order not found", "/payments", UPI),
        ("Payment not found", "/payments/pay_x/capture", {}),
        ("Payment not found", "/payments/pay_x/refunds", {"amount": 100}),
    ],
)
async def test_the_fixed_descriptions_are_literal(api: Api, description: str, path: str, body: Any) -> None:
    assert error_of(await api.post(path, body))["description"] == description


RAW: list[tuple[str, bytes, dict[str, str], int]] = [
    ("broken JSON", b'{"amount": 500', {}, 400),
    ("no JSON", b"amount=500", {}, 400),
    ("no body", b"", {}, 400),
    ("not UTF-8", b'{"amount": 500, "receipt": "\xff\xfe"}', {}, 400),
    ("a NUL character", b'{"amount": 500, "receipt": "a\\u0000b"}', {}, 400),
    ("a NUL in a note's name", b'{"amount": 500, "notes": {"a\\u0000": "b"}}', {}, 400),
    ("a lone surrogate", b'{"amount": 500, "receipt": "\\ud800"}', {}, 400),
    ("nesting without end", b"[" * 30_000, {}, 400),
    ("a number of 5,000 digits", b'{"amount": ' + b"9" * 5_000 + b"}", {}, 400),
    ("not a number", b'{"amount": NaN}', {}, 400),
    ("an infinite number", b'{"amount": Infinity}', {}, 400),
    ("a form", b"amount=500", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
    ("plain text", b'{"amount": 500}', {"Content-Type": "text/plain"}, 400),
    ("a megabyte", b'{"receipt": "' + b"x" * 1_000_000 + b'"}', {}, 413),
    ("an empty key", b'{"amount": 500}', {"Idempotency-Key": ""}, 400),
    ("a key of 300 characters", b'{"amount": 500}', {"Idempotency-Key": "k" * 300}, 400),
    ("a key that is not ASCII", b'{"amount": 500}', {"Idempotency-Key": "schl\u00fcssel"}, 400),
]


@pytest.mark.parametrize(("what", "body", "headers", "status"), RAW, ids=[case[0] for case in RAW])
async def test_bytes_that_are_not_a_request_are_refused_never_with_500(
    api: Api, database: asyncpg.Connection, what: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = await database.fetchval(WRITTEN)
    encoded = {
        name: value.encode("latin-1") for name, value in ({"Content-Type": "application/json"} | headers).items()
    }
    response = await api.call("POST", "/orders", content=body, headers=encoded)
    assert response.status_code == status, what
    error_of(response)
    assert await database.fetchval(WRITTEN) == before


async def test_extra_keys_and_parameters_are_ignored_and_named(api: Api) -> None:
    response = await api.call("POST", "/orders?utm=x", json={"amount": 500, "partial_payment": True, "id": "mine"})
    assert (response.status_code, response.headers["X-Ignored"]) == (201, "utm, partial_payment, id")
    assert "partial_payment" not in response.json()
    assert response.json()["id"] != "mine"
    listed = await api.get("/payments", statuss="FAILED")
    assert (listed.status_code, listed.headers["X-Ignored"]) == (200, "statuss")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/payments?statuss=FAILED", None, "statuss"),
        ("GET", "/webhooks?endpont_id=x", None, "endpont_id"),
        ("POST", "/orders?dry_run=1", {"amount": 500}, "dry_run"),
        ("POST", "/orders", {"amount": 500, "recipt": "a"}, "recipt"),
        ("POST", "/payments", {**BY_CARD, "card": {**CARD, "expiryMonth": 1}}, "card.expiryMonth"),
        ("PATCH", "/merchants/me", {"allowed_origin": []}, "allowed_origin"),
    ],
)
async def test_with_strict_handling_nothing_unknown_passes(
    api: Api, database: asyncpg.Connection, method: str, path: str, body: Any, field: str
) -> None:
    before = await database.fetchval(WRITTEN)
    response = await api.call(method, path, json=body, headers={"Prefer": "handling=strict"}, key=secrets.token_hex(8))
    assert response.status_code == 400, response.text
    assert (error_of(response)["code"], error_of(response)["field"]) == (BAD, field)
    assert await database.fetchval(WRITTEN) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": "key_test_abc123"},
        {"X-Api-Secret": "secret_test_xyz789"},
        {"X-Api-Key": "", "X-Api-Secret": ""},
        {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "wrong"},
        {"X-Api-Key": "key_test_abc123", "X-Api-Secret": ""},
        {"X-Api-Key": "nobody", "X-Api-Secret": "secret_test_xyz789"},
        {"X-Api-Key": "k" * 5_000, "X-Api-Secret": "s" * 5_000},
        {"Authorization": "Basic bm9uc2Vuc2U="},
        {"Authorization": "Basic ???"},
        {"Authorization": "Bearer token"},
    ],
)
async def test_every_invalid_credential_gets_the_same_401(api: Api, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/orders"), ("GET", "/payments"), ("GET", "/orders/order_x"), ("POST", "/refunds")):
        response = await api.public(
            method, path, headers=headers, json={"nonsense": True} if method == "POST" else None
        )
        error = error_of(response)
        assert (response.status_code, error["code"]) == (401, "AUTHENTICATION_ERROR")
        assert error["description"] == "Invalid API credentials"


async def test_basic_authentication_and_any_case_of_header_names_work(api: Api) -> None:
    basic = base64.b64encode(f"{api.key}:{api.secret}".encode()).decode()
    for headers in ({"Authorization": f"Basic {basic}"}, {"x-api-key": api.key, "X-API-SECRET": api.secret}):
        assert (await api.public("GET", "/payments", headers=headers)).status_code == 200


async def test_another_merchants_objects_are_not_there(api: Api, stranger: Api) -> None:
    payment = await api.paid()
    refund = (await api.post(f"/payments/{payment['id']}/refunds", {"amount": 100})).json()
    for path, message in (
        (f"/orders/{payment['order_id']}", "Order not found"),
        (f"/payments/{payment['id']}", "Payment not found"),
        (f"/payments/{payment['id']}/timeline", "Payment not found"),
        (f"/refunds/{refund['id']}", "Refund not found"),
        (f"/events/evt_{payment['order_id'][-16:]}_1", "Event not found"),
    ):
        response = await stranger.get(path)
        assert (response.status_code, error_of(response)["description"]) == (404, message)
        assert (await api.get(path)).status_code == 200
    upi = {"order_id": payment["order_id"], "method": "upi", "vpa": "success@upi"}
    for path, body in (
        ("/payments", upi),
        (f"/payments/{payment['id']}/capture", {}),
        (f"/payments/{payment['id']}/refunds", {"amount": 100}),
    ):
        assert (await stranger.post(path, body)).status_code == 404
    for path in ("/payments", "/orders?limit=100", "/refunds?limit=100", "/events?limit=100"):
        assert payment["order_id"] not in (await stranger.get(path)).text


@pytest.mark.parametrize("path", ["/nowhere", "/orders/a/b/c", "/payments/%00", "/payments?q=%00"])
async def test_an_unknown_path_gets_the_same_error_form(api: Api, path: str) -> None:
    response = await api.get(path)
    assert response.status_code in (400, 404)
    error_of(response)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "cursor=nonsense", "cursor=%F0%9F%92%A9", "status=paid", "method=cash",
        "from=yesterday", "amount_min=-1", "amount_min=x", "captured=perhaps", "q=" + "x" * 256,
    ],
)  # fmt: skip
async def test_a_query_that_is_not_valid_is_400(api: Api, query: str) -> None:
    response = await api.get(f"/payments?{query}")
    assert response.status_code == 400
    assert error_of(response)["code"] == BAD


async def test_every_list_with_a_period_includes_the_day_it_ends_with_and_refuses_one_that_is_reversed(
    api: Api,
) -> None:
    document = (await api.http.get(f"{api.url}/openapi.json")).json()
    paths = [path for path, routes in document["paths"].items() if _has_a_period(routes.get("get", {}))]
    assert len(paths) >= 10
    for path in paths:
        short = path.removeprefix("/api/v1")
        day = await api.get(short, **{"from": "2026-11-25", "to": "2026-11-25"})
        assert day.status_code == 200, (path, day.text)
        for begin, end in (("2026-11-26", "2026-11-25"), ("2026-11-25T00:00:01Z", "2026-11-25T00:00:00Z")):
            reversed_ = await api.get(short, **{"from": begin, "to": end})
            assert (reversed_.status_code, error_of(reversed_)["field"]) == (400, "from"), path


def _has_a_period(operation: Any) -> bool:
    return {"from", "to"} <= {one["name"] for one in operation.get("parameters", [])}


async def test_a_method_that_a_route_has_not_is_405(api: Api) -> None:
    response = await api.call("DELETE", "/orders")
    assert response.status_code == 405
    error_of(response)


async def test_a_request_id_is_kept_where_it_is_harmless_and_made_where_not(api: Api) -> None:
    kept = await api.call("GET", "/payments", headers={"X-Request-Id": "trace-1:a/b"})
    made = await api.call("GET", "/payments", headers={"X-Request-Id": "x" * 200})
    assert kept.headers["X-Request-Id"] == "trace-1:a/b"
    assert made.headers["X-Request-Id"].startswith("req_")


def test_a_head_that_never_ends_is_cut_off(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.plan.ports["PORT"]), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        connection.sendall((b"X-Filler: " + b"x" * 1_000 + b"\r\n") * 100)
        response = connection.recv(65_536)
    assert response.startswith(b"HTTP/1.1 431 ")


async def test_the_database_user_never_sees_a_card_number(api: Api, stack: Stack, database: asyncpg.Connection) -> None:
    order = await api.order()
    response = await api.post(
        "/payments", {"order_id": order["id"], "method": "card", "card": CARD}, key=secrets.token_hex(8)
    )
    assert response.json()["card_last4"] == "1111"
    for column in ("reply", "fingerprint"):
        assert not await database.fetchval(f"SELECT count(*) FROM commands WHERE {column} LIKE '%411111%'")
    assert not await database.fetchval("SELECT count(*) FROM events WHERE payload LIKE '%411111%'")
    assert "411111" not in stack.logs("api") + stack.logs("payments")
