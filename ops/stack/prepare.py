"""Bringing database and log into the shape that the roles expect: `gateway migrate`, `topics create`, `seed`.

`gateway prepare` does all three. Each is idempotent and safe beside a running stack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from aiokafka.errors import KafkaError

from ops.console.errors import GatewayError
from ops.stack.environment import enter, single_plan
from runtime.settings import Settings
from store.errors import DatabaseError
from store.migrate import migrate as migrate_database
from store.seed import seed as seed_database
from topics.admin import ensure_topics

T = TypeVar("T")
PREPARE_SECONDS = 60.0

topics = typer.Typer(help="The log's topics.", no_args_is_help=True)


@topics.callback()
def _topics() -> None:
    """Makes this a group even while it has one command."""


def prepare() -> None:
    """Migrate, create the topics and, in test mode, seed: what the roles need before they start."""
    settings = enter(single_plan())
    _say(run_migrations(settings), "migrations: nothing to apply")
    _say(run_topics(settings), "topics: as they should be", verb="created or altered")
    if settings.test_mode:
        run_seed(settings)
        print("test merchant: there")


def migrate() -> None:
    """Apply the database migrations that are missing."""
    _say(run_migrations(enter(single_plan())), "nothing to apply")


def seed() -> None:
    """Create the test merchant (test mode only)."""
    run_seed(enter(single_plan()))
    print("seeded")


@topics.command("create")
def create_topics() -> None:
    """Create the topics of the catalogue that are missing, and set what differs on the others (never partitions)."""
    _say(run_topics(enter(single_plan())), "all topics are as they should be", verb="created or altered")


def _say(changed: list[str], nothing: str, *, verb: str = "made") -> None:
    print("\n".join(f"{verb} {name}" for name in changed) or nothing)


def run_migrations(settings: Settings) -> list[str]:
    return _run("The database", migrate_database, settings)


def run_topics(settings: Settings) -> list[str]:
    return _run("The log", ensure_topics, settings)


def run_seed(settings: Settings) -> None:
    _run("The database", seed_database, settings)


def _run(what: str, work: Callable[[Settings], Awaitable[T]], settings: Settings) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(PREPARE_SECONDS):
            return await work(settings)

    try:
        return asyncio.run(bounded())
    except TimeoutError as error:
        raise GatewayError(f"{what} did not answer within {PREPARE_SECONDS:.0f} s.") from error
    except RuntimeError as error:
        raise GatewayError(str(error)) from error
    except (OSError, DatabaseError, KafkaError) as error:
        raise GatewayError(f"{what} refused: {type(error).__name__}: {error}") from error
