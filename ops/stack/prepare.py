"""Brings database and log into the state that the roles expect: `gateway migrate`, `topics create`, `seed`.

`gateway prepare` does all three. Each is idempotent and safe beside a running stack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import typer
from aiokafka.errors import KafkaError

from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, NEXT_STEP, run
from runtime.settings import Settings
from store.driver import connect
from store.errors import DatabaseError
from store.log.log_partitions import log_state, remember_first, with_counts
from store.schema.migrate import Pending, pending
from store.schema.migrate import migrate as migrate_database
from store.schema.migration_watch import Report, silent
from store.seed import seed as seed_database
from topics.admin import ensure_topics

T = TypeVar("T")
PREPARE_SECONDS = 60.0

topics = typer.Typer(help="Inspect and manage the log's topics.", no_args_is_help=True)


@topics.callback()
def _topics() -> None:
    """Makes this a group even while it has one command."""


def prepare() -> None:
    """Migrate, create the topics and, in test mode, seed: what the roles need before they start."""
    settings = enter(single_plan())
    _report(run_migrations(settings, report=partial(print, flush=True)), "migrations: nothing to apply")
    _report(run_topics(settings), "topics: up to date", verb="created or altered")
    if settings.test_mode:
        run_seed(settings)
        print("test merchant: present")


def migrate(
    only_pending: Annotated[
        bool, typer.Option("--pending", help="Only list missing migrations; exit with 1 if there are any.")
    ] = False,
) -> None:
    """Apply missing database migrations. Roles may keep running, including those of the previous version."""
    if not only_pending:
        _report(run_migrations(enter(single_plan()), report=partial(print, flush=True)), "nothing to apply")
        return
    missing = run(pending)
    print("\n".join(map(_as_line, missing)) or "nothing to apply")
    if missing:
        raise typer.Exit(FOUND)


def _as_line(one: Pending) -> str:
    kind = "concurrent" if one.migration.is_concurrent else "in a transaction"
    left = f"; {', '.join(one.unfinished)} was left unfinished by an interrupted run" if one.unfinished else ""
    return f"{one.migration.name} ({kind}{left})"


def seed() -> None:
    """Create the test merchant (test mode only)."""
    run_seed(enter(single_plan()))
    print("seeded")


@topics.command("create")
def create_topics() -> None:
    """Create missing topics of the catalogue and correct the settings of the others (never their partitions)."""
    _report(run_topics(enter(single_plan())), "all topics are up to date", verb="created or altered")


def _report(changed: list[str], nothing: str, *, verb: str = "made") -> None:
    print("\n".join(f"{verb} {name}" for name in changed) or nothing)


def run_migrations(settings: Settings, report: Report = silent) -> list[str]:
    """Without a limit: an index on a large table takes as long as it takes, and `report` gets its progress."""
    return _run("The database", partial(migrate_database, report=report), settings, seconds=None)


def run_topics(settings: Settings) -> list[str]:
    return _run("The log", make_topics, settings)


async def make_topics(settings: Settings) -> list[str]:
    """Bring the topics into shape, and remember how many partitions they have. The database is migrated before.

    Raises PartitionCountError if TOPIC_PARTITIONS differs from the stored number.
    """
    connection = await connect(settings.database_url.get_secret_value(), timeout=10)
    try:
        settings = with_counts(settings, await log_state(connection))
        changed = await ensure_topics(settings)
        await remember_first(connection, settings.topic_partitions)
        return changed
    finally:
        await connection.close()


def run_seed(settings: Settings) -> None:
    _run("The database", seed_database, settings)


def _run(
    what: str,
    work: Callable[[Settings], Awaitable[T]],
    settings: Settings,
    *,
    seconds: float | None = PREPARE_SECONDS,
) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work(settings)

    try:
        return asyncio.run(bounded())
    except TimeoutError as error:
        raise GatewayError(f"{what} did not respond within {PREPARE_SECONDS:.0f} s. {NEXT_STEP}") from error
    except RuntimeError as error:
        raise GatewayError(str(error)) from error
    except (OSError, DatabaseError, KafkaError) as error:
        raise GatewayError(f"{what} failed: {type(error).__name__}: {error}. {NEXT_STEP}") from error
