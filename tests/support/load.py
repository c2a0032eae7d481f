"""Honest clients under faults: every POST has a key and is repeated until it gets a response; every response is
recorded.

load = Load(stack, seed=1); await load.run(seconds=30)      or: async with load.running(): ... faults ...
load.promises       id -> kind of everything that a 2xx spoke of
await load.broken_promises(pool)                            those that do not exist: must be empty
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg

from tests.support.stack import Stack

INSTRUMENTS = ("success@upi",) * 6 + ("failure@upi", "unknown@upi", "timeout@upi", "late@upi")
TRIES_MAX = 200
PAUSE_SECONDS = 0.25
TABLES = {"order_": "orders", "pay_": "payments", "rfnd_": "refunds"}
REFUSED = """
SELECT p.resource_id
  FROM promises p
  JOIN commands c
    ON c.id = p.command_id
   AND c.nonce = p.nonce
   AND c.rejected
"""


class Load:
    """A few clients, each at one lifecycle after another: order, payment, perhaps a capture, perhaps refunds."""

    def __init__(self, stack: Stack, *, seed: int, clients: int = 6) -> None:
        self._stack = stack
        self._random = random.Random(seed)
        self._clients = clients
        self._stopping = False
        self._numbers = itertools.count()
        self._prefix = f"load-{seed}-{time.monotonic_ns()}"
        self.promises: dict[str, str] = {}
        self.twice: list[str] = []
        """Keys that were answered with two different resources."""
        self.wrong: list[str] = []
        """Answers that no fault excuses: 5xx other than 503, refusals that make no sense."""
        self.responded_at: list[float] = []
        self.statuses: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """Load while the body runs; every client ends its lifecycle afterwards."""
        async with self._session() as http, asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._client(http))
            try:
                yield self
            finally:
                self._stopping = True

    def longest_gap_seconds(self) -> float:
        """Between two good answers of any clients."""
        return max((later - earlier for earlier, later in itertools.pairwise(self.responded_at)), default=0.0)

    async def broken_promises(self, database: asyncpg.Connection) -> list[str]:
        """Promised ids without a row, but for those whose request was refused since: that can be read."""
        missing: list[str] = []
        refused = {row["resource_id"] for row in await database.fetch(REFUSED)}
        for prefix, table in TABLES.items():
            expected = [one for one in self.promises if one.startswith(prefix)]
            rows = await database.fetch(f"SELECT id FROM {table} WHERE id = ANY($1)", expected)
            missing += sorted(set(expected) - {row["id"] for row in rows} - refused)
        return missing

    def _session(self) -> aiohttp.ClientSession:
        settings = self._stack.settings
        secret = settings.test_api_secret.get_secret_value()
        headers = {"X-Api-Key": settings.test_api_key, "X-Api-Secret": secret}
        return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10))

    async def _client(self, http: aiohttp.ClientSession) -> None:
        while not self._stopping:
            order = await self._post(http, "/orders", {"amount": 50_000})
            if order is None:
                continue
            body = {"order_id": order["id"], "method": "upi", "vpa": self._random.choice(INSTRUMENTS)}
            payment = await self._post(http, "/payments", body)
            if payment is not None and body["vpa"] == "success@upi":
                await self._follow(http, payment["id"])

    async def _follow(self, http: aiohttp.ClientSession, payment_id: str) -> None:
        """Wait for the outcome a while; then capture, refund, both or neither."""
        for _ in range(40):
            found = await self._get(http, f"/payments/{payment_id}")
            if self._stopping or (found is not None and found["status"] not in ("CREATED", "PROCESSING")):
                break
            await asyncio.sleep(0.1)
        if found is None or found["status"] != "SUCCESS":
            return
        if self._random.random() < 0.4:
            await self._post(http, f"/payments/{payment_id}/capture", {})
        for _ in range(self._random.choice((0, 1, 1, 2, 3))):
            amount = self._random.choice((10_000, 20_000, 30_000))
            await self._post(http, f"/payments/{payment_id}/refunds", {"amount": amount})

    async def _post(self, http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The resource; None if it is refused for a reason of state. Repeats with the same key until answered."""
        key = f"{self._prefix}-{next(self._numbers)}"
        for _ in range(TRIES_MAX):
            status, response = await self._request(http, "POST", path, body, key)
            if status in (200, 201, 202):
                await self._promised(http, path, body, key, response)
                return response
            if status == 400:
                return None
            if status not in (0, 404, 409, 503):
                self.wrong.append(f"{path}: {status} {response}")
                return None
            await asyncio.sleep(PAUSE_SECONDS)
        self.wrong.append(f"{path}: no answer in {TRIES_MAX} tries")
        return None

    async def _promised(
        self, http: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str, response: dict[str, Any]
    ) -> None:
        self.responded_at.append(time.monotonic())
        self.promises[response["id"]] = path
        if self._random.random() < 0.05:
            status, again = await self._request(http, "POST", path, body, key)
            if status in (200, 201, 202) and again["id"] != response["id"]:
                self.twice.append(f"{key}: {response['id']} and {again['id']}")

    async def _get(self, http: aiohttp.ClientSession, path: str) -> dict[str, Any] | None:
        status, response = await self._request(http, "GET", path, None, None)
        if status == 404:
            self.wrong.append(f"GET {path}: 404 after it was promised")
        return response if status == 200 else None

    async def _request(
        self, http: aiohttp.ClientSession, method: str, path: str, body: object, key: str | None
    ) -> tuple[int, dict[str, Any]]:
        """(status, body); status 0: no answer, whether it was taken is unknown."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        url = f"{self._stack.api_url}/api/v1{path}"
        try:
            async with http.request(method, url, json=body, headers=headers) as response:
                self.statuses[f"{method} {response.status}"] += 1
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.statuses[f"{method} none"] += 1
            return 0, {}
