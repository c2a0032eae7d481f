"""A gateway whose PostgreSQL, Redis and Kafka accept TLS with a password alone, each role with a user of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from redis.exceptions import RedisError

from tests.support.api import seeded
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.locked import ADMIN, Locked, locked_services
from tests.support.receiver import receiver
from tests.support.stack import ALL_ROLES, Stack, running_stack
from topics.access import ACCESS, USER_PREFIX, Access
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, WEBHOOKS_DLQ, retry_topic
from topics.connection import client_options

TIER = retry_topic(1)
TOPICS = (COMMANDS, EVENTS, PAYMENTS_DLQ, DELIVERIES, WEBHOOKS_DLQ, TIER)
USERS = [role for role, access in ACCESS.items() if access != Access()]
WAIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Doors:
    locked: Locked
    stack: Stack


@pytest.fixture(scope="module")
def doors(request: pytest.FixtureRequest) -> Iterator[Doors]:
    def failed() -> bool:
        return request.session.testsfailed > 0

    with locked_services(failed) as locked:
        environment = {**locked.environment, "API_WORKERS": "1", "WEBHOOK_RETRY_INTERVALS_TEST": "0,1"}
        with running_stack(env=environment, failed=failed) as stack:
            applied = asyncio.run(gateway(stack, "topics", "acl", "--apply"))
            assert applied.code == 0, applied
            stack.start(*ALL_ROLES)
            yield Doors(locked, stack)


async def test_a_payment_is_paid_and_its_webhook_delivered_by_roles_with_only_the_rights_of_the_table(
    doors: Doors,
) -> None:
    async with seeded(doors.stack) as api, receiver() as merchant:
        merchant.responses["/hook"] = [500, 200]  # the second attempt goes through a retry tier
        await api.post("/webhook-endpoints", {"url": merchant.url("/hook")})
        payment = await api.paid()
        assert payment["status"] == "SUCCESS"
        await eventually(
            lambda: len([one for one in merchant.at("/hook") if one.json["event"] == "payment.success"]) >= 2,
            timeout=30,
            what="a delivery and its repetition",
        )


async def test_every_session_of_the_database_is_sealed(doors: Doors) -> None:
    connection = await asyncpg.connect(doors.stack.database_url)
    try:
        sessions = "pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        sealed = await connection.fetch(f"SELECT DISTINCT ssl FROM {sessions} WHERE client_addr IS NOT NULL")
    finally:
        await connection.close()
    assert [row["ssl"] for row in sealed] == [True]


@pytest.mark.parametrize(
    "command",
    [
        ("topics", "tail", "events", "--limit", "1"),
        ("topics", "lag"),
        ("topics", "create"),
        ("health",),
        ("verify",),
    ],
    ids=" ".join,
)
async def test_the_operators_tools_work_with_the_operators_user(doors: Doors, command: tuple[str, ...]) -> None:
    async with seeded(doors.stack) as api:
        await api.paid()
    ended = await gateway(doors.stack, *command, **doors.locked.operator)
    assert ended.code == 0, ended


async def test_a_backup_is_made_over_tls(doors: Doors, tmp_path: Path) -> None:
    ended = await gateway(doors.stack, "backup", str(tmp_path / "backup"), **doors.locked.operator)
    assert ended.code == 0, ended


@pytest.mark.parametrize("role", USERS)
async def test_a_role_cannot_write_what_the_table_does_not_let_it_write(doors: Doors, role: str) -> None:
    async with producer(doors, role) as client:
        for topic in forbidden(ACCESS[role].writes):
            with pytest.raises(TopicAuthorizationFailedError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await client.send_and_wait(topic, b'{"type":"payment.settle"}', partition=0)


@pytest.mark.parametrize("role", USERS)
async def test_a_role_cannot_read_what_the_table_does_not_let_it_read(doors: Doors, role: str) -> None:
    for topic in forbidden(ACCESS[role].reads):
        with pytest.raises(TopicAuthorizationFailedError):
            await first_record(doors, role, topic)


async def test_the_dead_letters_are_closed_to_the_api_and_open_to_the_operator(doors: Doors) -> None:
    """The same reading, so that the refusals above are the broker's and not the reader's."""
    with pytest.raises(TopicAuthorizationFailedError):
        await first_record(doors, "api", PAYMENTS_DLQ)
    await first_record(doors, "operator", PAYMENTS_DLQ)


async def test_a_role_cannot_take_another_roles_place_in_a_group(doors: Doors) -> None:
    consumer = AIOKafkaConsumer(
        EVENTS, **client_options(doors.locked.settings(f"{USER_PREFIX}processor")), group_id="planner"
    )
    with pytest.raises(KafkaError, match="planner"):
        async with asyncio.timeout(WAIT_SECONDS):
            await consumer.start()
            await consumer.getone()
    await consumer.stop()


async def test_the_lists_are_compared_with_the_table_and_made_equal_to_it(doors: Doors) -> None:
    other = await gateway(doors.stack, "topics", "acl", "--check", "--prefix", "other-")
    assert (other.code, other.out.count("+ User:other-api")) == (1, 2), other
    assert (await gateway(doors.stack, "topics", "acl", "--check")).code == 0
    refused = await gateway(doors.stack, "topics", "acl", "--apply", "--prefix", "other-", **doors.locked.operator)
    assert refused.code != 0
    assert "ClusterAuthorizationFailed" in refused.err


@pytest.mark.parametrize(
    "changed",
    [
        {"KAFKA_SASL_PASSWORD": "guessed"},
        {"KAFKA_CA_FILE": ""},
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SASL_USERNAME": "", "KAFKA_SASL_PASSWORD": ""},
        {
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "KAFKA_CA_FILE": "",
            "KAFKA_SASL_USERNAME": "",
            "KAFKA_SASL_PASSWORD": "",
        },
    ],
    ids=["wrong password", "authority unknown", "no user", "plain text"],
)
async def test_nobody_else_gets_into_the_log(doors: Doors, changed: dict[str, str]) -> None:
    client = AIOKafkaProducer(**client_options(doors.locked.settings(ADMIN, **changed)))
    with pytest.raises(KafkaError):
        async with asyncio.timeout(WAIT_SECONDS):
            await client.start()
    await client.stop()


async def test_plain_connections_and_unknown_servers_are_refused_by_the_database_and_by_redis(doors: Doors) -> None:
    address, _, _ = doors.stack.database_url.partition("?")
    with pytest.raises(asyncpg.PostgresError, match="no encryption"):
        await asyncpg.connect(f"{address}?sslmode=disable", timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(address, ssl=ssl.create_default_context(), timeout=10)
    sealed, _, _ = doors.stack.redis_url.partition("?")
    for url in (sealed, sealed.replace("rediss:", "redis:")):
        async with redis.from_url(url, socket_timeout=5) as client:
            with pytest.raises((RedisError, OSError)):
                await client.ping()


def forbidden(allowed: tuple[str, ...]) -> list[str]:
    return [topic for topic in TOPICS if not any(fnmatchcase(topic, pattern) for pattern in allowed)]


@asynccontextmanager
async def producer(doors: Doors, role: str) -> AsyncIterator[Any]:
    client = AIOKafkaProducer(**client_options(doors.locked.settings(f"{USER_PREFIX}{role}")))
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def first_record(doors: Doors, role: str, topic: str) -> None:
    """Read from the beginning; returns at once where there is nothing."""
    place = TopicPartition(topic, 0)
    options = client_options(doors.locked.settings(f"{USER_PREFIX}{role}"))
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await consumer._client.set_topics([topic])
            if topic in consumer._client.cluster.unauthorized_topics:  # it may not even know that there is one
                raise TopicAuthorizationFailedError(topic)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            await consumer.getmany(place, timeout_ms=500)
    finally:
        await consumer.stop()
