"""`python -m bench.writers`: the actor's statement alone, with 1, 2 and 4 writers, on a PostgreSQL of its own.

    lifecycles decided beforehand (create order, create payment, settle) ─► ActorStore.write ─► lifecycles/s, rows, WAL,
                                                                                                processor time

No broker, no API and no deciding while it is timed: how far one PostgreSQL goes, not how far the gateway goes. The
writers are sessions of one process, as many as there would be actors, each with orders of its own. Prints a table in
Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg
import uvloop

from agents.payments.fold import Known, fold
from agents.payments.intake import Incoming, received_of
from bench.processes import usage_by_role
from domain.decision import Command
from domain.ids import ORDER, PAYMENT
from domain.order import Order
from domain.outcome import Outcome
from domain.payment import SettlePayment
from runtime.clock import make_id, now
from runtime.settings import Settings
from store.actor import ActorStore, Batch, Inbox
from tests.support.command_client import order_command, payment_command
from tests.support.stack import Stack, running_stack
from topics.catalogue import COMMANDS
from topics.commands import command_record
from topics.deadletter import Origin

WRITERS = (1, 2, 4)
BATCH = 100
"""Commands in a batch, about as many as an actor takes under load."""
SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True)
class Written:
    """The result for one number of writers. WAL in bytes, processor time of PostgreSQL in milliseconds."""

    writers: int
    lifecycles_per_second: float
    rows_each: float
    wal_each: float
    processor_ms_each: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.writers", description="Measure the actor's statement alone.")
    parser.add_argument("--lifecycles", type=int, default=20_000, help="for each number of writers")
    chosen = parser.parse_args()
    with running_stack(roles=()) as stack:
        uvloop.run(_measure(stack, chosen.lifecycles))


async def _measure(stack: Stack, lifecycles: int) -> None:
    await _written(stack, writers=2, lifecycles=max(BATCH * 2, lifecycles // 10))
    print("| writers | lifecycles/s | rows a lifecycle | WAL a lifecycle, bytes | PostgreSQL's processor time, ms |")
    print("|---|---|---|---|---|")
    for writers in WRITERS:
        one = await _written(stack, writers=writers, lifecycles=lifecycles)
        print(
            f"| {one.writers} | {one.lifecycles_per_second:,.0f} | {one.rows_each:.1f} | {one.wal_each:,.0f} | "
            f"{one.processor_ms_each:.2f} |",
            flush=True,
        )


async def _written(stack: Stack, *, writers: int, lifecycles: int) -> Written:
    each = lifecycles // writers // BATCH * BATCH
    work = [list(_batches(stack.settings, each)) for _ in range(writers)]
    stores = [ActorStore(stack.settings) for _ in range(writers)]
    database = await asyncpg.connect(stack.database_url)
    try:
        for store in stores:
            await store.start()
        begins_at = await database.fetchval("SELECT pg_current_wal_insert_lsn()")
        before, began = usage_by_role(stack)["postgres"], time.perf_counter()
        async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
            for store, batches in zip(stores, work, strict=True):
                group.create_task(_write(store, batches))
        took, after = time.perf_counter() - began, usage_by_role(stack)["postgres"]
        wal = await database.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", begins_at)
    finally:
        for store in stores:
            await store.stop()
        await database.close()
    done = each * writers
    return Written(
        writers=writers,
        lifecycles_per_second=done / took,
        rows_each=sum(_rows(batch) for batches in work for batch in batches) / done,
        wal_each=float(wal) / done,
        processor_ms_each=(after.cpu_seconds - before.cpu_seconds) * 1_000 / done,
    )


async def _write(store: ActorStore, batches: Sequence[Batch]) -> None:
    for batch in batches:
        await store.write(batch)


def _rows(batch: Batch) -> int:
    """Rows written: a state row for each batch that changes it."""
    return sum(map(len, (batch.commands, batch.events, batch.orders, batch.payments, batch.refunds)))


def _batches(settings: Settings, lifecycles: int) -> Iterator[Batch]:
    """Three for each BATCH lifecycles: their orders, their payments, their outcomes."""
    for _ in range(lifecycles // BATCH):
        paid = [(make_id(ORDER), make_id(PAYMENT)) for _ in range(BATCH)]
        orders: dict[str, Order | None] = {order_id: None for order_id, _ in paid}
        steps: tuple[list[Command], ...] = (
            [order_command(order_id) for order_id, _ in paid],
            [payment_command(order_id, payment_id) for order_id, payment_id in paid],
            [_success(order_id, payment_id) for order_id, payment_id in paid],
        )
        for commands in steps:
            incoming = [_incoming(settings, command) for command in commands]
            known = Known(Inbox(), orders, orders.keys())
            folded = fold([received_of(one, settings.topic_partitions) for one in incoming], known)
            assert not (folded.broken or folded.unread) and len(folded.batch.commands) == BATCH, folded.broken[:1]
            orders |= folded.orders
            yield folded.batch


def _success(order_id: str, payment_id: str) -> SettlePayment:
    return SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, f"bank_{payment_id[4:]}", now())


def _incoming(settings: Settings, command: Command) -> Incoming:
    record = command_record(
        command,
        command_id=f"cmd_{secrets.token_hex(8)}",
        at=now(),
        partitions=settings.topic_partitions,
        request_id="req_bench",
    )
    return Incoming(record.key, record.value, record.headers, Origin(COMMANDS, record.partition, 0), now())


if __name__ == "__main__":
    main()
