"""`gateway stuck`: everything that has waited longer than it should, with what to do about it.

payments, refunds   past their deadline without an outcome        (the sweeper queries the bank)
money               its automatic refund is refused by the bank   (the sweeper retries; then contact the bank)
owed                the bank refunded what no payment covers      (collect it, then gateway owed settle)
deliveries          their attempt is overdue, or held             (dispatcher, planner; the endpoint)
groups              the oldest unread record is too old           (the role that reads it)
dead letters        open ones                                     (gateway dlq)
roles               no heartbeat                                  (gateway restart)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import typer
from redis.exceptions import RedisError

from domain.refund import LATE_REFUNDS_MAX
from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, NEXT_STEP, UNREACHABLE, run
from ops.console.names import parse_duration
from ops.console.output import Json, console, print_json, print_table
from ops.dead_letters.letters import Selection, letters
from ops.health.heartbeats import expected_roles, silent_roles
from ops.health.owed import why
from ops.log.lag import group_lags
from runtime.clock import now
from runtime.settings import Settings
from store.attempts import overdue
from store.connections import make_pool
from store.driver import Pool
from store.operations.inspection import held_deliveries, overdue_deliveries, unreturned
from store.operations.owed import owed
from store.redis.clients import make_redis
from store.redis.heartbeats import alive

LIMIT = 200


@dataclass(frozen=True, slots=True)
class Stuck:
    """One thing that waits. `seconds`: for how long beyond its limit; None if unknown."""

    kind: str
    id: str
    seconds: float | None
    says: str
    do: str


def stuck(
    older_than: Annotated[str, typer.Option(help="How overdue something must be to count as stuck.")] = "10s",
    as_json: Json = False,
) -> None:
    """List what is stuck. Exit code 1: something is."""
    threshold = parse_duration(older_than).total_seconds()
    try:
        found = run(lambda settings: find_stuck(settings, threshold))
    except RedisError as error:
        raise GatewayError(
            f"Redis is unavailable ({type(error).__name__}). {NEXT_STEP}", exit_code=UNREACHABLE
        ) from error
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        console.print("nothing is stuck")
    else:
        rows = [(one.kind, one.id, _age(one.seconds), one.says, one.do) for one in found]
        print_table(("what", "id", "for", "why", "do"), rows, right=("for",))
    if found:
        raise typer.Exit(FOUND)


async def find_stuck(settings: Settings, threshold: float) -> list[Stuck]:
    """At most LIMIT of each kind, the longest waiting first."""
    pool = await make_pool(settings, size=2)
    try:
        return [
            *await _attempts(pool, threshold),
            *await _unreturned(pool),
            *await _owed(pool),
            *await _deliveries(pool, threshold),
            *await _held(pool, threshold),
            *await _groups(settings, threshold),
            *await _letters(settings, pool),
            *await _roles(settings),
        ]
    finally:
        await pool.close()


async def _attempts(pool: Pool, threshold: float) -> list[Stuck]:
    found = await overdue(pool, older_than_seconds=threshold, limit=LIMIT)
    says = "no outcome past its deadline"
    waiting = [("payment", one.id, one.deadline_at) for one in found.payments]
    waiting += [("refund", one.id, one.deadline_at) for one in found.refunds]
    return [
        Stuck(kind, id_, _seconds_since(deadline_at), says, f"gateway journey {id_}")
        for kind, id_, deadline_at in waiting
    ]


async def _unreturned(pool: Pool) -> list[Stuck]:
    return [
        Stuck(
            "money",
            row["payment_id"],
            _seconds_since(row["refused_at"]),
            f"{row['amount']} {row['currency']} charged too late is not back: refused {row['tries']} times of "
            f"{LATE_REFUNDS_MAX} ({row['error_code']})",
            f"gateway journey {row['payment_id']}; once it is back, gateway settle {row['refund_id']} …",
        )
        for row in await unreturned(pool, limit=LIMIT)
    ]


async def _owed(pool: Pool) -> list[Stuck]:
    return [
        Stuck(
            "owed",
            one.payment_id,
            _seconds_since(one.since),
            f"{one.merchant_id} {'owes' if one.amount > 0 else 'has overpaid'} {abs(one.amount)} {one.currency}: "
            f"{why(one)}",
            f"{'collect' if one.amount > 0 else 'return'} it, then gateway owed settle {one.payment_id} --note …",
        )
        for one in await owed(pool, limit=LIMIT)
    ]


async def _deliveries(pool: Pool, threshold: float) -> list[Stuck]:
    rows = await overdue_deliveries(pool, older_than_seconds=threshold, limit=LIMIT)
    return [
        Stuck(
            "delivery",
            str(row["id"]),
            _seconds_since(row["due_at"]),
            f"attempt {row['attempts'] + 1} to {row['endpoint_id']} is overdue",
            f"gateway journey {row['id']}",
        )
        for row in rows
    ]


async def _held(pool: Pool, threshold: float) -> list[Stuck]:
    found = []
    for row in await held_deliveries(pool, limit=LIMIT):
        seconds = _seconds_since(row["oldest_at"])
        if seconds < threshold:
            continue
        why = "each waits for an earlier event" if row["active"] else f"the endpoint is off ({row['disabled_reason']})"
        says = f"{row['waiting']} deliveries are held: {why}"
        found.append(Stuck("endpoint", row["endpoint_id"], seconds, says, f"look at {row['url'] or 'the endpoint'}"))
    return found


async def _groups(settings: Settings, threshold: float) -> list[Stuck]:
    return [
        Stuck(
            "group",
            lag.group,
            lag.oldest_unread_seconds,
            f"{lag.unread} unread on {lag.topic}, {lag.members} members",
            "gateway topics lag",
        )
        for lag in await group_lags(settings)
        if (lag.oldest_unread_seconds or 0) > threshold
    ]


async def _letters(settings: Settings, pool: Pool) -> list[Stuck]:
    found = await letters(settings, pool, Selection())
    return [
        Stuck("dead letter", letter.id, _seconds_since(letter.at), letter.reason, f"gateway dlq show {letter.id}")
        for letter in found[:LIMIT]
    ]


async def _roles(settings: Settings) -> list[Stuck]:
    client = make_redis(settings)
    try:
        silent = silent_roles(expected_roles(), await alive(client))
    finally:
        await client.aclose()
    return [Stuck("role", role, None, "no heartbeat", f"gateway restart {role}") for role in silent]


def _seconds_since(at: datetime) -> float:
    return round((now() - at).total_seconds(), 1)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"
