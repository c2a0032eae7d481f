"""A merchant's client of the API, for tests: the raw responses, and shortcuts for the start of most tests.

async with Api(stack.api_url, KEY, SECRET) as api:
    order = await api.order(amount=50_000)
    payment = await api.paid(order["id"])
"""

from __future__ import annotations

import secrets
import time
from typing import Any

import httpx

from api.answers.idempotency import REPEATED_WITHIN_MS
from domain.ids import keyed_hour
from tests.support.eventually import eventually
from tests.support.stack import Stack

CARD = {"number": "4111111111111111", "expiry_month": "12", "expiry_year": "2039", "cvv": "123"}
PROMISED_LATER_SECONDS = 100
UNDECIDED = ("CREATED", "PROCESSING", "PENDING")

Json = dict[str, Any]


class Api:
    """One merchant. Paths are below /api/v1; `json` and `content` as httpx takes them."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.url = url
        self.key, self.secret = key, secret
        self.http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20, trust_env=False)

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.http.aclose()

    async def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        """With the merchant's credentials; `key`: the Idempotency-Key."""
        headers = httpx.Headers({"X-Api-Key": self.key, "X-Api-Secret": self.secret})
        headers.update(more.pop("headers", {}))
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.call("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        return await self.call("POST", path, json=body, key=key)

    async def public(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Without credentials."""
        return await self.http.request(method, path, **more)

    async def order(self, amount: int = 50_000, **fields: Any) -> Json:
        return taken(await self.post("/orders", {"amount": amount, **fields}))

    async def pay(self, order_id: str, *, vpa: str = "success@upi") -> Json:
        """A UPI payment as it was accepted."""
        return taken(await self.post("/payments", {"order_id": order_id, "method": "upi", "vpa": vpa}))

    async def paid(self, order_id: str | None = None, *, vpa: str = "success@upi", amount: int = 50_000) -> Json:
        """A payment that is decided, of a new order unless one is given."""
        payment = await self.pay(order_id or (await self.order(amount))["id"], vpa=vpa)
        return await self.decided(f"/payments/{payment['id']}")

    async def decided(self, path: str, *, timeout: float = 15) -> Json:
        """The resource, once its status is final."""

        async def read() -> Json | None:
            found: Json = (await self.get(path)).json()
            return None if found["status"] in UNDECIDED else found

        found = await eventually(read, timeout=timeout, what=f"a final status of {path}")
        assert found is not None
        return found


def taken(response: httpx.Response) -> Json:
    """Created, or on a machine that is too busy to decide in time, accepted: enough for a test's beginning."""
    assert response.status_code in (201, 202), response.text
    found: Json = response.json()
    return found


def created(response: httpx.Response) -> Json:
    assert response.status_code == 201, response.text
    found: Json = response.json()
    return found


def error_of(response: httpx.Response) -> Json:
    """The error of an answer, its envelope checked."""
    body = response.json()
    assert set(body) == {"error"}, body
    error: Json = body["error"]
    assert set(error) == {"code", "description", "field", "request_id"}
    assert error["request_id"] == response.headers["X-Request-Id"]
    return error


def seeded(stack: Stack) -> Api:
    """The seeded test merchant."""
    settings = stack.settings
    return Api(stack.api_url, settings.test_api_key, settings.test_api_secret.get_secret_value())


async def signed_up(stack: Stack) -> Api:
    """Another merchant, made over HTTP."""
    body = {"name": "Other Shop", "email": f"shop-{secrets.token_hex(6)}@example.com", "password": "a long password"}
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=20, trust_env=False) as http:
        merchant = created(await http.post("/api/v1/merchants", json=body))
    return Api(stack.api_url, merchant["api_key"], merchant["api_secret"])


async def when_keys_are_promised() -> None:
    """Until a request with a key that is not decided in time is answered 202 for the next half minute.

    In the first minute after the hour of keyed ids has changed it is answered 409: api/answers/idempotency.py says why.
    """

    def far_from_the_change() -> bool:
        now_ms = time.time_ns() // 1_000_000
        return keyed_hour(now_ms - REPEATED_WITHIN_MS) == keyed_hour(now_ms + 30_000)

    await eventually(far_from_the_change, timeout=PROMISED_LATER_SECONDS, interval=0.5)
