"""The services of a stack in the order in which they are stopped last."""

from __future__ import annotations

from ops.environment import StackPlan
from ops.services.base import Service
from ops.services.kafka import KafkaService
from ops.services.postgres import PostgresService
from ops.services.redis import RedisService

SERVICES: dict[str, type[Service]] = {
    "postgres": PostgresService,
    "redis": RedisService,
    "kafka": KafkaService,
}


def services_of(plan: StackPlan) -> dict[str, Service]:
    """All three, also those that are external: their readiness is checked alike."""
    return {name: service(plan) for name, service in SERVICES.items()}
