"""A seed's clients against a gateway that runs, judged by the same promises: `python -m simulation --real --seed 7`.

    clients ─► wait until none of their requests is undecided ─► read everything back ─► judge by rows and events

The gateway is the one of the settings (`gateway up`), whatever happens to it during the run; its test merchant is used.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson

from domain.ids import ORDER, is_id
from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund
from runtime.clock import random_token
from runtime.settings import Settings
from simulation.merchants import Merchant
from simulation.plan import Plan
from simulation.promises import Facts, Findings, Violation, judge_clients, judge_money
from simulation.workload import ORDERS, Call, Shop
from store.actor import ActorStore
from store.connections import make_pool
from store.operations.inspection import events_of

REQUEST_SECONDS_MAX = 15.0
SETTLE_SECONDS_MAX = 180.0
"""The bank's silence, the deadline of an attempt, and the sweeper's questions after it."""
UNDECIDED = frozenset({"CREATED", "PROCESSING", "PENDING"})


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of a run."""

    requests: int
    accepted: int
    unresolved: int
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        kept = "every promise was kept" if not self.violations else f"{len(self.violations)} promises were broken"
        return f"{self.requests} requests, {self.accepted} accepted, {self.unresolved} without an answer; {kept}"


class HttpFront:
    """A running gateway, over HTTP. Use as an async context manager."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.api_url.rstrip('/')}/api/v1"
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def now(self) -> float:
        return time.monotonic()

    def note(self, kind: str, text: str, about: str) -> None:
        """No history is recorded."""

    async def call(self, call: Call, worker: int) -> tuple[int, Any]:
        """The kernel chooses the worker. Raises OSError: unknown, or not taken."""
        headers = {"X-Api-Key": call.merchant.key, "X-Api-Secret": call.merchant.secret}
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        try:
            async with self._http.request(
                call.method, self._base + call.path, json=call.body, headers=headers
            ) as response:
                return response.status, orjson.loads(await response.read())
        except aiohttp.ClientConnectorError as error:
            raise ConnectionRefusedError(str(error)) from error
        except (aiohttp.ClientError, orjson.JSONDecodeError) as error:
            raise ConnectionResetError(str(error)) from error


async def run_real(settings: Settings, plan: Plan) -> Judged:
    """The plan's clients against the gateway of these settings. Raises TimeoutError if it does not come to rest."""
    secret = settings.test_api_secret.get_secret_value()
    merchant = Merchant("test_merchant", settings.test_api_key, secret, ())
    shop = Shop(plan, [merchant], keys=f"real-{random_token()[:12]}", codes=False)
    async with HttpFront(settings) as front:
        await shop.run(front)
        orders = await _settled(settings, shop)
        await shop.read_back(front)
    found = Findings()
    facts = await _facts(settings, orders)
    _name_by_server(shop)
    judge_clients(facts, shop, found)
    judge_money(facts, found)
    tries = [one for intent in shop.intents for one in intent.tries]
    return Judged(
        shop.requests,
        sum(one.accepted for one in tries),
        sum(one.status is None for one in tries),
        tuple(found.violations),
    )


def _name_by_server(shop: Shop) -> None:
    """A refusal contains the gateway's id of the request, which finds its effects."""
    for intent in shop.intents:
        for one in intent.tries:
            if one.refused:
                one.request_id = one.body["error"]["request_id"]


async def _settled(settings: Settings, shop: Shop) -> dict[str, Order]:
    """The clients' orders, once no payment and no refund of them is undecided."""
    ids = sorted(
        {
            name
            for intent in shop.intents
            if intent.kind in ORDERS
            for one in intent.accepted_tries
            for name in intent.names(one)
            if is_id(ORDER, name)
        }
    )
    store = ActorStore(settings)
    try:
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            while True:
                orders = await store.load_orders(ids)
                if not any(_is_open(order) for order in orders.values()):
                    return orders
                await asyncio.sleep(0.5)
    finally:
        await store.stop()


def _is_open(order: Order) -> bool:
    parts: list[Payment | Refund] = [*order.payments, *order.refunds]
    return any(part.status in UNDECIDED for part in parts)


def _row_of(resource: Order | Payment | Refund) -> dict[str, Any]:
    return {name: getattr(resource, name) for name in type(resource).__slots__}


async def _facts(settings: Settings, orders: dict[str, Order]) -> Facts:
    rows: dict[str, dict[str, Any]] = {}
    effects: dict[str, list[str]] = {}
    pool = await make_pool(settings, size=1)
    try:
        for order_id, order in orders.items():
            resources: list[Order | Payment | Refund] = [order, *order.payments, *order.refunds]
            rows |= {one.id: _row_of(one) for one in resources}
            for event in await events_of(pool, order_id):
                effects.setdefault(str(event.record["request_id"]), []).append(event.type)
    finally:
        await pool.close()
    return Facts(rows, effects)
