"""The Faust side of the payment actor: one app, one topic, one agent.

Each setting differs from Faust's default because the default loses or delays something; docs/decisions/0003 has the
reasons. Acks are by hand, in offset order, after the work is durable: `stream.noack()`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import faust
from mode import CrashingSupervisor
from mode.types import ServiceT

from agents.life import STUCK_SECONDS, Life, watch
from agents.payments.actor import PaymentActor
from agents.payments.batches import CRASH_GRACE_SECONDS, Batches
from agents.payments.credentials import broker_credentials
from agents.payments.fence import Fence
from agents.payments.transport import EagerTransport
from agents.quarantine import Quarantine
from runtime.fenced import is_fenced
from runtime.logs import get_logger
from runtime.outdated import is_outdated
from runtime.progress import FACT, Progress, is_stalled, unread
from runtime.settings import Settings
from runtime.worker import Worker, beside, exit_after
from store.actor import ActorStore
from store.log.log_partitions import PARTITIONS, LogWatch
from store.redis.clients import make_redis
from store.start import may_start
from topics.admin import check_topics
from topics.batches import read_on
from topics.catalogue import COMMANDS
from topics.producer import LogProducer
from topics.proof import proofs_of

log = get_logger("payment-actor")

GROUP = "payment-actors"
STOP_GRACE_SECONDS = 15.0


class QuietApp(faust.App):
    """Faust's app without the sensor that follows every message and event and samples them once a second: its data is
    unused. Each role counts its own metrics (runtime/metrics.py)."""

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return services


def make_app(settings: Settings, worker: Worker, datadir: Path) -> faust.App:
    """The app with every setting of ENGINE's table; no topic is declared, no table used, no web server started."""
    app = QuietApp(
        GROUP,
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=broker_credentials(settings),
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
        datadir=str(datadir),
        key_serializer="raw",
        value_serializer="raw",
        stream_wait_empty=True,
        stream_buffer_maxsize=16_384,
        stream_publish_on_commit=False,
        stream_recovery_delay=0,
        producer_threaded=False,
        broker_max_poll_records=500,
        broker_commit_interval=1.0,
        broker_session_timeout=15,
        broker_heartbeat_interval=3,
        broker_request_timeout=30,
        broker_rebalance_timeout=60,
        broker_max_poll_interval=86_400,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=worker.name,
    )
    app.conf.agent_supervisor = CrashingSupervisor  # type: ignore[assignment]  # Faust's stubs know only its default
    read_on()
    app.transport = EagerTransport(app.conf.broker_consumer, app)
    return app


class PaymentAgents:
    """Composition of the role: connections, the agent on the commands topic, watchdog, heartbeat."""

    def __init__(self, settings: Settings, worker: Worker, datadir: Path) -> None:
        self._settings = settings
        self._worker = worker
        self._store = ActorStore(settings, guard=self._guard, on_lost=self._database_lost)
        self._producer = LogProducer(settings)
        self._redis = make_redis(settings)
        self.actor = PaymentActor(
            self._store,
            self._producer,
            self._redis,
            proofs=proofs_of(settings),
            inbox_days=settings.idempotency_retention_days,
        )
        self._partitions = 0
        self._rejoins = False
        self._quarantine = Quarantine(settings, self._redis, group=GROUP, worker=worker.name)
        self._batches = Batches(self.actor, exit_after, self._quarantine, self._let_go)
        self._fence = Fence(self._open)
        self.app = make_app(settings, worker, datadir)
        self._progress = Progress()
        self._ready = False
        self._assigned = False
        self._life = Life(worker, self._redis, self._quarantine, self._facts)
        self._register()

    def health(self) -> tuple[bool, dict[str, Any]]:
        """For the internal port. Without an open partition nothing would be decided, so the role is not ready."""
        facts = self._facts()
        well = not (self._stuck() or is_stalled(facts) or is_fenced(facts) or is_outdated(facts))
        return self._ready and self._assigned and self._fence.is_checked and well, facts

    def _facts(self) -> dict[str, Any]:
        lag, decided = self._lag(), self.actor.decided
        stalled_seconds = self._progress.stalled_seconds(position=decided, lag=lag)
        return {
            "decided": decided, "lag": lag, FACT: stalled_seconds, "ready": self._ready, **self._fence.facts(),
            **self._batches.newer.facts(), PARTITIONS: self._partitions,
        }  # fmt: skip

    def _lag(self) -> int:
        """Unread records of the assigned partitions, as far as is known without a request to the broker."""
        if not self._ready:
            # Faust creates its consumer on first access, bound to the caller's loop: not from this thread.
            return 0
        return unread(self._places())

    def _places(self) -> Iterator[tuple[int | None, int | None]]:
        """(end, next to read) of each assigned partition."""
        consumer: Any = self.app.consumer
        for partition in list(consumer.assignment()):
            read = consumer._read_offset.get(partition)
            with contextlib.suppress(AssertionError):  # revoked by now: health runs in another thread
                yield consumer.highwater(partition), None if read is None else read + 1

    def _register(self) -> None:
        commands = self.app.topic(
            COMMANDS, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(commands, concurrency=1, name="payment_actor")(self._consume)
        signals: Any = self.app  # Faust's stubs require positional-only handlers
        signals.on_partitions_assigned.connect(self._on_assigned)
        signals.on_partitions_revoked.connect(self._on_revoked)
        signals.on_before_shutdown.connect(self._on_shutdown)
        watch(self._stuck, "no progress on a batch")

    async def _consume(self, stream: Any) -> None:
        """Faust's agent body. An actor that cannot start ends its process; Faust's own way of crashing may hang."""
        try:
            await self._start()
        except Exception as error:
            log.critical("actor_not_started", error=str(error))
            exit_after(CRASH_GRACE_SECONDS, "the actor could not start")
            raise
        stream = stream.noack()
        await self._batches.run(stream.events(), stream.channel.queue, stream.ack)

    async def _start(self) -> None:
        if self._ready:
            return
        await self._store.start()
        # Not from the environment: this number must be right, because it determines which commands belong here.
        settings = await may_start(self._settings)
        await check_topics(settings, COMMANDS)
        self._partitions = self.actor.partitions = settings.topic_partitions
        self._rejoins = settings.partitions_are_new
        self._rejoin_once()
        self._watching = beside(LogWatch(settings, self._log_has_grown, at_once=True).run(), "log watch")
        await self._producer.start()
        await self._life.begin()
        self._fence.begin(settings)
        self._ready = True
        log.info("actor_ready")

    def _rejoin_once(self) -> None:
        """As a LogConsumer does (agents/consumer.py)."""
        if self._rejoins and self._assigned:
            self._rejoins = False
            consumer: Any = self.app.consumer
            consumer._thread._ensure_consumer()._coordinator.request_rejoin()

    def _log_has_grown(self) -> None:
        """An orderly end, which counts as none of a record's deaths; the runner starts the next."""
        exit_after(STOP_GRACE_SECONDS, "the drain took too long")
        os.kill(os.getpid(), signal.SIGTERM)

    async def _on_assigned(self, _app: faust.App, assigned: Any, **_more: Any) -> None:
        partitions = sorted(place.partition for place in assigned if place.topic == COMMANDS)
        self.actor.forget()
        self._batches.newer.forget_all()
        self._fence.assigned(partitions)
        self._assigned = True
        log.info("partitions_assigned", partitions=partitions)
        self._rejoin_once()

    async def _guard(self) -> None:
        """A batch continues on a new connection only if its database has everything that is on the log."""
        await self._fence.check(self._opened())

    def _database_lost(self) -> None:
        """Without a batch no one would reconnect, and a change of the database would go unnoticed."""
        self._fence.look_again(self._opened(), lambda: exit_after(0.0, "PostgreSQL is behind the log"))

    def _opened(self) -> frozenset[int]:
        consumer: Any = self.app.consumer
        return frozenset(consumer.open_partitions)

    def _open(self, partition: int) -> None:
        consumer: Any = self.app.consumer
        consumer.open_partitions.add(partition)

    def _let_go(self, message: Any) -> None:
        """The partition is read no further, and a drain does not wait for the ack of this message."""
        consumer: Any = self.app.consumer
        consumer.open_partitions.discard(message.partition)
        consumer.let_go(message)

    async def _on_revoked(self, _app: faust.App, revoked: Any, **_more: Any) -> None:
        consumer: Any = self.app.consumer
        consumer.open_partitions.clear()
        self._batches.newer.forget_all()
        self._fence.revoked()
        log.info("partitions_revoked", partitions=sorted(partition.partition for partition in revoked))

    async def _on_shutdown(self, _app: faust.App, **_more: Any) -> None:
        exit_after(STOP_GRACE_SECONDS, "the drain took too long")
        await self._life.end()

    def _stuck(self) -> bool:
        return self.actor.stuck(STUCK_SECONDS)
