"""The simulated log keeps the contract that Kafka keeps: the same scenarios against both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
from aiokafka.admin import NewTopic

from agents.kafka import Kafka
from runtime.clock import random_token
from runtime.settings import Settings
from simulation.clock import HostClock
from simulation.kafka import ConsumerClient, ProducerClient
from simulation.plan import Plan
from simulation.world import World
from tests.contracts.log import SCENARIOS, Scenario
from tests.support.stack import Stack
from topics.admin import admin_client
from topics.catalogue import FOR_EVER, Topic

STEPS_MAX = 200_000
WITHOUT_FAULTS: frozenset[str] = frozenset()


class Simulated:
    """The log of a world in which nothing goes wrong."""

    def __init__(self, world: World) -> None:
        self.topic = "contract"
        world.broker.add(Topic(self.topic, "any", 2, FOR_EVER, "the contract's records"))
        self.kafka = Kafka(
            world.settings,
            clock=HostClock(world.scheduler),
            make_producer=cast(Any, partial(ProducerClient, world)),
            make_consumer=cast(Any, partial(ConsumerClient, world)),
        )


class Real:
    """Kafka."""

    def __init__(self, settings: Settings) -> None:
        self.topic = f"contract-{random_token()[:12]}"
        self.kafka = Kafka(settings)


@pytest.fixture
async def real(services: Stack) -> AsyncIterator[Real]:
    side = Real(services.settings)
    async with admin_client(services.settings) as client:
        await client.create_topics([NewTopic(side.topic, num_partitions=2, replication_factor=1)])
        yield side
        await client.delete_topics([side.topic])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_kafka(scenario: Scenario, real: Real) -> None:
    await scenario(real)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_log(scenario: Scenario) -> None:
    world = World(Plan(0, families=WITHOUT_FAULTS))

    async def run() -> None:
        await scenario(Simulated(world))

    world.scheduler.run(run(), steps_max=STEPS_MAX)
