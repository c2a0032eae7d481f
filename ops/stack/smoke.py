"""One payment over HTTP, as a merchant would make it: the proof that a stack works, printed line by line.

order created -> paid by UPI -> decided -> settled by the bank -> captured
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.console.environment import enter, local_plan
from ops.console.errors import GatewayError
from ops.console.local_http import call
from ops.console.progress import console
from runtime.settings import Settings

AMOUNT_MINOR = 50_000
SETTLE_SECONDS_MAX = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Happened:
    """One step of the payment and how long it took."""

    text: str
    milliseconds: float


def smoke() -> None:
    """Make one payment on the running stack and print what happened."""
    for happened in pay_once(enter(local_plan())):
        console.print(f"    {happened.text:<66} {happened.milliseconds:7.1f} ms")


def pay_once(settings: Settings) -> Iterator[Happened]:
    """Create an order, pay it by UPI, wait for the bank, capture. Raises GatewayError at the first unexpected
    response."""
    client = _Client(settings)
    order, took = client.timed("POST", "/orders", 201, {"amount": AMOUNT_MINOR, "currency": "INR", "receipt": "smoke"})
    yield Happened(f"order {order['id']} of ₹{order['amount'] / 100:.2f} created", took)
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    payment, took = client.timed("POST", "/payments", 201, body)
    yield Happened(f"payment {payment['id']} accepted by its actor ({payment['status']})", took)
    began = time.monotonic()
    settled = _settled(client, payment["id"])
    yield Happened(f"settled by the bank: {settled['status']}", (time.monotonic() - began) * 1000)
    captured, took = client.timed("POST", f"/payments/{payment['id']}/capture", 200, {})
    if captured.get("captured") is not True:
        raise GatewayError(f"The response to the capture of {payment['id']} lacks captured: true.")
    yield Happened("captured", took)


class _Client:
    """The API with the seeded key pair."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"http://127.0.0.1:{settings.port}/api/v1"
        self._headers = {
            "X-Api-Key": settings.test_api_key,
            "X-Api-Secret": settings.test_api_secret.get_secret_value(),
        }

    def timed(
        self, method: str, path: str, expected: int, body: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], float]:
        """The response's body and the milliseconds it took; another status than expected raises."""
        began = time.monotonic()
        response = call(method, self._base + path, body=body, headers=self._headers, timeout=10.0)
        if response.status != expected:
            raise GatewayError(
                f"{method} {path} returned {response.status}, not {expected}: {str(response.body)[:300]}"
            )
        return response.body, (time.monotonic() - began) * 1000


def _settled(client: _Client, payment_id: str) -> dict[str, Any]:
    limit = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        payment, _ = client.timed("GET", f"/payments/{payment_id}", 200)
        if payment["status"] == "SUCCESS":
            return payment
        if payment["status"] == "FAILED" or time.monotonic() > limit:
            raise GatewayError(
                f"Payment {payment_id} is {payment['status']}, not SUCCESS; see `gateway journey {payment_id}`."
            )
        time.sleep(POLL_SECONDS)
