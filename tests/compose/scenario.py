"""What is checked against the published ports of the containers: the life of a payment, jobs, pages, invariants.

Only HTTP from outside and `docker-compose exec`; nothing of the project runs in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

KEY = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}
SETTLED_SECONDS_MAX = 20.0
AMOUNT_MINOR = 50_000


class Gateway:
    """A merchant with the seeded key, outside of the containers."""

    def __init__(self, ports: Mapping[str, str]) -> None:
        self._ports = ports
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{ports['PORT']}/api/v1", headers=KEY, timeout=10)

    def lives_a_payment(self) -> str:
        """Order, payment, settlement, capture and two refunds, each as the contract words it; the payment's id."""
        order = self._sent("POST", "/orders", 201, {"amount": AMOUNT_MINOR, "receipt": "compose"})
        payment = self._sent("POST", "/payments", 201, {"order_id": order["id"], "method": "upi", "vpa": "success@upi"})
        self._reads(f"/payments/{payment['id']}", lambda read: read["status"] == "SUCCESS")
        captured = self._sent("POST", f"/payments/{payment['id']}/capture", 200, {})
        assert captured["captured"] is True, captured
        for amount in (20_000, 30_000):
            refund = self._sent("POST", f"/payments/{payment['id']}/refunds", 201, {"amount": amount})
            self._reads(f"/refunds/{refund['id']}", lambda read: read["status"] == "PROCESSED")
        read = self._sent("GET", f"/payments/{payment['id']}", 200)
        assert read["amount_refunded"] == AMOUNT_MINOR, read
        too_much = self._client.post(f"/payments/{payment['id']}/refunds", json={"amount": 1})
        assert too_much.status_code == 400, too_much.text
        return str(payment["id"])

    def declines_a_card(self) -> None:
        order = self._sent("POST", "/orders", 201, {"amount": AMOUNT_MINOR})
        card = {"number": "4000000000000002", "expiry_month": 12, "expiry_year": 2040, "cvv": "123"}
        payment = self._sent("POST", "/payments", 201, {"order_id": order["id"], "method": "card", "card": card})
        read = self._reads(f"/payments/{payment['id']}", lambda read: read["status"] == "FAILED")
        assert read["error_code"] == "CARD_DECLINED", read

    def replays_a_key(self) -> None:
        """The same Idempotency-Key twice: one order, answered byte for byte."""
        sent = {"json": {"amount": AMOUNT_MINOR}, "headers": {"Idempotency-Key": f"compose-{time.time_ns()}"}}
        first, second = (self._client.post("/orders", **sent) for _ in range(2))  # type: ignore[arg-type]  # plain kwargs
        assert (first.status_code, first.content) == (second.status_code, second.content), second.text
        assert second.headers["Idempotent-Replayed"] == "true"

    def counts_its_jobs(self) -> None:
        self._reads("/test/jobs/status", lambda read: read["worker_status"] == "running" and read["completed"] >= 1)

    def is_healthy(self) -> None:
        health = httpx.get(f"http://127.0.0.1:{self._ports['PORT']}/health", timeout=10)
        assert health.status_code == 200, health.text
        assert health.json()["status"] == "healthy"

    def serves_its_pages(self) -> None:
        """Checkout, SDK, dashboard and documentation, and the address of the API that they are told."""
        checkout, dashboard = (f"http://127.0.0.1:{self._ports[name]}" for name in ("CHECKOUT_PORT", "DASHBOARD_PORT"))
        for url in (
            f"{checkout}/gateway.js",
            f"{checkout}/checkout",
            f"{dashboard}/login",
            f"{dashboard}/config.json",
            f"{dashboard}/docs/",
        ):
            response = httpx.get(url, timeout=10)
            assert response.status_code == 200, f"{url}: {response.status_code}"
        configuration = httpx.get(f"{checkout}/config.json", timeout=10).text
        assert f"http://localhost:{self._ports['PORT']}" in configuration, configuration

    def _reads(self, path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read until it is so, at most SETTLED_SECONDS_MAX."""
        limit = time.monotonic() + SETTLED_SECONDS_MAX
        while not done(read := self._sent("GET", path, 200)):
            assert time.monotonic() < limit, f"{path} is still {read}"
            time.sleep(0.1)
        return read

    def _sent(self, method: str, path: str, expected: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._client.request(method, path, json=body)
        assert response.status_code == expected, f"{method} {path}: {response.status_code} {response.text}"
        found: dict[str, Any] = response.json()
        return found


def checks(gateway: Gateway) -> tuple[Callable[[], object], ...]:
    """In the order in which they are run."""
    return (
        gateway.is_healthy,
        gateway.lives_a_payment,
        gateway.declines_a_card,
        gateway.replays_a_key,
        gateway.counts_its_jobs,
        gateway.serves_its_pages,
    )
