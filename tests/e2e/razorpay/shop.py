"""A merchant's program written for Razorpay: the official client, and short ways to what most tests begin with."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import Any

import razorpay
import requests

from tests.e2e.razorpay.fields import check_answer
from tests.support.stack import Stack

Json = dict[str, Any]
DECIDED_SECONDS = 60.0
CARD = {"number": "4100280000001007", "name": "A Payer", "expiry_month": "12", "expiry_year": "39", "cvv": "123"}


@dataclass(slots=True)
class DoubleShop:
    """`client` is the official one, pointed at the double by its documented option."""

    url: str
    key: str
    secret: str
    client: razorpay.Client

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request that the client would not make."""
        auth = more.pop("auth", (self.key, self.secret))
        hooks = {"response": check_answer}
        return requests.request(method, f"{self.url}{path}", auth=auth, timeout=40, hooks=hooks, **more)

    def order(self, amount: int = 50_000, **fields: Any) -> Json:
        created: Json = self.client.order.create({"amount": amount, "currency": "INR", **fields})
        return created

    def pay(self, order: Json, *, vpa: str = "success@razorpay", **fields: Any) -> str:
        """A UPI payment as it was accepted; its id."""
        means = {"method": "upi", "vpa": vpa} if "method" not in fields else {}
        body = {"amount": order["amount"], "currency": "INR", "order_id": order["id"], **means, **fields}
        payment_id: str = self.client.payment.createUpi(body)["razorpay_payment_id"]
        return payment_id

    def payment(self, payment_id: str, *, status: str) -> Json:
        """The payment once it has this status."""
        ends_at = time.monotonic() + DECIDED_SECONDS
        while True:
            found: Json = self.client.payment.fetch(payment_id)
            if found["status"] == status:
                return found
            assert time.monotonic() < ends_at, f"{payment_id} is {found['status']}, not {status}"
            time.sleep(0.05)

    def authorized(self, amount: int = 50_000, **fields: Any) -> Json:
        """A payment of a new order that waits for its capture."""
        order = self.order(amount, payment_capture=0)
        return self.payment(self.pay(order, **fields), status="authorized")

    def captured(self, amount: int = 50_000, **fields: Any) -> Json:
        """A payment of a new order that captures by itself."""
        return self.payment(self.pay(self.order(amount), **fields), status="captured")

    def error(self, answer: requests.Response, status: int = 400) -> Json:
        """The error of an answer, its envelope checked."""
        assert answer.status_code == status, answer.text
        assert answer.headers["X-Test-Double"] == "payment-gateway"
        body = answer.json()
        assert set(body) == {"error"}, body
        error: Json = body["error"]
        assert {"code", "description", "source", "step", "reason", "metadata"} <= set(error)
        assert error["code"] in ("BAD_REQUEST_ERROR", "GATEWAY_ERROR", "SERVER_ERROR")
        assert "internal_error_code" not in error
        return error


@dataclass(frozen=True, slots=True)
class Front:
    """What `gateway razorpay` printed."""

    lines: tuple[str, ...]

    def variables(self, *names: str) -> dict[str, str]:
        """The environment that these of its lines make, as a shell reads them."""
        found = {}
        for line in self.lines:
            if line.startswith("export "):
                (pair,) = shlex.split(line.removeprefix("export "), comments=True)
                name, _, value = pair.partition("=")
                found[name] = value
        return {name: found[name] for name in names}

    @property
    def rules(self) -> str:
        """Of Chromium's --host-resolver-rules."""
        (line,) = [line for line in self.lines if "--host-resolver-rules" in line]
        return line.split("'")[1]


def opened(stack: Stack, key: str, secret: str) -> DoubleShop:
    client = razorpay.Client(auth=(key, secret), base_url=stack.api_url)
    client.session.trust_env = False
    client.session.hooks["response"].append(check_answer)
    return DoubleShop(stack.api_url, key, secret, client)
