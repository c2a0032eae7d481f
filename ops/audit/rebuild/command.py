"""`gateway rebuild`: the state tables from the topic, beside the live ones; `--swap` replaces those.

A swap also adds events and acceptances that the live tables lack. An order with an impossible history on the log keeps
its rows. Exit code 0: nothing differs (or the swap was made). 1: rows differ, or an order was skipped. Safe beside a
running system; a swap is not, and is refused while a payment actor is connected.
"""

from __future__ import annotations

from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from ops.audit.rebuild.tables import Rebuilt, rebuild
from ops.audit.verify import pace
from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from ops.console.exit_codes import NEXT_STEP
from ops.console.noted import note_command
from runtime.settings import Settings
from store.driver import Connection
from store.errors import DatabaseError
from store.log.log_partitions import PartitionCountError, counted
from store.operations.audit import connect
from store.operations.rebuild import Shadow

SHOWN_MAX = 50


def command(
    swap: Annotated[bool, typer.Option("--swap", help="Replace the live rows with the rebuilt ones.")] = False,
) -> None:
    """Rebuild orders, payments and refunds from the events topic into the schema `rebuild`, and compare them."""
    settings = enter(single_plan())
    try:
        rebuilt, swapped = pace.run(run(settings, swap=swap))
    except PartitionCountError as error:
        raise GatewayError(str(error)) from error
    except (OSError, DatabaseError, KafkaError) as error:
        raise GatewayError(f"Rebuild failed: {type(error).__name__}: {error}. {NEXT_STEP}") from error
    show(rebuilt, swapped=swapped)
    level = not (rebuilt.differing or rebuilt.missing_events or rebuilt.missing_commands)
    raise typer.Exit(0 if not rebuilt.broken and (swapped or level) else 1)


async def run(settings: Settings, *, swap: bool) -> tuple[Rebuilt, bool]:
    """(the rebuild, whether it was swapped in). Raises GatewayError if a swap is refused."""
    settings = await counted(settings)
    connection = await connect(settings.database_url.get_secret_value())
    try:
        if swap:
            await _refuse_beside_actors(connection)
        rebuilt = await rebuild(settings, connection)
        if not swap:
            return rebuilt, False
        if not rebuilt.events or rebuilt.moved_on:
            raise GatewayError(
                "The log's history is empty or still growing; no tables were swapped. Stop the roles, then repeat."
            )
        await _refuse_beside_actors(connection)
        await note_command(settings, "rebuild swap", {"differing": len(rebuilt.differing)})
        await Shadow(connection).swap(list(rebuilt.broken), settings.idempotency_retention_days)
        return rebuilt, True
    finally:
        await connection.close()


async def _refuse_beside_actors(connection: Connection) -> None:
    if await Shadow(connection).actors():
        raise GatewayError("A payment actor is connected; stop the payments role before a swap.")


def show(rebuilt: Rebuilt, *, swapped: bool) -> None:
    """Counts, then each differing row."""
    rate = rebuilt.events / rebuilt.seconds if rebuilt.seconds else 0
    made = ", ".join(f"{count:,} {table}" for table, count in rebuilt.rows.items())
    print(f"rebuilt {made} from {rebuilt.events:,} events in {rebuilt.seconds:.1f} s ({rate:,.0f} events/s)")
    for order_id, finding in list(rebuilt.broken.items())[:SHOWN_MAX]:
        print(f"  the log itself: {finding.subject} {finding.message}; the rows of {order_id} stay as they are")
    for one in rebuilt.differing[:SHOWN_MAX]:
        state = "differs" if one.live and one.rebuilt else "is missing" if one.rebuilt else "follows from no event"
        print(f"  {one.table}: {one.id} {state} in the live table")
    if rebuilt.missing_events or rebuilt.missing_commands:
        print(
            f"  the table lacks {rebuilt.missing_events:,} events of the log, the inbox {rebuilt.missing_commands:,} "
            "acceptances that follow from them"
        )
    if rebuilt.moved_on:
        print(f"{rebuilt.moved_on:,} rows have moved on since the log was read")
    verdict = "swapped in" if swapped else "left in schema rebuild"
    print(f"{len(rebuilt.differing):,} rows differ; {verdict}")
