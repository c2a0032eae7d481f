"""Headers of every kind of answer: not sniffed, framed, stored or run; and who may read it from another page.

The pages' own Content-Security-Policy is tested where the pages are (tests/e2e/pages).
"""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from tests.support.api import Api
from tests.support.stack import Stack

ELSEWHERE = "https://shop.example"
HOSTILE = (
    "https://evil.example", "null", "*", "", "http://localhost", "http://localhost:1", "http://localhost.evil.example",
    "file://", "https://evil.example\thttp://localhost",
)  # fmt: skip
RESPONSES: list[tuple[int, str, str, dict[str, Any]]] = [
    (200, "GET", "/payments", {}),
    (201, "POST", "/orders", {"json": {"amount": 500}}),
    (400, "POST", "/orders", {"json": {"amount": 1}}),
    (400, "POST", "/payments", {"content": b"{"}),
    (400, "GET", "/payments?q=%00", {}),
    (401, "GET", "/payments", {"headers": {"X-Api-Secret": "wrong"}}),
    (403, "POST", "/auth/login", {"headers": {"Origin": ELSEWHERE}, "json": {"email": "a@b.c", "password": "x"}}),
    (404, "GET", "/nowhere", {}),
    (404, "GET", "/payments/pay_x", {}),
    (405, "DELETE", "/orders", {}),
    (413, "POST", "/orders", {"content": b" " * 70_000}),
    (200, "GET", "/payments/export.csv", {}),
    (200, "GET", "/health", {}),
]


@pytest.mark.parametrize(("status", "method", "path", "more"), RESPONSES, ids=lambda value: str(value)[:24])
async def test_every_answer_forbids_sniffing_framing_storing_and_running(
    api: Api, status: int, method: str, path: str, more: dict[str, Any]
) -> None:
    response = await api.call(method, path, **more)
    assert response.status_code == status, response.text
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert headers["Vary"] == "Origin"
    assert not {"Server", "X-Powered-By", "Via"} & set(headers)
    assert headers["Content-Type"].split(";")[0] in ("application/json", "text/csv")


@pytest.mark.parametrize("path", ["/payments", "/orders/public", "/payments/public", "/auth/session", "/health"])
@pytest.mark.parametrize("origin", HOSTILE)
async def test_no_other_page_gets_credentials_nor_any_page_a_wildcard(api: Api, path: str, origin: str) -> None:
    requests = {"Access-Control-Request-Method": "POST"}
    for method, headers in (("OPTIONS", requests), ("GET", {}), ("POST", {})):
        response = await api.call(method, path, headers={"Origin": origin, **headers})
        allowed = response.headers.get("Access-Control-Allow-Origin")
        assert allowed in ((None, origin) if "/public" in path else (None,))
        assert allowed != "*" or origin == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_our_own_page_gets_credentials_and_only_its_own_origin(api: Api, stack: Stack) -> None:
    for origin in (stack.dashboard_url, stack.checkout_url):
        response = await api.call("GET", "/payments", headers={"Origin": origin})
        assert response.headers.get_list("Access-Control-Allow-Origin") == [origin]
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: yes", "a\nSet-Cookie: gateway_session=mine", "<script>alert(1)</script>"]
)
def test_what_a_client_sends_never_becomes_a_header_or_markup(stack: Stack, value: str) -> None:
    """The request id is the one text of a client's that is sent back in a header."""
    with socket.create_connection(("127.0.0.1", stack.plan.ports["PORT"]), timeout=10) as connection:
        request = f"GET /api/v1/payments HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: {value}\r\n\r\n"
        connection.sendall(request.encode())
        head = connection.recv(65_536).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 4")
    assert b"x-evil" not in head
    assert b"set-cookie" not in head
    assert b"<script" not in head


async def test_a_host_header_is_never_believed(api: Api) -> None:
    """An address made from it could lead away."""
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as http:
        headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Api-Key": api.key}
        response = await http.post("/orders", json={"amount": 500}, headers={**headers, "X-Api-Secret": api.secret})
    assert response.status_code == 201
    assert "evil.example" not in response.text + str(response.headers)
