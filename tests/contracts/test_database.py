"""The simulated database keeps the contract that PostgreSQL keeps: the same scenarios against both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from domain.ids import ENDPOINT
from runtime.clock import now
from runtime.settings import Settings
from simulation.clock import EPOCH, HostClock
from simulation.database import Connection, Pool
from simulation.plan import Plan
from simulation.statements import ACCEPTED
from simulation.world import World
from store.actor import ActorStore
from store.connections import make_pool
from tests.contracts.database import SCENARIOS, Scenario
from tests.support.command_client import fresh
from tests.support.stack import Stack

STEPS_MAX = 100_000
WITHOUT_FAULTS: frozenset[str] = frozenset()


class Simulated:
    """The database of a world in which nothing goes wrong."""

    def __init__(self, world: World) -> None:
        self._database = world.database
        self._clock = HostClock(world.scheduler)
        self.pool = cast(asyncpg.Pool, Pool(world.database))
        self._settings = world.settings

    def now(self) -> datetime:
        return self._clock.now()

    def store(self) -> ActorStore:
        async def connect(*_: object, **__: object) -> Any:
            return Connection(self._database)

        return ActorStore(self._settings, connect)

    async def age(self, command_id: str, days: int) -> None:
        for table in ("commands", ACCEPTED):
            for key, row in self._database.tables[table].items():
                if row["id"] == command_id:
                    older = row["decided_at"] - timedelta(days=days)
                    self._database.tables[table][key] = row | {"decided_at": older}

    async def endpoint(self, merchant_id: str, ordering: str) -> str:
        hooks = self._database.tables["webhooks"]
        template = next(iter(hooks.values()))
        endpoint_id = fresh(ENDPOINT)
        hooks[endpoint_id] = template | {"id": endpoint_id, "merchant_id": merchant_id, "ordering": ordering}
        return endpoint_id

    async def switch(self, endpoint_id: str, *, active: bool) -> None:
        hooks = self._database.tables["webhooks"]
        hooks[endpoint_id] = hooks[endpoint_id] | {"active": active}


class Real:
    """PostgreSQL."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self._settings = settings
        self._stores: list[ActorStore] = []
        self.pool = pool

    def now(self) -> datetime:
        return now()

    def store(self) -> ActorStore:
        self._stores.append(ActorStore(self._settings))
        return self._stores[-1]

    async def age(self, command_id: str, days: int) -> None:
        statement = "UPDATE commands SET decided_at = decided_at - make_interval(days => $2) WHERE id = $1"
        await self.pool.execute(statement, command_id, days)

    async def endpoint(self, merchant_id: str, ordering: str) -> str:
        endpoint_id = fresh(ENDPOINT)
        await self.pool.execute(
            "INSERT INTO merchants (id, name, email, password_hash)"
            " VALUES ($1, 'Contract', $1 || '@example.com', 'none') ON CONFLICT DO NOTHING",
            merchant_id,
        )
        await self.pool.execute(
            "INSERT INTO webhooks (id, merchant_id, url, events, ordering, secret_sealed, secret_hint)"
            " VALUES ($1, $2, 'http://127.0.0.1:9/', '{}', $3, '', '')",
            endpoint_id,
            merchant_id,
            ordering,
        )
        return endpoint_id

    async def switch(self, endpoint_id: str, *, active: bool) -> None:
        reason = None if active else "merchant"
        statement = "UPDATE webhooks SET active = $2, disabled_reason = $3 WHERE id = $1"
        await self.pool.execute(statement, endpoint_id, active, reason)

    async def close(self) -> None:
        for store in self._stores:
            await store.stop()
        await self.pool.close()


@pytest.fixture
async def real(services: Stack) -> AsyncIterator[Real]:
    side = Real(services.settings, await make_pool(services.settings, size=4))
    yield side
    await side.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_postgresql(scenario: Scenario, real: Real) -> None:
    await scenario(real)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_database(scenario: Scenario) -> None:
    world = World(Plan(0, families=WITHOUT_FAULTS))

    async def run() -> None:
        await asyncio.sleep((now() - EPOCH).total_seconds())  # the helpers that make commands use today's deadlines
        await scenario(Simulated(world))

    world.scheduler.run(run(), steps_max=STEPS_MAX)
