"""A merchant of a test's own, signed up over the API: its key pair, a client that uses it, and browsers that sign in.

async with signed_up(stack) as merchant:
    payment = await merchant.pay(vpa="success@upi")
    async with merchant.browser() as browser: ...
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.api import CARD
from tests.support.eventually import eventually
from tests.support.stack import Stack

PASSWORD = "a password of tests"


def api_client(stack: Stack, **options: Any) -> httpx.AsyncClient:
    """A client of the stack's API, without credentials of its own."""
    return httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", timeout=15, **options)


@dataclass(slots=True)
class SignedUp:
    """`client` presents the key pair."""

    stack: Stack
    id: str
    email: str
    key: str
    secret: str
    client: httpx.AsyncClient

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Api-Key": self.key, "X-Api-Secret": self.secret}

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a 200."""
        return body_of(await self.client.get(path, params=parameters), 200)

    async def order(self, *, amount: int = 50_000, currency: str = "INR") -> dict[str, Any]:
        return body_of(await self.client.post("/orders", json={"amount": amount, "currency": currency}), 201)

    async def pay(
        self, *, vpa: str = "success@upi", amount: int = 50_000, currency: str = "INR", status: str = "SUCCESS"
    ) -> dict[str, Any]:
        """A payment of an order of its own, by UPI, or by card where it is not in rupees; returned in this status."""
        order = await self.order(amount=amount, currency=currency)
        means = {"method": "upi", "vpa": vpa} if currency == "INR" else {"method": "card", "card": CARD}
        body = {"order_id": order["id"], **means}
        payment = body_of(await self.client.post("/payments", json=body), 201)
        return await self.until("/payments", payment["id"], status)

    async def refund(self, payment_id: str, *, amount: int, reason: str | None = None) -> dict[str, Any]:
        body = {"amount": amount, "reason": reason}
        refund = body_of(await self.client.post(f"/payments/{payment_id}/refunds", json=body), 201)
        return await self.until("/refunds", refund["id"], "FAILED" if reason == "fail_refund" else "PROCESSED")

    async def until(self, path: str, resource_id: str, status: str) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.get(f"{path}/{resource_id}")
            return found if found["status"] == status else None

        found = await eventually(reached, timeout=20, what=f"{resource_id} to be {status}")
        assert found is not None
        return found

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client that is signed in: the session's cookie, and the CSRF token on every request."""
        async with api_client(self.stack) as client:
            response = await client.post("/auth/login", json={"email": self.email, "password": PASSWORD})
            client.headers["X-CSRF-Token"] = body_of(response, 200)["csrf_token"]
            yield client


@asynccontextmanager
async def signed_up(stack: Stack, name: str = "Shop") -> AsyncIterator[SignedUp]:
    email = f"{secrets.token_hex(8)}@example.com"
    async with api_client(stack) as client:
        body = {"name": name, "email": email, "password": PASSWORD}
        merchant = body_of(await client.post("/merchants", json=body), 201)
        client.cookies.clear()
        found = SignedUp(stack, merchant["id"], email, merchant["api_key"], merchant["api_secret"], client)
        client.headers.update(found.headers)
        yield found


def body_of(response: httpx.Response, status: int) -> Any:
    """The body of an answer that must have this status."""
    assert response.status_code == status, (
        f"{response.request.method} {response.request.url}: {response.status_code} {response.text}"
    )
    return response.json() if response.content else None
