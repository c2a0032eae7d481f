"""Apache Kafka in KRaft mode, from the jars that Maven fetched: one node, or KAFKA_BROKERS of them as one cluster.

Every node is broker and controller. With three, each record is on all and acknowledged by two, so one may die.
The settings beyond the obvious make a broker that was killed serve again after 5–6 s instead of 13: it waits for
its own old registration to run out, and for the controller's election. Nothing is created on demand: topics come from
the catalogue.
"""

from __future__ import annotations

import hashlib
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

from aiokafka.client import AIOKafkaClient

from ops.console.environment import BROKER_PORT_STEP, SHARED_CACHE, StackPlan
from ops.console.errors import GatewayError
from ops.stack.processes import Command, tail
from ops.stack.services.base import check_listening
from ops.stack.supervisor import Supervisor
from runtime.settings import Settings
from topics.catalogue import OFFSETS_RETENTION_DAYS
from topics.connection import client_options

JARS = SHARED_CACHE / "kafka-libs"
LOGGING = Path(__file__).resolve().parents[2] / "kafka" / "log4j2.properties"

SETTINGS: dict[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # topics come from the catalogue alone
    "auto.create.topics.enable": "false",
    "log.segment.bytes": str(256 * 1024 * 1024),
    "offsets.retention.minutes": str(OFFSETS_RETENTION_DAYS * 24 * 60),
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    # serve again soon after a crash, start groups without the 3 s pause
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.election.backoff.max.ms": "500",
    "controller.quorum.fetch.timeout.ms": "2000",
    # twice a second by default: a third of an idle broker's processor time
    "metadata.max.idle.interval.ms": "5000",
    "initial.broker.registration.timeout.ms": "20000",
    # a small machine
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
}
REPLICATED = (
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)
ACKNOWLEDGED = ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")
# Few cores and short lives: the optimizing compiler alone would take a third of the broker's time in the first minutes.
JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


class KafkaService:
    """Node `number` of the cluster, from 1 on; the first is called `kafka`, the others `kafka-2`, `kafka-3`."""

    title = "Apache Kafka"
    restart_modes: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}

    def __init__(self, plan: StackPlan, number: int = 1) -> None:
        self.name = broker_name(number)
        self._plan = plan
        self._number = number
        self._home = plan.run_dir / self.name
        self._properties = self._home / "server.properties"

    async def prepare(self, supervisor: Supervisor) -> None:
        if self._settings().kafka_security_protocol != "PLAINTEXT":
            raise GatewayError(
                "KAFKA_SECURITY_PROTOCOL is for brokers that KAFKA_BOOTSTRAP_SERVERS names: our own accept only plain "
                "text. Unset it, or name your brokers."
            )
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        text = server_properties(self._plan.ports, data, number=self._number, brokers=self._plan.kafka_brokers)
        self._properties.write_text(text, encoding="utf-8")
        if not (data / "meta.properties").exists():
            await self._format(supervisor)

    def command(self) -> Command:
        options = (*JVM_OPTIONS, *shlex.split(self._plan.environment.get("KAFKA_JVM_OPTIONS", "")))
        return self._java(self.name, options, ("kafka.Kafka", str(self._properties)))

    async def probe(self) -> None:
        """A metadata request to this node (to the given servers where they are not ours) that names a broker."""
        servers = self._plan.environment["KAFKA_BOOTSTRAP_SERVERS"]
        if "kafka" not in self._plan.external:
            servers = f"127.0.0.1:{self._plan.ports['KAFKA_PORT'] + BROKER_PORT_STEP * (self._number - 1)}"
        host, _, port = servers.split(",")[0].rpartition(":")
        await check_listening(host or "127.0.0.1", int(port))
        options = client_options(self._settings()) | {"bootstrap_servers": servers}
        client = AIOKafkaClient(**options, request_timeout_ms=2_000)
        try:
            await client.bootstrap()
            if not client.cluster.brokers():
                raise ConnectionError("no broker has registered yet")
        finally:
            await client.close()

    def _settings(self) -> Settings:
        """How the roles of this plan would connect."""
        environment = self._plan.environment
        names = [name for name in Settings.model_fields if name.startswith("kafka_") and name.upper() in environment]
        return Settings.model_validate({name: environment[name.upper()] for name in names} | {"test_mode": True})

    async def _format(self, supervisor: Supervisor) -> None:
        # any 16 bytes in base64url without padding, of which hex digits are a subset; the same for every node
        cluster_id = hashlib.sha256(str(self._plan.run_dir).encode()).hexdigest()[:22]
        arguments = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties))
        command = self._java(f"{self.name}-format", ("-Xmx128m", "-XX:TieredStopAtLevel=1"), arguments)
        if await supervisor.run_once(command) != 0:
            last = " ".join(tail(command.log, 3))
            raise GatewayError(f"Kafka's log directory could not be formatted: {last}")

    def _java(self, name: str, options: tuple[str, ...], arguments: tuple[str, ...]) -> Command:
        return Command(
            name=name,
            argv=(
                "java",
                *options,
                f"-Dlog4j2.configurationFile={LOGGING}",
                "-cp",
                f"{JARS}/*",
                *arguments,
            ),
            environment=self._plan.service_environment,
            cwd=self._home,
            log=self._plan.logs_dir / f"{self.name}.log",
            stop_seconds=20.0,
        )


def broker_name(number: int) -> str:
    return "kafka" if number == 1 else f"kafka-{number}"


def server_properties(ports: Mapping[str, int], data: Path, *, number: int = 1, brokers: int = 1) -> str:
    """The configuration of one node: SETTINGS, its addresses, and replicas as the size of the cluster allows."""
    shift = BROKER_PORT_STEP * (number - 1)
    broker, controller = ports["KAFKA_PORT"] + shift, ports["KAFKA_CONTROLLER_PORT"] + shift
    voters = [
        f"{node}@127.0.0.1:{ports['KAFKA_CONTROLLER_PORT'] + BROKER_PORT_STEP * (node - 1)}"
        for node in range(1, brokers + 1)
    ]
    found = {
        **SETTINGS,
        **dict.fromkeys(REPLICATED, str(min(brokers, 3))),
        **dict.fromkeys(ACKNOWLEDGED, "2" if brokers >= 3 else "1"),
        "node.id": str(number),
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.quorum.voters": ",".join(voters),
        "log.dirs": str(data),
    }
    return "".join(f"{key}={value}\n" for key, value in found.items())
