"""`gateway recover`: what a database behind the log lacks; --apply adds it.

Exit codes: 0 nothing is missing, or all of it was recovered and the audit found no difference; 1 something would be, or
was, skipped; 4 a service cannot be reached. It can be interrupted and restarted at any time. While it runs no partition
is opened, and if the log and a new decision differ, nothing is written.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from typing import Annotated

import typer
from aiokafka import TopicPartition

from domain.ids import parse_event_id
from ops.audit.recover.books import rebook
from ops.audit.recover.decisions import Decided, decide_again
from ops.audit.recover.disowned import disown_event
from ops.audit.recover.numbering import number_feed
from ops.audit.recover.restoration import restore_gone
from ops.audit.recover.survey import Survey, survey
from ops.audit.repair.command import PLANNED_MAX, repaired
from ops.audit.verify.audit import Scope, audit, audited, second_process
from ops.audit.verify.command import show
from ops.audit.verify.findings import EXAMPLES_MAX, Kind
from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, UsageError, run
from ops.console.noted import note_command
from ops.erasure.erasure import erase_again
from runtime.logs import configure_logs
from runtime.settings import Settings
from store.connections import make_pool
from store.log.log_partitions import adopt
from store.operations.audit import connect
from store.operations.recover import Recovery
from store.redis.clients import make_redis
from topics.catalogue import EVENTS
from topics.envelope import NewerRecordError
from topics.reader import Start, log_reader

SHOWN_MAX = 20
AFTERWARDS = (Kind.UNDECIDED, Kind.DELIVERY_MISSING)
"""What a database that was behind lacks besides events: refusals on partitions without any, and webhooks of events that
the planner had read before."""
AFTERWARDS_SECONDS = 1.0
"""How old an event must be to count as not planned: everything recovered is older."""

Apply = Annotated[bool, typer.Option("--apply", help="Make the changes; without it, only show them.")]
Disown = Annotated[
    str,
    typer.Option(metavar="EVENT", help="Mark a record on the events topic as foreign: not written by this gateway."),
]
Note = Annotated[str, typer.Option(help="With --disown: the reason, stored with the record.")]
Force = Annotated[bool, typer.Option("--force", help="With --disown: even though its command is on the log.")]


def command(apply: Apply = False, disown: Disown = "", note: Note = "", force: Force = False) -> None:
    """Bring PostgreSQL up to date with the log after a restore or a failover. Dry run unless --apply."""
    if disown or note:
        run(lambda settings: _disown(settings, disown, note, apply=apply, force=force))
        return
    with second_process() as second:
        done = run(lambda settings: recover(settings, second, apply=apply))
    if not done:
        raise typer.Exit(FOUND)


async def recover(settings: Settings, second: Executor, *, apply: bool) -> bool:
    """True if nothing is missing any longer. Raises GatewayError if another recovery is running."""
    configure_logs(settings, role="recover", worker="recover")
    connection = await connect(settings.database_url.get_secret_value())
    try:
        recovery = Recovery(connection)
        if not await recovery.lock():
            raise GatewayError("Another `gateway recover` is already running on this database.")
        found = await survey(settings, recovery)
        _show_survey(found)
        level = not (found.counts.events or found.differing)
        unfinished = bool(await recovery.orders())
        if not apply or (level and not unfinished):
            await recovery.drop()
            if apply:  # a recovery that was interrupted may have left it unnumbered
                await recovery.rewind_feed()
                await number_feed(settings, recovery)
            await _erase_again(settings, apply=apply)
            if level and unfinished:
                print("a recovery was interrupted before its last steps; --apply finishes it")
                return False
            print("nothing is missing" if level else "nothing was changed; --apply recovers it")
            return level
        settings = await _adopt_growth(settings, recovery)
        await note_command(settings, "recover", {"events": found.counts.events, "differing": len(found.differing)})
        await recovery.begin()
        left = await _apply(settings, recovery, found)
        await recovery.drop()
        await number_feed(settings, recovery)
        await _erase_again(settings, apply=True)
    finally:
        await connection.close()
    whole = await _afterwards(settings, second, whole=not left)
    await _finish(settings)
    return whole and not (left or found.differing)


async def _finish(settings: Settings) -> None:
    """Every step was done. If another recovery has begun meanwhile, it does the steps again and drops the rest."""
    connection = await connect(settings.database_url.get_secret_value())
    try:
        recovery = Recovery(connection)
        if await recovery.lock():
            await recovery.finish()
    finally:
        await connection.close()


async def _erase_again(settings: Settings, *, apply: bool) -> None:
    """Erasures that the database has forgotten, once it has the outcomes of their payments again."""
    pool = await make_pool(settings, size=1)
    try:
        missing = await erase_again(settings, pool, apply=apply)
    finally:
        await pool.close()
    if missing:
        print(
            f"{len(missing)} orders that were erased {'were erased again' if apply else 'are not; --apply repeats it'}"
        )


async def _adopt_growth(settings: Settings, recovery: Recovery) -> Settings:
    """A database from before a growth of the log lacks it. Nothing is decided until the fences open."""
    async with log_reader(settings) as reader:
        partitions = len(await reader.partitions([EVENTS]))
        beyond = [TopicPartition(EVENTS, number) for number in range(settings.topic_partitions, partitions)]
        grown = any(end for _, end in (await reader.spans(beyond, Start())).values())
    if not grown:
        return settings
    if partitions % settings.topic_partitions:
        raise GatewayError(
            f"The log has {partitions} partitions, and PostgreSQL remembers {settings.topic_partitions}: it cannot "
            "have grown to them from those. Check KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL."
        )
    await adopt(recovery.connection, partitions)
    print(f"the log has grown to {partitions} partitions since; PostgreSQL has recorded that again")
    return settings.with_partitions(first=settings.partition_counts[0], now=partitions)


async def _disown(settings: Settings, event: str, note: str, *, apply: bool, force: bool) -> None:
    identity = parse_event_id(event)
    if identity is None:
        raise UsageError(f"{event!r} is not a valid event id; they look like evt_0123456789abcdef_4.")
    if apply and not note.strip():
        raise UsageError("Give the reason with --note; it is the only explanation stored with the record.")
    connection = await connect(settings.database_url.get_secret_value())
    try:
        recovery = Recovery(connection)
        if not await recovery.lock():
            raise GatewayError("Another `gateway recover` is already running on this database.")
        if apply:
            await note_command(settings, "recover disown", {"event": event, "note": note, "force": force})
        records = await disown_event(settings, recovery, identity, note, apply=apply, force=force)
        await recovery.drop()
    finally:
        await connection.close()
    for record in records:
        print(f"{event} on {EVENTS}, partition {record.partition}, offset {record.offset}")
    print("counts as foreign from now on" if apply else "nothing was changed; --apply declares it foreign")


async def _apply(settings: Settings, recovery: Recovery, found: Survey) -> dict[str, list[int]]:
    """Order -> events that could not be recovered."""
    began = time.monotonic()
    restored, refused = await restore_gone(recovery)
    client = make_redis(settings)
    try:
        decided = await decide_again(settings, recovery, found, client, refused)
    except NewerRecordError as error:
        raise GatewayError(f"Nothing more was decided: {error}. Recover with the version that wrote it.") from error
    finally:
        await client.aclose()
    left = await recovery.left()
    rebooked = await rebook(settings, recovery)
    await recovery.rewind_feed()
    _show_applied(found, decided, restored, rebooked, left, time.monotonic() - began)
    return left


async def _afterwards(settings: Settings, second: Executor, *, whole: bool) -> bool:
    """Whether the audit finds no difference. `whole`: every order was recovered; else nothing is recorded as refused,
    for a command that was not decided again may have been accepted."""
    report = (await audited(settings, second, Scope(), grace_seconds=AFTERWARDS_SECONDS, kept_max=PLANNED_MAX)).report
    outcomes = await repaired(settings, report, AFTERWARDS if whole else (Kind.DELIVERY_MISSING,), apply=True)
    done = sum(bool(one.done) for one in outcomes)
    if done:
        print(f"also repaired {done:,} refusals and webhooks")
    report = await audit(settings, second)
    show(report, EXAMPLES_MAX)
    return not report.differences


def _show_survey(found: Survey) -> None:
    counts = found.counts
    if counts.events:
        print(f"the log has {counts.events:,} events of {counts.orders:,} orders that PostgreSQL does not have")
        print(f"  partitions {', '.join(map(str, counts.partitions))}")
        print(
            f"  {found.undecided:,} commands are decided again, {counts.events - counts.gone:,} events follow from them"
        )
        if counts.gone:
            print(
                f"  {counts.gone:,} events are restored from the events topic: their commands are no longer on the log"
            )
        print("  what is not on the log is as old as the database: merchants, keys, webhook endpoints")
    for event_id in found.differing[:SHOWN_MAX]:
        print(f"  {event_id} in PostgreSQL has contents that differ from the log: it is left as it is")


def _show_applied(
    found: Survey, decided: Decided, restored: int, rebooked: int, left: dict[str, list[int]], seconds: float
) -> None:
    missing = sum(map(len, left.values()))
    print(
        f"recovered {found.counts.events - missing:,} of {found.counts.events:,} events in {seconds:.1f} s "
        f"({decided.commands / max(seconds, 0.001):,.0f} commands/s): {decided.commands:,} commands decided again, "
        f"each event byte for byte as on the log; {restored:,} events restored from the topic; {rebooked:,} entries of "
        "the simulated bank's books"
    )
    if left:
        print("  if this gateway did not write such an event, `gateway recover --disown EVENT` opens its partition")
    for order_id, sequences in list(left.items())[:SHOWN_MAX]:
        why = decided.refused.get(order_id, "no command on the log leads to it")
        print(f"  {order_id}: events {', '.join(map(str, sequences))} were not recovered: {why}")
