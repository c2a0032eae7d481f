"""The cost of the Razorpay double: each call through `/api/v1` and through `/v1`, alternately, on a stack of its own.

    python -m bench.razorpay [--count 300]

One connection, one request at a time, so that the difference is the translation and the double's own rows. Exit code 1
if a call exceeds the bound.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from bench.http import Connection, Target, connect
from tests.support.eventually import eventually
from tests.support.stack import ALL_ROLES, Stack, running_stack

AMOUNT, REFUND = 50_000, 100
SETTLED_SECONDS = 60.0

BOUND = 1.3
"""The most that a call through the double may cost, as a multiple of the same call of the main API."""
Request = Callable[[int], bytes]
"""Number of the repetition -> the bytes to send."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to do, through either API."""

    name: str
    main: Request
    double: Request


class Client:
    """One merchant's connection."""

    def __init__(self, target: Target, connection: Connection) -> None:
        self.target = target
        self._connection = connection

    async def timed(self, request: bytes) -> float:
        """Seconds. An unsuccessful response ends the measurement."""
        began = time.perf_counter()
        await self.send(request)
        return time.perf_counter() - began

    async def send(self, request: bytes) -> dict[str, Any]:
        status, body = await self._connection.request(request)
        assert status < 300, body
        found: dict[str, Any] = orjson.loads(body)
        return found

    async def order(self, amount: int = AMOUNT, capture: str = "automatic") -> str:
        """Id of a new order, captured with its success by default."""
        body = {"amount": amount, "currency": "INR", "capture": capture}
        return str((await self.send(self.target.post("/api/v1/orders", body)))["id"])

    async def captured(self, amount: int) -> str:
        """Id of a payment that is captured."""
        made = await self.send(self.target.post("/v1/payments/create/upi", upi(await self.order(amount), amount)))
        payment_id = str(made["razorpay_payment_id"])
        await eventually(lambda: self._is(payment_id, "captured"), timeout=SETTLED_SECONDS)
        return payment_id

    async def authorized(self, count: int) -> list[str]:
        """Ids of payments that wait for their capture."""
        orders = [await self.order(capture="manual") for _ in range(count)]
        made = [await self.send(self.target.post("/v1/payments/create/upi", upi(order_id))) for order_id in orders]
        payments = [str(one["razorpay_payment_id"]) for one in made]
        for payment_id in payments:
            await eventually(partial(self._is, payment_id, "authorized"), timeout=SETTLED_SECONDS)
        return payments

    async def _is(self, payment_id: str, status: str) -> bool:
        return bool((await self.send(self.target.get(f"/v1/payments/{payment_id}")))["status"] == status)


def upi(order_id: str, amount: int = AMOUNT) -> dict[str, Any]:
    means = {"method": "upi", "vpa": "success@razorpay"}
    return {"amount": amount, "currency": "INR", "order_id": order_id, **means}


async def calls_of(client: Client, count: int) -> AsyncIterator[Call]:
    """The calls, each prepared when it is about to be measured."""
    order = {"amount": AMOUNT, "currency": "INR", "receipt": "bench"}
    order_id = await client.order()
    paid, also_paid = [await client.captured(REFUND * (count + 10)) for _ in range(2)]
    post, get = client.target.post, client.target.get
    yield Call("create an order", lambda _: post("/api/v1/orders", order), lambda _: post("/v1/orders", order))
    yield Call("read an order", lambda _: get(f"/api/v1/orders/{order_id}"), lambda _: get(f"/v1/orders/{order_id}"))
    yield Call("list ten orders", lambda _: get("/api/v1/orders?limit=10"), lambda _: get("/v1/orders?count=10"))
    yield Call("read a payment", lambda _: get(f"/api/v1/payments/{paid}"), lambda _: get(f"/v1/payments/{paid}"))
    yield Call("list ten payments", lambda _: get("/api/v1/payments?limit=10"), lambda _: get("/v1/payments?count=10"))
    main, double = [[await client.order() for _ in range(count)] for _ in range(2)]
    yield Call(
        "pay an order",
        lambda number: post("/api/v1/payments", {"order_id": main[number], "method": "upi", "vpa": "success@upi"}),
        lambda number: post("/v1/payments/create/upi", upi(double[number])),
    )
    yield Call(
        "refund a part",
        lambda _: post(f"/api/v1/payments/{paid}/refunds", {"amount": REFUND}),
        lambda _: post(f"/v1/payments/{also_paid}/refund", {"amount": REFUND}),
    )
    refund = str((await client.send(post(f"/v1/payments/{paid}/refund", {"amount": REFUND})))["id"])
    yield Call("read a refund", lambda _: get(f"/api/v1/refunds/{refund}"), lambda _: get(f"/v1/refunds/{refund}"))
    waiting, also_waiting = [await client.authorized(count) for _ in range(2)]
    yield Call(
        "capture a payment",
        lambda number: post(f"/api/v1/payments/{waiting[number]}/capture", {"amount": AMOUNT}),
        lambda number: post(f"/v1/payments/{also_waiting[number]}/capture", {"amount": AMOUNT}),
    )


async def measure(stack: Stack, count: int) -> bool:
    """Print the table; whether every call stays within the bound."""
    settings = stack.settings
    credentials = f"{settings.test_api_key}:{settings.test_api_secret.get_secret_value()}"
    basic = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
    target = Target.of(stack.api_url, basic)
    client = Client(target, await connect(target))
    print(f"{'milliseconds, median of ' + str(count):<30}{'main':>8}{'double':>8}{'ratio':>8}")
    within = True
    async for call in calls_of(client, count):
        ours, theirs = [], []
        for number in range(count):
            ours.append(await client.timed(call.main(number)))
            theirs.append(await client.timed(call.double(number)))
        one, other = statistics.median(ours) * 1_000, statistics.median(theirs) * 1_000
        within = within and other <= one * BOUND
        print(f"{call.name:<30}{one:>8.2f}{other:>8.2f}{other / one:>8.2f}")
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    arguments = parser.parse_args()
    with running_stack(roles=ALL_ROLES, env={"API_WORKERS": "1"}) as stack:
        within = asyncio.run(measure(stack, arguments.count))
    if not within:
        sys.exit(f"a call costs more than {BOUND} times the main API's")


if __name__ == "__main__":
    main()
