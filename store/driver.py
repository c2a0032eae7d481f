"""The types of the PostgreSQL driver as the rest of the gateway uses them: a pool, a connection, a row."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg

Row: TypeAlias = asyncpg.Record
Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy"
