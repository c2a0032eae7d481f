"""How each role is put together from the product's own classes, as its __main__ does, in a simulated environment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agents.bank.opened import OpenedBank
from agents.jobs.counters import Jobs
from agents.kafka import Kafka
from agents.payments.actor import PaymentActor
from agents.payments.app import GROUP
from agents.payments.batches import Batches
from agents.processor.processor import Processor
from agents.role import Context
from agents.sweeper.deadlines import Deadlines
from agents.sweeper.slots import Slots
from agents.sweeper.sweeper import Sweeper
from agents.webhooks.dispatcher import Dispatcher
from agents.webhooks.forwarder import Forwarder
from agents.webhooks.planner import Planner
from api.process.bus import CommandBus
from api.process.capture import CaptureCache
from api.process.keys import KeyCache
from api.process.limiter import Limiter
from api.process.services import Services
from api.process.slowdown import Slowdown
from api.process.streams import Seats
from runtime.clock import Ids
from runtime.keyring import derived_key, first_key
from runtime.worker import Worker
from simulation.bank import BankClient
from simulation.database import Connection, Pool
from simulation.kafka import ConsumerClient, FaustStream, ProducerClient
from simulation.receivers import SimulatedSender
from simulation.redis import RedisClient, SimulatedCounters
from store.actor import ActorStore
from store.attempts import AttemptStore
from store.deadlines import DeadlineStore
from store.order_keys import OrderKeys
from store.questions import QuestionStore
from store.redis.heartbeats import beat
from topics.catalogue import COMMANDS
from topics.producer import LogUnavailableError
from topics.proof import proofs_of
from topics.records import instant_of

if TYPE_CHECKING:
    from simulation.clock import HostClock
    from simulation.scheduler import Process
    from simulation.world import World

CREW = (
    "api-0", "api-1", "actor-0", "actor-1", "processor-0", "sweeper-0", "jobs-0",
    "planner-0", "dispatcher-0", "dispatcher-1", "forwarder-0",
)  # fmt: skip

RETURN_REST_SECONDS = 4.0
SLOTS_ROUTE, SLOTS_MERCHANT = 2, 1
"""Questions under way at once: so few that one merchant's would fill the route."""


@dataclass(slots=True)
class App:
    """One incarnation of a process: its clock, ids and parts."""

    world: World
    process: Process
    clock: HostClock
    ids: Ids = field(init=False)
    kafka: Kafka = field(init=False)
    actor: PaymentActor | None = None
    services: Services | None = None
    """Of the API; where the routes find it."""
    serving: bool = False
    pending: list[asyncio.Future[tuple[int, Any]]] = field(default_factory=list)
    """Requests without a response yet."""

    def __post_init__(self) -> None:
        self.ids = Ids(self.clock, self.process.random.randbytes)
        self.kafka = Kafka(
            self.world.settings,
            clock=self.clock,
            make_producer=cast(Any, partial(ProducerClient, self.world)),
            make_consumer=cast(Any, partial(ConsumerClient, self.world)),
        )

    def is_busy(self) -> bool:
        """Whether an actor has a batch that is not finished."""
        return self.actor is not None and self.actor._unfinished > 0

    def redis(self) -> Any:
        return RedisClient(self.world)

    def pool(self) -> Any:
        return Pool(self.world.database)

    def bank(self) -> OpenedBank:
        """As whoever carries out attempts knows it."""
        keys = OrderKeys(self.pool(), self.world.settings.keys, clock=self.clock)
        return OpenedBank(BankClient(self.world), keys)

    def context(self) -> Context:
        role, _, index = self.process.name.partition("-")
        worker = Worker(role, int(index), self.process.name, 0)
        return Context(self.world.settings, worker, self.redis(), clock=self.clock, ids=self.ids)


async def _api(app: App) -> None:
    settings, pool, redis = app.world.settings, app.pool(), app.redis()
    producer = app.kafka.producer()
    try:
        await producer.start()
    except LogUnavailableError:
        producer.renew()
    commands = CommandBus(settings, app.process.name, producer, pool, redis, app.clock, app.ids)
    app.services = Services(
        settings=settings,
        worker=Worker("api", 0, app.process.name, 0),
        pool=pool,
        redis=redis,
        producer=producer,
        commands=commands,
        order_keys=OrderKeys(pool, settings.keys, clock=app.clock),
        bank=BankClient(app.world),
        door=cast(Any, None),
        bank_pages=None,
        database=cast(Any, SimpleNamespace(up=True)),
        live=cast(Any, None),
        log_places=cast(Any, None),
        fingerprint_secrets=tuple(first_key(key, "idempotency") for key in settings.keys.secrets),
        session_keys=tuple(derived_key(key, "sessions") for key in settings.keys.secrets),
        own_origins=frozenset(),
        keys=KeyCache(settings, pool, app.clock),
        capture=CaptureCache(pool, app.clock),
        limiter=Limiter(redis),
        slowdown=Slowdown(fraction=app.ids.fraction),
        condition=cast(Any, None),
        feed_seats=Seats(in_all=0, per_merchant=0),
        payer_seats=Seats(in_all=0, per_merchant=0),
        clock=app.clock,
        ids=app.ids,
    )
    app.serving = True
    await commands.run()


async def _actor(app: App) -> None:
    world = app.world

    async def connect(*_: object, **__: object) -> Any:
        return Connection(world.database)

    store, producer = ActorStore(world.settings, connect), app.kafka.producer()
    inbox_days = world.settings.idempotency_retention_days
    actor = app.actor = PaymentActor(
        store, producer, app.redis(), proofs=proofs_of(world.settings), inbox_days=inbox_days, clock=app.clock
    )
    await store.start()
    await producer.start()
    stream = FaustStream(world, COMMANDS, group=GROUP, member=app.process.name, on_assigned=actor.forget)
    batches = Batches(actor, partial(world.exit_after, app.process))
    async with asyncio.TaskGroup() as group:
        group.create_task(stream.run())
        group.create_task(batches.run(stream.events(), stream.queue, stream.ack))


async def _processor(app: App) -> None:
    await Processor(app.context(), app.bank(), app.kafka, AttemptStore(app.pool())).run()


async def _sweeper(app: App) -> None:
    async def oldest_command() -> datetime | None:
        kept = app.world.broker.kept(COMMANDS)
        return min((instant_of(message.timestamp) for message in kept), default=None)

    sweeper = Sweeper(
        app.context(),
        app.bank(),
        app.kafka,
        QuestionStore(app.pool()),
        oldest_command,
        slots=Slots(route_max=SLOTS_ROUTE, merchant_max=SLOTS_MERCHANT),
        return_rest_seconds=RETURN_REST_SECONDS,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(sweeper.run())
        group.create_task(Deadlines(app.context(), app.kafka, DeadlineStore(app.pool())).run())


async def _jobs(app: App) -> None:
    await Jobs(app.context(), app.kafka, SimulatedCounters(app.world)).run()


async def _planner(app: App) -> None:
    await Planner(app.context(), app.kafka, app.pool()).run()


async def _dispatcher(app: App) -> None:
    context = app.context()
    sender = SimulatedSender(app.world, app.clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(beat(context.redis, "dispatcher", app.process.name, lambda: context.facts))
        group.create_task(Dispatcher(context, app.kafka, app.pool(), sender).run())


async def _forwarder(app: App) -> None:
    await Forwarder(app.context(), app.kafka, app.pool()).run()


ROLES: dict[str, Callable[[App], Coroutine[Any, Any, None]]] = {
    "api": _api,
    "actor": _actor,
    "processor": _processor,
    "sweeper": _sweeper,
    "jobs": _jobs,
    "planner": _planner,
    "dispatcher": _dispatcher,
    "forwarder": _forwarder,
}
