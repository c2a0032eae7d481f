"""The services that the routes use: made once in each process, when it starts (api/startup.py), and closed when it
ends.

services_of(request).pool · .redis · .settings · .keys
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio as redis
from starlette.requests import HTTPConnection

from api.process.bus import CommandBus
from api.process.capture import CaptureCache
from api.process.condition import Condition
from api.process.keys import KeyCache
from api.process.limiter import Limiter
from api.process.live import LiveUpdates
from api.process.log_positions import LogPlaces
from api.process.slowdown import Slowdown
from api.process.streams import Seats
from api.tokens import BankPages, NotificationDoor, Tokenizer
from runtime.clock import SYSTEM_CLOCK, SYSTEM_IDS, Clock, Ids
from runtime.settings import Settings
from runtime.worker import Worker
from store.driver import Pool
from store.log.log_partitions import PARTITIONS
from store.order_keys import OrderKeys
from store.probe import DatabaseProbe
from topics.producer import LogProducer

STUCK_SECONDS = 30.0


@dataclass(slots=True)
class Services:
    """One process's connections and caches."""

    settings: Settings
    worker: Worker
    pool: Pool
    redis: redis.Redis
    producer: LogProducer
    commands: CommandBus
    order_keys: OrderKeys
    database: DatabaseProbe
    live: LiveUpdates
    log_places: LogPlaces
    fingerprint_secrets: tuple[bytes, ...]
    session_keys: tuple[bytes, ...]
    """As the secrets above: one for each key of the ring, newest first."""
    own_origins: frozenset[str]
    keys: KeyCache
    capture: CaptureCache
    limiter: Limiter
    slowdown: Slowdown
    condition: Condition
    feed_seats: Seats
    payer_seats: Seats
    bank: Tokenizer
    door: NotificationDoor
    bank_pages: BankPages | None
    clock: Clock = SYSTEM_CLOCK
    ids: Ids = SYSTEM_IDS
    turned_at: float = field(default_factory=time.monotonic)
    """When the event loop last turned, by the heartbeat: used by the internal /health."""

    def facts(self) -> dict[str, Any]:
        """For the heartbeat."""
        self.turned_at = time.monotonic()
        return {PARTITIONS: self.settings.topic_partitions}

    def health(self) -> tuple[bool, dict[str, Any]]:
        """For the internal port; called from its thread."""
        age = time.monotonic() - self.turned_at
        return age < STUCK_SECONDS, {"turned_seconds_ago": round(age, 1)}


def services_of(connection: HTTPConnection) -> Services:
    """The services of the process that handles this request."""
    services: Services = connection.scope["app"].services
    return services
