"""asyncpg, the PostgreSQL driver: the only module that imports it and handles its exceptions.

    Pool, Connection, Cursor     asyncpg's own, which raise the errors of store/errors.py
    translated(error)            what one of asyncpg's errors means here

Everything that is not plainly the statement's fault means that the database is unavailable: an unknown error is retried
within the caller's bound, and does not count as a defect of a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import asyncpg

from store.errors import (
    ConnectionLostError,
    DatabaseError,
    DatabaseUnavailableError,
    DuplicateError,
    LockTimeoutError,
    MissingTableError,
    RolledBackError,
    SchemaError,
    ValueRefusedError,
)

if TYPE_CHECKING:
    from asyncpg.transaction import Transaction

Row: TypeAlias = asyncpg.Record
Method = TypeVar("Method", bound=Callable[..., Any])

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Everything that a call can end with; the first three have no base in common. TimeoutError is an OSError."""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,
    ConnectionError,
)
"""What asyncpg raises while a server stops and starts; InternalClientError if it was about to send."""
MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[DatabaseError]], ...] = (
    (LOST, ConnectionLostError),
    ((asyncpg.LockNotAvailableError,), LockTimeoutError),
    ((asyncpg.DeadlockDetectedError, asyncpg.SerializationError), RolledBackError),
    (
        (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.ProgramLimitExceededError),
        ValueRefusedError,
    ),
    ((asyncpg.UndefinedTableError,), MissingTableError),
    ((asyncpg.SyntaxOrAccessError,), SchemaError),
)
"""SQLSTATE classes 08 and 57, 55P03, 40, then 23, 22 and 54 (a text too long for its index), and 42."""


def translated(error: Exception) -> DatabaseError:
    """The error of this package that one of DRIVER_ERRORS means."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, asyncpg.UniqueViolationError):
        return DuplicateError(message, constraint=error.constraint_name)
    for kinds, meaning in MEANINGS:
        if isinstance(error, kinds):
            return meaning(message)
    return DatabaseUnavailableError(message)


@contextmanager
def translating() -> Iterator[None]:
    """Around calls of the driver, or of a simulated one."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translated(error) from error


def _translating(method: Method) -> Method:
    @wraps(method)
    async def call(*arguments: Any, **options: Any) -> Any:
        try:
            return await method(*arguments, **options)
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    return cast(Method, call)


class Connection(asyncpg.Connection):
    """A session of its own, or one lent by a pool (then it is asyncpg's proxy of this class)."""

    __slots__ = ()

    execute = _translating(asyncpg.Connection.execute)
    executemany = _translating(asyncpg.Connection.executemany)
    fetch = _translating(asyncpg.Connection.fetch)
    fetchrow = _translating(asyncpg.Connection.fetchrow)
    fetchval = _translating(asyncpg.Connection.fetchval)
    copy_records_to_table = _translating(asyncpg.Connection.copy_records_to_table)
    copy_to_table = _translating(asyncpg.Connection.copy_to_table)
    close = _translating(asyncpg.Connection.close)
    add_listener = _translating(asyncpg.Connection.add_listener)

    async def ping(self, *, timeout: float) -> None:
        """Return where the database answers."""
        await self.fetchval("SELECT 1", timeout=timeout)

    def transaction(self, **options: Any) -> _Transaction:  # type: ignore[override]  # as a context manager only
        with translating():  # a connection that broke in between
            return _Transaction(super().transaction(**options))


async def connect(dsn: str, **options: Any) -> Connection:
    """asyncpg.connect. Raises DatabaseError."""
    with translating():
        return await asyncpg.connect(dsn, connection_class=Connection, **options)


class _Transaction:
    """A transaction for an `async with`. The exception that ended the block is raised, even if the rollback then
    fails."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __aenter__(self) -> None:
        with translating():
            await self._transaction.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with translating():
                await self._transaction.__aexit__(kind, error, trace)
        except DatabaseError:
            if error is None:
                raise


class Cursor:
    """Rows of a long result, in chunks; inside a transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    @staticmethod
    async def open(connection: Connection, query: str, *arguments: Any) -> Cursor:
        with translating():
            return Cursor(await connection.cursor(query, *arguments))

    @_translating
    async def fetch(self, rows_max: int) -> list[Row]:
        """The next rows; empty at the end."""
        rows: list[Row] = await self._cursor.fetch(rows_max)
        return rows


class Pool:
    """asyncpg.Pool, the parts that are used. Every method raises DatabaseError."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @staticmethod
    async def open(dsn: str, **options: Any) -> Pool:
        """asyncpg.create_pool."""
        with translating():
            return Pool(await asyncpg.create_pool(dsn, connection_class=Connection, **options))

    def acquire(self, *, timeout: float | None = None) -> _Lent:
        """A connection for an `async with`, waited for at most `timeout` seconds."""
        return _Lent(self._pool, timeout)

    @_translating
    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        return await self._pool.execute(query, *arguments, timeout=timeout)

    @_translating
    async def executemany(self, query: str, arguments: Any, *, timeout: float | None = None) -> None:
        await self._pool.executemany(query, arguments, timeout=timeout)

    @_translating
    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[Row]:
        return await self._pool.fetch(query, *arguments, timeout=timeout)

    @_translating
    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> Row | None:
        return await self._pool.fetchrow(query, *arguments, timeout=timeout)

    @_translating
    async def fetchval(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._pool.fetchval(query, *arguments, timeout=timeout)

    async def ping(self) -> None:
        """Return where the database answers."""
        await self.fetchval("SELECT 1")

    @_translating
    async def close(self) -> None:
        """Wait until every connection is returned, then close them."""
        await self._pool.close()

    def terminate(self) -> None:
        """Drop every connection now."""
        self._pool.terminate()


class _Lent:
    """A pool's connection, from its acquisition to its return; either may fail."""

    def __init__(self, pool: asyncpg.Pool, timeout: float | None) -> None:
        self._lending = pool.acquire(timeout=timeout)

    async def __aenter__(self) -> Connection:
        with translating():
            return cast(Connection, await self._lending.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translating():
            await self._lending.__aexit__(kind, error, trace)
