"""A stack whose retry schedule fits into a test, and one merchant with a receiver for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from domain.ids import MERCHANT
from runtime.clock import make_id
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack, running_stack

ROLES = ("api", "payments", "processor", "sweeper", "planner", "dispatcher", "forwarder", "jobs")
ENVIRONMENT = {"WEBHOOK_RETRY_INTERVALS_TEST": "0,1,1", "WEBHOOK_TIMEOUT_MS": "1500", "API_WORKERS": "1"}


@pytest.fixture(scope="package")
def webhook_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Three attempts: now, after a second, after another."""
    with running_stack(roles=ROLES, env=ENVIRONMENT, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@dataclass(slots=True)
class Merchant:
    """Signed up over HTTP. `call` is authenticated and expects success; `shop` pays; `receiver` gets the webhooks."""

    client: httpx.AsyncClient
    receiver: Receiver
    shop: Shop
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        response = await self.client.request(method, f"/api/v1{path}", json=body, headers=self.headers)
        assert response.status_code == expect, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def endpoint(self, path: str = "/hook", **fields: Any) -> dict[str, Any]:
        """Create an endpoint for a path of the receiver."""
        body = {"url": self.receiver.url(path), **fields}
        created: dict[str, Any] = await self.call("POST", "/webhook-endpoints", body, expect=201)
        return created

    async def logs(self, **filters: Any) -> list[dict[str, Any]]:
        """The delivery log over HTTP, newest first."""
        query = "&".join(f"{name}={value}" for name, value in {"limit": 100, **filters}.items())
        page = await self.call("GET", f"/webhooks?{query}")
        return list(page["data"])


@pytest.fixture
async def merchant(webhook_stack: Stack) -> AsyncIterator[Merchant]:
    async with (
        httpx.AsyncClient(base_url=webhook_stack.api_url, timeout=10) as client,
        receiver() as receiving,
        open_shop(webhook_stack.settings) as shop,
    ):
        response = await eventually(lambda: _sign_up(client), timeout=30)
        client.cookies.clear()
        signed_up = response.json()
        shop.merchant_id = signed_up["id"]
        headers = {"X-Api-Key": signed_up["api_key"], "X-Api-Secret": signed_up["api_secret"]}
        yield Merchant(client, receiving, shop, headers)


async def _sign_up(client: httpx.AsyncClient) -> httpx.Response:
    """A busy machine may answer 503: try again, as its text says."""
    body = {"name": "Shop", "email": f"{make_id(MERCHANT)}@example.com", "password": "correct horse battery"}
    response = await client.post("/api/v1/merchants", json=body)
    assert response.status_code == 201, response.text
    return response
