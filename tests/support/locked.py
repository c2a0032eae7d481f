"""PostgreSQL, Redis and Kafka that accept nothing but TLS with a password, Kafka with access control lists too.

    with locked_services() as locked:                   three servers of their own, outside the native runner
        with running_stack(env=locked.environment)      a gateway that is given their addresses

Certificates come from deploy/tls/make-certificates, as an operator would make them to try things out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ops.console.environment import (
    DATABASE_NAME,
    DATABASE_PASSWORD,
    DATABASE_USER,
    REPOSITORY,
    StackPlan,
    plan_stack,
)
from ops.stack.install import install_missing
from ops.stack.processes import Command, spawn, tail
from ops.stack.services.base import Service
from ops.stack.services.kafka import KafkaService, server_properties
from ops.stack.services.postgres import PostgresService
from ops.stack.services.redis import RedisService
from runtime.roles import ROLES
from runtime.settings import Settings
from tests.support.stack import ports_and_folder, settings_of
from topics.access import OPERATOR, USER_PREFIX, users

ADMIN = "admin"
"""The broker's super user: makes the access control lists."""
MAKE_CERTIFICATES = REPOSITORY / "deploy" / "tls" / "make-certificates"
POSTGRES_TLS = "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n"
POSTGRES_ACCESS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
REDIS_TLS = (
    "port 0\ntls-port {port}\ntls-cert-file {tls}/server.pem\ntls-key-file {tls}/server.key\ntls-auth-clients no\n"
)


@dataclass(frozen=True, slots=True)
class Locked:
    """`environment`: of a stack that uses these servers as ADMIN, and whose roles have users of their own."""

    environment: Mapping[str, str]
    passwords: Mapping[str, str]
    tls: Path
    pids: dict[str, int] = field(default_factory=dict)
    """Of the running servers, by name."""

    def account(self, user: str) -> dict[str, str]:
        return {"KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD": self.passwords[user]}

    @property
    def operator(self) -> dict[str, str]:
        return self.account(f"{USER_PREFIX}{OPERATOR}")

    def settings(self, user: str, **more: str) -> Settings:
        """Of a process that signs in to the log as this user."""
        return settings_of({"TEST_MODE": "true", **self.environment, **self.account(user), **more})


@contextlib.contextmanager
def locked_services(
    failed: Callable[[], bool] = lambda: False, *, env: Mapping[str, str] | None = None
) -> Iterator[Locked]:
    """Start the three, end them afterwards. `env`: more settings of theirs.

    Whoever is given them waits until each answers, as the runner does.
    """
    with ports_and_folder(failed) as (ports, run_dir):
        plan = plan_stack({"PATH": os.environ["PATH"], **ports, "GATEWAY_RUN_DIR": str(run_dir), **(env or {})})
        install_missing(plan)
        locked = _locked(plan)
        own: list[Service] = [LockedPostgres(plan), LockedRedis(plan, locked), LockedKafka(plan, locked)]
        running: list[subprocess.Popen[bytes]] = []
        try:
            for service in own:
                _apart(lambda service=service: asyncio.run(service.prepare(cast(Any, Once()))))
                running.append(spawn(service.command()))
                locked.pids[service.name] = running[-1].pid
            yield locked
        finally:
            for process in running:
                process.kill()
            for process in running:
                process.wait(timeout=30)


class LockedPostgres(PostgresService):
    """Plain connections are refused by pg_hba.conf."""

    async def prepare(self, supervisor: Any) -> None:
        await super().prepare(supervisor)
        data, tls = self._data(), self._plan.run_dir / "tls"
        with (data / "gateway.conf").open("a", encoding="utf-8") as file:
            file.write(POSTGRES_TLS)
        (data / "pg_hba.conf").write_text(POSTGRES_ACCESS, encoding="utf-8")
        for name in ("server.pem", "server.key"):
            shutil.copy(tls / name, data / name)
            if self._user:
                shutil.chown(data / name, self._user)


class LockedRedis(RedisService):
    """Without a plain port."""

    def __init__(self, plan: StackPlan, locked: Locked) -> None:
        super().__init__(plan)
        self._locked = locked

    async def prepare(self, supervisor: Any) -> None:
        await super().prepare(supervisor)
        with (self._home / "redis.conf").open("a", encoding="utf-8") as file:
            file.write(REDIS_TLS.format(port=self._port, tls=self._locked.tls))
            file.write(f"requirepass {self._locked.passwords['redis']}\n")


class LockedKafka(KafkaService):
    """SCRAM users, and an authorizer that allows only what a list says."""

    def __init__(self, plan: StackPlan, locked: Locked) -> None:
        super().__init__(plan)
        self._locked = locked

    async def prepare(self, supervisor: Any) -> None:
        data = self._home / "data"
        data.mkdir(parents=True)
        broker, controller = self._plan.ports["KAFKA_PORT"], self._plan.ports["KAFKA_CONTROLLER_PORT"]
        found = dict(line.split("=", 1) for line in server_properties(self._plan.ports, data).splitlines())
        found |= {
            "listeners": f"SASL_SSL://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{broker}",
            "inter.broker.listener.name": "SASL_SSL",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._locked.tls / "server-and-key.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._locked.tls / "authority.pem"),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="{ADMIN}" password="{self._locked.passwords[ADMIN]}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN=localhost",
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in found.items()), encoding="utf-8")
        accounts = [user for user in self._locked.passwords if user != "redis"]
        scram = [
            word
            for user in accounts
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={self._locked.passwords[user]}]")
        ]
        arguments = ("kafka.tools.StorageTool", "format", "-t", secrets.token_hex(11), "-c", str(self._properties))
        command = self._java("kafka-format", ("-Xmx128m", "-XX:TieredStopAtLevel=1"), (*arguments, *scram))
        assert await supervisor.run_once(command) == 0, " ".join(tail(command.log))


class Once:
    """As much of a supervisor as preparing takes, without its handling of every child of this process."""

    async def run_once(self, command: Command, *, input_text: str = "", timeout: float = 120.0) -> int:
        process = spawn(command, stdin=subprocess.PIPE)
        process.communicate(input_text.encode(), timeout=timeout)
        return process.returncode


def _locked(plan: StackPlan) -> Locked:
    tls = plan.run_dir / "tls"
    subprocess.run([MAKE_CERTIFICATES, tls, "localhost", "127.0.0.1"], check=True, timeout=60)
    passwords = {user: secrets.token_hex(16) for user in (ADMIN, "redis", *users())}
    authority, ports = tls / "authority.pem", plan.ports
    database = f"{DATABASE_USER}:{DATABASE_PASSWORD}@127.0.0.1:{ports['POSTGRES_PORT']}/{DATABASE_NAME}"
    environment = {
        "DATABASE_URL": f"postgresql://{database}?sslmode=verify-full&sslrootcert={authority}",
        "REDIS_URL": f"rediss://:{passwords['redis']}@127.0.0.1:{ports['REDIS_PORT']}/0?ssl_ca_certs={authority}",
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['KAFKA_PORT']}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_CA_FILE": str(authority),
        "KAFKA_SASL_USERNAME": ADMIN,
        "KAFKA_SASL_PASSWORD": passwords[ADMIN],
    }
    for role in ROLES:
        if (user := f"{USER_PREFIX}{role}") in passwords:
            environment[f"{role.upper()}__KAFKA_SASL_USERNAME"] = user
            environment[f"{role.upper()}__KAFKA_SASL_PASSWORD"] = passwords[user]
    return Locked(environment, passwords, tls)


def _apart(work: Callable[[], None]) -> None:
    """In a thread: a test's own loop may be running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(work).result()
