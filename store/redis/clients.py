"""Making clients of Redis with bounded waits. Many commands need none, and its library takes long to import.

REDIS_URL may be `rediss://host?ssl_ca_certs=FILE`, with `ssl_certfile` and `ssl_keyfile` for a certificate of ours.
"""

from __future__ import annotations

from typing import Any

import redis.asyncio as redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.settings import Settings
from runtime.tls import client_context


def make_redis(settings: Settings) -> redis.Redis:
    """Client whose commands end within 2 s or raise; it does not retry by itself; its callers decide.

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
    return _sealed(redis.Redis.from_pool(pool))


def make_subscriber(settings: Settings) -> redis.Redis:
    """Client for subscriptions: no read timeout, a health check instead."""
    client = redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=None,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )
    return _sealed(client)


class SealedConnection(SSLConnection):
    """TLS with the one context that a process has for these files, which checks certificate and host name.

    redis-py makes a context for each connection, 30 ms that block the event loop, and trusts the system's
    authorities besides the file's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        given = self.ssl_context
        given.context = client_context(
            given.ca_certs or "", given.certfile or "", given.keyfile or "", given.password or ""
        )


def _sealed(client: redis.Redis) -> redis.Redis:
    """Afterwards: the connection class in an address takes precedence over a caller's."""
    pool = client.connection_pool
    if issubclass(pool.connection_class, SSLConnection):
        pool.connection_class = SealedConnection
    return client
