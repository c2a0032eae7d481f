"""Making clients of Redis with bounded waits. Many commands need none, and its library takes long to import."""

from __future__ import annotations

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.settings import Settings


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
