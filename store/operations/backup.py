"""The queries of backup and restore, and the removal of everything in a database."""

from __future__ import annotations

from store.driver import Connection

MIGRATIONS = "SELECT name FROM schema_migrations ORDER BY name"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
SESSIONS = """
SELECT coalesce(nullif(application_name, ''), usename::text)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND backend_type = 'client backend'
   AND pid <> pg_backend_pid()
"""
SCHEMAS = """
SELECT quote_ident(nspname)
  FROM pg_namespace
 WHERE nspname NOT LIKE 'pg\\_%'
   AND nspname <> 'information_schema'
"""


async def applied_migrations(connection: Connection) -> tuple[str, ...]:
    return tuple(row["name"] for row in await connection.fetch(MIGRATIONS))


async def is_empty(connection: Connection) -> bool:
    return not await connection.fetchval(TABLES)


async def other_sessions(connection: Connection) -> list[str]:
    """Names of the programs that are connected to this database, beside this one."""
    return [row[0] for row in await connection.fetch(SESSIONS)]


async def empty_database(connection: Connection) -> None:
    """Remove every schema with its content; an empty `public` remains."""
    async with connection.transaction():
        for row in await connection.fetch(SCHEMAS):
            await connection.execute(f"DROP SCHEMA {row[0]} CASCADE")
        await connection.execute("CREATE SCHEMA public")
