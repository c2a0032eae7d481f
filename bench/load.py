"""Two kinds of load: closed loop (as many lifecycles as go, N in flight) and open loop (a fixed rate, honest waits).

In the open loop a request's time begins when it was due, not when a connection was free: a stall counts for every
request that it delayed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import orjson

from bench.http import Connection, Target, connect

ORDERS, PAYMENTS = "/api/v1/orders", "/api/v1/payments"
UPI = {"method": "upi", "vpa": "success@upi"}
ORDER = {"amount": 50_000, "currency": "INR", "receipt": "bench-0001", "notes": {"cart": "4711"}}


@dataclass(slots=True)
class Taken:
    """The measurements of one run of load. Times in seconds."""

    order_seconds: list[float] = field(default_factory=list)
    payment_seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    payment_sent_at: dict[str, float] = field(default_factory=dict)
    """Payment id -> perf_counter when its request was due."""
    began_at: dict[str, float] = field(default_factory=dict)
    """Payment id -> perf_counter when the first request of its lifecycle was due."""
    broken: int = 0

    @property
    def paid(self) -> int:
        return len(self.payment_sent_at)


def percentile(seconds: list[float], share: float) -> float:
    """Milliseconds; 0 if nothing was measured."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1_000


async def closed_loop(target: Target, *, in_flight: int, count: int, one_request: bool = False) -> Taken:
    """`count` lifecycles, `in_flight` at a time: order, then its payment. `one_request`: both at once."""
    taken, left = Taken(), iter(range(count))
    order, both = target.post(ORDERS, ORDER), target.post(PAYMENTS, {"order": ORDER, **UPI})

    async def worker() -> None:
        connection = await connect(target)
        for _ in left:
            if one_request:
                await _send_payment(connection, both, time.perf_counter(), taken)
            else:
                await _lifecycle(target, connection, order, taken)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(worker())
    return taken


async def _lifecycle(target: Target, connection: Connection, order: bytes, taken: Taken) -> None:
    began = time.perf_counter()
    status, body = await connection.request(order)
    now = time.perf_counter()
    taken.statuses[status] += 1
    taken.order_seconds.append(now - began)
    if status == 201:
        await _pay(target, connection, orjson.loads(body)["id"], now, taken, began_at=began)


async def _pay(
    target: Target, connection: Connection, order_id: str, due_at: float, taken: Taken, *, began_at: float | None = None
) -> None:
    request = target.post(PAYMENTS, {"order_id": order_id, **UPI})
    await _send_payment(connection, request, due_at, taken, began_at=began_at)


async def _send_payment(
    connection: Connection, request: bytes, due_at: float, taken: Taken, *, began_at: float | None = None
) -> None:
    status, body = await connection.request(request)
    taken.statuses[status] += 1
    taken.payment_seconds.append(time.perf_counter() - due_at)
    if status in (201, 202):
        payment_id = orjson.loads(body)["id"]
        taken.payment_sent_at[payment_id] = due_at
        taken.began_at[payment_id] = due_at if began_at is None else began_at


async def open_loop(target: Target, *, per_second: float, seconds: float, connections: int = 64) -> Taken:
    """POST /payments at a fixed rate on orders made beforehand."""
    count = int(per_second * seconds)
    orders = await _orders(target, count)
    pool: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(connections):
        pool.put_nowait(await connect(target))
    taken = Taken()
    start = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number, order_id in enumerate(orders):
            due_at = start + number / per_second
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            group.create_task(_pay_when_free(target, pool, order_id, due_at, taken))
    while not pool.empty():
        pool.get_nowait().close()
    return taken


async def _pay_when_free(
    target: Target, pool: asyncio.LifoQueue[Connection], order_id: str, due_at: float, taken: Taken
) -> None:
    connection = await pool.get()
    try:
        if not connection.is_open:
            connection = await connect(target)
        await _pay(target, connection, order_id, due_at, taken)
    except OSError:
        taken.broken += 1
        connection.close()
    finally:
        pool.put_nowait(connection)


async def _orders(target: Target, count: int) -> list[str]:
    request, orders, left = target.post(ORDERS, ORDER), [], iter(range(count))

    async def worker() -> None:
        connection = await connect(target)
        for _ in left:
            status, body = await connection.request(request)
            assert status == 201, (status, body)
            orders.append(orjson.loads(body)["id"])
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(32, count)):
            group.create_task(worker())
    return orders


async def one_at_a_time(target: Target, *, count: int, one_request: bool = False) -> Taken:
    """Lifecycles with nothing else in flight."""
    return await closed_loop(target, in_flight=1, count=count, one_request=one_request)
