"""The services of a stack in the order in which they are stopped last."""

from __future__ import annotations

from ops.console.environment import ETCD_MEMBERS, StackPlan
from ops.stack.services.base import Service
from ops.stack.services.etcd import EtcdService
from ops.stack.services.kafka import KafkaService
from ops.stack.services.patroni import PatroniService
from ops.stack.services.postgres import PostgresService
from ops.stack.services.redis import RedisService


def services_of(plan: StackPlan) -> dict[str, Service]:
    """All three, also those that are external (their readiness is checked alike), and further brokers of our own."""
    brokers = [KafkaService(plan, number) for number in range(1, plan.kafka_brokers + 1)]
    services: list[Service] = [*_postgres(plan), RedisService(plan), *brokers]
    return {service.name: service for service in services}


def _postgres(plan: StackPlan) -> list[Service]:
    """One PostgreSQL, or several with their etcd members."""
    if plan.postgres_nodes == 1:
        return [PostgresService(plan)]
    members = [EtcdService(plan, number) for number in range(1, ETCD_MEMBERS + 1)]
    return [*members, *(PatroniService(plan, number) for number in range(1, plan.postgres_nodes + 1))]
