"""The services of a stack in the order in which they are stopped last."""

from __future__ import annotations

from ops.environment import StackPlan
from ops.services.base import Service
from ops.services.kafka import KafkaService
from ops.services.postgres import PostgresService
from ops.services.redis import RedisService


def services_of(plan: StackPlan) -> dict[str, Service]:
    """All three, also those that are external (their readiness is checked alike), and further brokers of our own."""
    brokers = [KafkaService(plan, number) for number in range(1, plan.kafka_brokers + 1)]
    services: list[Service] = [PostgresService(plan), RedisService(plan), *brokers]
    return {service.name: service for service in services}
