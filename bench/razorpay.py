"""What the Razorpay double costs: each call through `/api/v1` and through `/v1`, alternately, on a stack of its own.

    python -m bench.razorpay [--count 300]

One connection, one request at a time, so that the difference is the translation and what the double keeps beside.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import statistics
import time

import orjson

from bench.http import Connection, Target, connect
from tests.support.stack import ALL_ROLES, Stack, running_stack


class Pair:
    """One merchant's connection and what both APIs are asked about."""

    def __init__(self, target: Target, connection: Connection) -> None:
        self._target = target
        self._connection = connection

    async def timed(self, request: bytes) -> float:
        """Seconds. An answer that is no success ends the measurement."""
        began = time.perf_counter()
        status, body = await self._connection.request(request)
        assert status < 300, body
        return time.perf_counter() - began

    async def made(self, path: str, body: object) -> str:
        """The id of a new resource."""
        status, answer = await self._connection.request(self._target.post(path, body))
        assert status < 300, answer
        return str(orjson.loads(answer)["id"])

    def get(self, path: str) -> bytes:
        return b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), self._target.headers)


async def measure(stack: Stack, count: int) -> None:
    settings = stack.settings
    credentials = f"{settings.test_api_key}:{settings.test_api_secret.get_secret_value()}"
    basic = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
    target = Target.of(stack.api_url, basic)
    pair = Pair(target, await connect(target))
    order = {"amount": 50_000, "currency": "INR", "receipt": "bench"}
    order_id = await pair.made("/v1/orders", order)
    calls = {
        "create an order": (target.post("/api/v1/orders", order), target.post("/v1/orders", order)),
        "read an order": (pair.get(f"/api/v1/orders/{order_id}"), pair.get(f"/v1/orders/{order_id}")),
        "list ten orders": (pair.get("/api/v1/orders?limit=10"), pair.get("/v1/orders?count=10")),
    }
    print(f"{'milliseconds, median of ' + str(count):<30}{'main':>8}{'double':>8}{'ratio':>8}")
    for name, (main, double) in calls.items():
        ours, theirs = [], []
        for _ in range(count):
            ours.append(await pair.timed(main))
            theirs.append(await pair.timed(double))
        one, other = statistics.median(ours) * 1_000, statistics.median(theirs) * 1_000
        print(f"{name:<30}{one:>8.2f}{other:>8.2f}{other / one:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    arguments = parser.parse_args()
    with running_stack(roles=ALL_ROLES, env={"API_WORKERS": "1"}) as stack:
        asyncio.run(measure(stack, arguments.count))


if __name__ == "__main__":
    main()
