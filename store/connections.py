"""Making connections: asyncpg pools and Redis clients with bounded waits."""

from __future__ import annotations

import asyncpg
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.settings import Settings


async def make_pool(settings: Settings, *, size: int, lazy: bool = False) -> asyncpg.Pool:
    """Pool for reads and control-plane writes. `lazy` opens nothing yet: a process may start without it."""
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0 if lazy else 1,
        max_size=size,
        timeout=3,
        command_timeout=15,
        max_inactive_connection_lifetime=300,
        server_settings={"application_name": "gateway", "jit": "off"},
    )


def make_redis(settings: Settings) -> redis.Redis:
    """Client whose commands end within 2 s or raise; it does not retry by itself, for its callers know better.

    A burst above the pool's size waits for a connection, as long as a command may take.
    """
    pool = redis.BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
        timeout=2,
    )
    return redis.Redis.from_pool(pool)


def make_subscriber(settings: Settings) -> redis.Redis:
    """Client for subscriptions: no read time-out, a health check instead."""
    return redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=None,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )
