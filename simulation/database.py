"""PostgreSQL in a world: tables, transactions, and everything that can happen between a client and a server.

The product's own SQL is the interface: each statement it sends is answered by a function that is registered under its
text (simulation/statements.py, questions.py, deliveries.py); another text raises UnknownStatementError. A statement
takes effect at one instant. A transaction works on copies of the tables of its domain, which no other writer of that
domain touches until it ends. Rows are never changed in place, so what was read stays as it was read.

On the way: a connection breaks before the statement arrives, or its answer is lost although it took effect; the server
stalls; a statement gets no result; a deadlock is broken at somebody's cost.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import asyncpg

from simulation.clock import EPOCH
from simulation.faults import MOMENT_SECONDS, between, delay_seconds
from simulation.scheduler import PROCESS, Process, fail, resolve
from store.driver import translating

if TYPE_CHECKING:
    from simulation.world import World

COMMAND_TIMEOUT_SECONDS = 15.0
"""The pools' command_timeout (store/connections.py)."""
LOCK_AGAIN_SECONDS = 0.0005
Row = dict[str, Any]
Rows = list[Row]
Table = dict[Any, Row]
Tables = dict[str, Table]
Statement = Callable[..., Rows]
Decisions = dict[tuple[str, str], tuple[datetime, bool]]
"""(command id, nonce) -> when it was decided, and whether it was refused."""


class UnknownStatementError(AssertionError):
    """The product sent a statement that nobody has simulated."""


@dataclass(frozen=True, slots=True)
class Registered:
    """How a statement is answered. `domain`: what it writes to; None if it only reads."""

    run: Statement
    domain: str | None


DOMAINS = {
    "core": ("orders", "payments", "refunds", "events", "commands", "commands_accepted"),
    "promises": ("promises",),
    "questions": ("bank_questions",),
    "webhooks": ("webhooks", "webhook_logs", "webhook_attempts", "endpoint_switches"),
    "keys": ("merchants", "api_keys", "order_keys"),
    "audit": ("audit_log",),
}
STATEMENTS: dict[str, Registered] = {}
PREFIXES: list[tuple[str, Registered]] = []


def reads(text: str) -> Callable[[Statement], Statement]:
    """Register a function (view, *arguments) -> rows for a statement that changes nothing."""
    return partial(_register, text, None)


def writes(text: str, domain: str) -> Callable[[Statement], Statement]:
    """Register a function for a statement that changes tables of this domain. Its rows are those RETURNING gives, or
    as many as were changed."""
    return partial(_register, text, domain)


def writes_like(prefix: str, domain: str) -> Callable[[Statement], Statement]:
    """Register a function (view, text, *arguments) for statements that are composed."""

    def register(run: Statement) -> Statement:
        PREFIXES.append((prefix, Registered(run, domain)))
        return run

    return register


def _register(text: str, domain: str | None, run: Statement) -> Statement:
    STATEMENTS[text] = Registered(run, domain)
    return run


def registered(text: str) -> Registered:
    found = STATEMENTS.get(text)
    if found is None:
        for prefix, like in PREFIXES:
            if text.startswith(prefix):
                found = STATEMENTS[text] = Registered(partial(_with_text, like.run, text), like.domain)
                break
        else:
            raise UnknownStatementError(text)
    return found


def _with_text(run: Statement, text: str, view: View, *arguments: Any) -> Rows:
    return run(view, text, *arguments)


class View:
    """The tables as a statement sees and changes them. `now`: the server's clock."""

    __slots__ = ("born", "decisions", "now", "tables")

    def __init__(self, tables: Tables, now: datetime, decisions: Decisions, born: dict[str, datetime]) -> None:
        self.tables = tables
        self.now = now
        self.decisions = decisions
        self.born = born

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]


@dataclass(slots=True)
class _Request:
    """A statement on its way. `lost`: its answer will be. `hangs`: it gets none. `back`: how long the answer takes.
    `ends_at`: when the client gives up."""

    client: Process
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    domain: str | None
    by: Transaction | None
    lost: bool
    hangs: bool
    back: float
    ends_at: float
    waits: bool = False
    """For a lock, until `ends_at` at most."""


class Database:
    """The server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tables: Tables = {name: {} for names in DOMAINS.values() for name in names}
        self.stalled_until = 0.0
        self.locked_by: dict[str, Transaction] = {}
        self._waiting: dict[str, list[_Request]] = defaultdict(list)
        """Requests that came to a locked domain."""
        self.decisions: Decisions = {}
        """Every decision that was ever written, also those that no table holds any more."""
        self.born: dict[str, datetime] = {}
        """When a payment or refund came into its table."""

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.world.scheduler.now)

    def run(self, text: str, arguments: Sequence[Any], tables: Tables | None = None) -> Rows:
        """Take effect now."""
        view = View(self.tables if tables is None else tables, self.now(), self.decisions, self.born)
        return registered(text).run(view, *arguments)

    async def call(self, work: Callable[[], Any], *, domain: str | None, by: Transaction | None, timeout: float) -> Any:
        """Send `work` to the server and wait for its answer, as a client does that may lose its connection.

        Raises the errors of store/errors.py, as the real driver's connections do.
        """
        with translating():
            return await self._called(work, domain=domain, by=by, timeout=timeout)

    async def _called(
        self, work: Callable[[], Any], *, domain: str | None, by: Transaction | None, timeout: float
    ) -> Any:
        world, faults = self.world, self.world.faults
        if faults.happens("connection_lost"):
            await asyncio.sleep(delay_seconds())
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        if domain is not None and faults.happens("deadlock"):
            await asyncio.sleep(delay_seconds())
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        if domain is not None and faults.happens("dies_writing"):
            world.scheduler.outside(between(0.0, MOMENT_SECONDS), world.kill, PROCESS.get(), "dies as it writes")
        future: asyncio.Future[Any] = world.scheduler.create_future()
        lost = faults.happens("answer_lost")
        hangs = faults.happens("never_answered")
        ends_at = world.scheduler.now + timeout
        request = _Request(PROCESS.get(), work, future, domain, by, lost, hangs, delay_seconds(), ends_at)
        if hangs:
            world.scheduler.outside(timeout, fail, future, TimeoutError())
        if not hangs or between(0.0, 1.0) < 0.5:
            world.scheduler.outside(delay_seconds(), self._arrive, request)
        return await future

    def _arrive(self, request: _Request) -> None:
        scheduler, future = self.world.scheduler, request.future
        if future.done():
            return  # cancelled: the client's wait is over, and its driver has called the statement off
        wait = self.stalled_until - scheduler.now
        if wait > 0 and scheduler.now + wait > request.ends_at:
            scheduler.outside(max(0.0, request.ends_at - scheduler.now), fail, future, TimeoutError())
        elif wait > 0:
            scheduler.outside(wait, self._arrive, request)
        elif request.domain is not None and self._is_locked(request.domain, request.by):
            if not request.waits:
                request.waits = True
                scheduler.outside(max(0.0, request.ends_at - scheduler.now), fail, future, TimeoutError())
            self._waiting[request.domain].append(request)
        elif request.client.alive or request.client.random.random() < 0.5:  # else still in the dead client's buffers
            self._reply(request)

    def _is_locked(self, domain: str, by: Transaction | None) -> bool:
        holder = self.locked_by.get(domain)
        return holder is not None and holder is not by

    def unlock(self, domain: str) -> None:
        """Whoever waited for the domain looks again, in the order in which they came."""
        del self.locked_by[domain]
        waiting, self._waiting[domain] = self._waiting[domain], []
        for request in waiting:
            self.world.scheduler.outside(LOCK_AGAIN_SECONDS, self._arrive, request)

    def _reply(self, request: _Request) -> None:
        scheduler, future = self.world.scheduler, request.future
        try:
            result = request.work()
        except asyncpg.PostgresError as error:
            if not request.hangs:
                scheduler.outside(request.back, fail, future, error)
            return
        if request.hangs:
            return
        if request.lost:
            lost = asyncpg.ConnectionDoesNotExistError("the answer was lost")
            scheduler.outside(request.back, fail, future, lost)
        else:
            scheduler.outside(request.back, resolve, future, result)


class Session:
    """What pools and connections have in common: sending statements."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._transaction: Transaction | None = None

    async def fetch(self, text: str, *arguments: Any, timeout: float | None = None) -> Rows:
        found = registered(text)
        transaction = self._transaction
        if transaction is not None and found.domain is not None:
            await transaction.lock(found.domain)

        def work() -> Rows:
            tables = None if transaction is None else transaction.tables
            return self._database.run(text, arguments, tables)

        wait = COMMAND_TIMEOUT_SECONDS if timeout is None else timeout
        rows: Rows = await self._database.call(work, domain=found.domain, by=transaction, timeout=wait)
        return rows

    async def fetchrow(self, text: str, *arguments: Any, timeout: float | None = None) -> Row | None:
        rows = await self.fetch(text, *arguments, timeout=timeout)
        return rows[0] if rows else None

    async def fetchval(self, text: str, *arguments: Any, timeout: float | None = None) -> Any:
        rows = await self.fetch(text, *arguments, timeout=timeout)
        return next(iter(rows[0].values())) if rows else None

    async def execute(self, text: str, *arguments: Any, timeout: float | None = None) -> str:
        rows = await self.fetch(text, *arguments, timeout=timeout)
        return f"{text.split(maxsplit=1)[0]} {len(rows)}"


class Connection(Session):
    """asyncpg.Connection."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._closed = False

    def transaction(self) -> Transaction:
        self._transaction = Transaction(self._database, self)
        return self._transaction

    def ended(self) -> None:
        self._transaction = None

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self._closed = True


class Pool(Session):
    """asyncpg.Pool: never short of connections."""

    def acquire(self, *, timeout: float | None = None) -> Pool._Acquired:
        return Pool._Acquired(self._database)

    def terminate(self) -> None:
        """Nothing is kept open."""

    class _Acquired:
        def __init__(self, database: Database) -> None:
            self._connection = Connection(database)

        async def __aenter__(self) -> Connection:
            return self._connection

        async def __aexit__(self, *_: object) -> None:
            self._connection.terminate()


class Transaction:
    """Several statements that take effect together, or not at all."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._client = PROCESS.get()
        self._domain: str | None = None
        self.tables = database.tables

    async def __aenter__(self) -> Transaction:
        self._client.on_silence.append(self._abandoned)
        return self

    async def lock(self, domain: str) -> None:
        """Before the first statement that writes: wait for who writes there, then work on copies."""
        if self._domain is not None:
            assert self._domain == domain, "a transaction keeps to one domain"
            return

        def begin() -> None:
            self._database.locked_by[domain] = self
            if not self._client.alive:  # it died while this was on its way
                self._database.world.scheduler.outside(0.1, self._release)
            self._domain = domain
            self.tables = dict(self._database.tables)
            for name in DOMAINS[domain]:
                self.tables[name] = dict(self.tables[name])

        await self._database.call(begin, domain=domain, by=self, timeout=COMMAND_TIMEOUT_SECONDS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.ended()
        if self._domain is None:
            return
        if error is not None:
            self._release()
            return
        try:
            await self._database.call(self._commit, domain=self._domain, by=self, timeout=COMMAND_TIMEOUT_SECONDS)
        finally:
            self._release()

    def _commit(self) -> None:
        assert self._domain is not None
        if self._database.locked_by.get(self._domain) is not self:
            raise asyncpg.ConnectionDoesNotExistError("the session was ended")
        for name in DOMAINS[self._domain]:
            self._database.tables[name] = self.tables[name]
        self._release()

    def _release(self) -> None:
        if self._domain is not None and self._database.locked_by.get(self._domain) is self:
            self._database.unlock(self._domain)

    def _abandoned(self) -> None:
        """The client is gone: the server notices and rolls back. A paused one keeps its locks for a while."""
        seconds = between(0.001, 0.5) if not PROCESS.get().alive else COMMAND_TIMEOUT_SECONDS
        self._database.world.scheduler.outside(seconds, self._release)
