"""The start of an API process: opens what its routes use, in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from agents.bank import Door, make_bank, make_pages
from api.access.own_pages import own_origins
from api.process.bus import CommandBus
from api.process.capture import CaptureCache
from api.process.condition import Condition
from api.process.keys import KeyCache
from api.process.limiter import Limiter
from api.process.live import LiveUpdates
from api.process.log_positions import LogPlaces
from api.process.payment_changes import PaymentChanges
from api.process.services import Services
from api.process.slowdown import Slowdown
from api.process.streams import Seats
from runtime.keyring import derived_key, first_key
from runtime.logs import get_logger
from runtime.metrics import start_metrics_server
from runtime.settings import Settings
from runtime.worker import Worker, beside
from store.accounts.api_keys import KEYS_CHANGED
from store.attempts import order_of_attempt
from store.connections import make_pool
from store.driver import Pool
from store.errors import DatabaseError
from store.log.log_partitions import LogWatch
from store.order_keys import OrderKeys
from store.probe import DatabaseProbe
from store.redis.clients import make_redis, make_subscriber
from store.redis.heartbeats import beat, clear
from store.start import may_start_blindly
from topics.producer import LogProducer, LogUnavailableError, Record

log = get_logger("api")

POOL_CONNECTIONS_MAX = 12
FEEDS_MAX = 2_000
"""Dashboards' live feeds in one process; each queries the database every two seconds."""
PAYERS_MAX = 20_000
"""Payers' streams in one process; each costs a few kilobytes."""
PAYERS_PER_MERCHANT_MAX = 15_000
"""One merchant's share of them: the ten thousand payers of one sale fit, and leave room for the others."""
WARM_SECONDS = 3.0
NOTIFICATION_SECONDS = 2.0
"""For a bank's notification to be on the log; without it the bank sends it again."""


@asynccontextmanager
async def open_services(settings: Settings, worker: Worker) -> AsyncIterator[Services]:
    """Open everything. Nothing has to be reachable yet: a process may start before its services do.

    Raises one of store.start.REFUSED.
    """
    settings = await may_start_blindly(settings)
    async with AsyncExitStack() as stack:
        pool = await make_pool(settings, size=POOL_CONNECTIONS_MAX, lazy=True)
        stack.callback(pool.terminate)
        client = make_redis(settings)
        stack.push_async_callback(client.aclose)
        subscriber = make_subscriber(settings)
        stack.push_async_callback(subscriber.aclose)
        producer = LogProducer(settings)
        stack.push_async_callback(producer.stop)
        await _warm(pool, producer)
        grown = LogWatch(settings, _start_again, at_once=True)
        commands = CommandBus(settings, worker.name, producer, pool, subscriber, log_is_closed=lambda: grown.is_closed)
        database = DatabaseProbe(settings)
        keys = KeyCache(settings, pool)
        live = LiveUpdates(subscriber)
        live.on(KEYS_CHANGED, lambda message: keys.forget(message.decode()), on_gap=keys.forget_all)
        bank = make_bank(settings)
        order_of = partial(order_of_attempt, pool)
        door = Door(bank, settings, order_of=order_of, write=partial(_notify, producer, grown))
        services = Services(
            settings=settings,
            worker=worker,
            pool=pool,
            redis=client,
            producer=producer,
            commands=commands,
            order_keys=OrderKeys.of(pool, settings),
            database=database,
            fingerprint_secrets=tuple(first_key(key, "idempotency") for key in settings.keys.secrets),
            session_keys=tuple(derived_key(key, "sessions") for key in settings.keys.secrets),
            live=live,
            log_places=LogPlaces(settings),
            own_origins=own_origins(settings),
            keys=keys,
            capture=CaptureCache(pool),
            limiter=Limiter(client),
            slowdown=Slowdown(),
            condition=Condition(pool, client, producer),
            feed_seats=Seats(in_all=FEEDS_MAX, per_merchant=settings.streams_per_merchant),
            payer_seats=Seats(in_all=PAYERS_MAX, per_merchant=PAYERS_PER_MERCHANT_MAX),
            bank=bank,
            door=door,
            bank_pages=make_pages(bank, settings, door, order_of),
        )
        start_metrics_server(host=settings.metrics_host, port=worker.metrics_port, health=services.health)
        for name, work in _background_work(services, grown).items():
            await stack.enter_async_context(_running(work, name))
        yield services
        with contextlib.suppress(RedisError, OSError):
            await clear(client, worker.role, worker.name)


def _background_work(services: Services, grown: LogWatch) -> dict[str, Coroutine[Any, Any, None]]:
    """By name, in the order in which it begins."""
    worker = services.worker
    return {
        "heartbeat": beat(services.redis, worker.role, worker.name, services.facts),
        "commands": services.commands.run(),
        "log watch": grown.run(),
        "uses of keys": services.keys.run(),
        "database": services.database.run(),
        "live updates": services.live.run(),
        "payment changes": PaymentChanges(services.pool, services.live).run(),
    }


async def _notify(producer: LogProducer, grown: LogWatch, record: Record) -> None:
    """Raises LogUnavailableError, also while the log grows: the bank sends it again."""
    if grown.is_closed:
        raise LogUnavailableError("the log is growing")
    await producer.write(record, timeout=NOTIFICATION_SECONDS)


def _start_again() -> None:
    """As at a restart: open requests complete, new ones wait in the socket's queue, the runner starts the next."""
    os.kill(os.getpid(), signal.SIGTERM)


async def _warm(pool: Pool, producer: LogProducer) -> None:
    """Connect before the first request is taken, so that a restarted worker refuses nothing; but not for long."""
    try:
        async with asyncio.timeout(WARM_SECONDS):
            await producer.start()
            await pool.ping()
    except (LogUnavailableError, DatabaseError, OSError) as error:
        log.warning("started_without_service", error=repr(error))
        producer.renew()


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """The background work of a process: cancelled and waited for at the end."""
    task = beside(work, name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
