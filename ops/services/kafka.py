"""Apache Kafka in KRaft mode, one node that is broker and controller, from the jars that Maven fetched.

The settings beyond the obvious make a broker that was killed serve again after 5–6 s instead of 13: it waits for
its own old registration to run out, and for the controller's election. Nothing is created on demand: topics come from
the catalogue.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Mapping
from pathlib import Path

from aiokafka.client import AIOKafkaClient

from ops.environment import SHARED_CACHE, StackPlan
from ops.errors import GatewayError
from ops.processes import Command, tail
from ops.services.base import check_listening
from ops.supervisor import Supervisor

JARS = SHARED_CACHE / "kafka-libs"
LOGGING = Path(__file__).resolve().parent.parent / "kafka" / "log4j2.properties"

SETTINGS: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # topics come from the catalogue alone
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "log.segment.bytes": str(256 * 1024 * 1024),
    # one node: its own topics cannot have replicas
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # serve again soon after a crash, start groups without the 3 s pause
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "300",
    "controller.quorum.election.backoff.max.ms": "200",
    "controller.quorum.fetch.timeout.ms": "500",
    "initial.broker.registration.timeout.ms": "20000",
    # a small machine
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
}
JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


class KafkaService:
    name = "kafka"
    title = "Apache Kafka"
    restart_modes: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan
        self._home = plan.run_dir / "kafka"
        self._properties = self._home / "server.properties"

    async def prepare(self, supervisor: Supervisor) -> None:
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(server_properties(self._plan.ports, data), encoding="utf-8")
        if not (data / "meta.properties").exists():
            await self._format(supervisor)

    def command(self) -> Command:
        return self._java("kafka", JVM_OPTIONS, ("kafka.Kafka", str(self._properties)))

    async def probe(self) -> None:
        """A metadata request that names a broker."""
        servers = self._plan.environment["KAFKA_BOOTSTRAP_SERVERS"]
        host, _, port = servers.split(",")[0].rpartition(":")
        await check_listening(host or "127.0.0.1", int(port))
        client = AIOKafkaClient(bootstrap_servers=servers, request_timeout_ms=2_000)
        try:
            await client.bootstrap()
            if not client.cluster.brokers():
                raise ConnectionError("no broker is registered yet")
        finally:
            await client.close()

    async def _format(self, supervisor: Supervisor) -> None:
        cluster_id = uuid.uuid4().hex[:22]  # any 16 bytes in base64url without padding; hex digits are a subset
        arguments = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties))
        command = self._java("kafka-format", ("-Xmx128m", "-XX:TieredStopAtLevel=1"), arguments)
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
            environment=self._plan.environment,
            cwd=self._home,
            log=self._plan.logs_dir / "kafka.log",
            stop_seconds=20.0,
        )


def server_properties(ports: Mapping[str, int], data: Path) -> str:
    """The broker's configuration for one stack."""
    broker, controller = ports["KAFKA_PORT"], ports["KAFKA_CONTROLLER_PORT"]
    addresses = {
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(data),
    }
    return "".join(f"{key}={value}\n" for key, value in (SETTINGS | addresses).items())
