"""`gateway health [--watch]`: whether the gateway works, measured from outside: API, heartbeats of the roles, lag,
records a second.

`gateway status` queries the local runner; this works against any deployment whose services it can reach. A service that
does not respond is a line of the report, and does not end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, run
from ops.console.local_http import call
from ops.console.output import Json, console, print_json
from ops.health.feed import forgotten_transactions
from ops.health.heartbeats import expected_roles, silent_roles
from ops.log.lag import GroupLag, group_lags
from runtime.clock import now
from runtime.fenced import COMMAND, FENCED, FENCED_BY, is_fenced
from runtime.outdated import OUTDATED, is_outdated
from runtime.progress import FACT, is_stalled
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import connect
from store.errors import DatabaseError
from store.operations.audits import AuditStore
from store.operations.sessions import blockers
from store.redis.clients import make_redis
from store.redis.heartbeats import alive
from topics.admin import topic_problems
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS
from topics.reader import Start, log_reader

T = TypeVar("T")
SAMPLE_SECONDS = 1.0
COUNTED = (COMMANDS, EVENTS, DELIVERIES)
DATABASE_SECONDS = 5.0
BLOCKED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `problems`: one sentence each; empty if there are none."""

    at: datetime
    api: dict[str, Any]
    workers: dict[str, dict[str, dict[str, Any]]]
    silent: list[str]
    lags: list[GroupLag]
    records_per_second: dict[str, float]
    problems: list[str]
    audit: dict[str, Any]
    log_answers: bool
    redis_answers: bool

    def as_json(self) -> dict[str, Any]:
        """The fields, and `healthy`."""
        return {**asdict(self), "healthy": not self.problems}


def health(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Check the API, roles, lag and rates. Exit code 1: there are problems."""
    if watch and not as_json:
        run(_watch)
        return
    report = run(look)
    if as_json:
        print_json(report.as_json())
    else:
        console.print(drawn(report))
    if report.problems:
        raise typer.Exit(FOUND)


async def _watch(settings: Settings) -> None:
    with Live(drawn(await look(settings)), console=console, auto_refresh=False) as live:
        while True:
            live.update(drawn(await look(settings)), refresh=True)


async def look(settings: Settings) -> Report:
    """Everything at once; takes SAMPLE_SECONDS for the rates."""
    expected = expected_roles()
    api, workers, lags, rates, (topics, blockers), audits = await asyncio.gather(
        asyncio.to_thread(_api, settings),
        _tried("Redis", _workers(settings)),
        _tried("The log", group_lags(settings)),
        _tried("The log", _rates(settings)),
        asyncio.gather(_tried("The log", topic_problems(settings)), _tried("PostgreSQL", _blockers(settings))),
        _tried("PostgreSQL", _audits(settings)),
    )
    problems = [found for found in (workers, lags, rates, topics, blockers, audits) if isinstance(found, str)]
    audit = audits if isinstance(audits, dict) else {}
    problems += _differing(audit)
    problems += topics if isinstance(topics, list) else []
    problems += blockers if isinstance(blockers, list) else []
    beating = workers if isinstance(workers, dict) else {}
    silent = silent_roles(expected, beating) if isinstance(workers, dict) else []
    problems += [f"{role} has sent no heartbeat" for role in silent]
    problems += [
        f"{worker} has made no progress for {facts[FACT]:.0f} s with {facts.get('lag')} records unread"
        for members in beating.values()
        for worker, facts in members.items()
        if is_stalled(facts)
    ]
    problems += _fenced(beating) + _outdated(beating)
    if api.get("status") != "healthy":
        problems.append(f"the API is {api.get('status', 'unavailable')}: {api}")
    return Report(
        at=now(),
        api=api,
        workers=beating,
        silent=silent,
        lags=lags if isinstance(lags, list) else [],
        records_per_second=rates if isinstance(rates, dict) else {},
        problems=list(dict.fromkeys(problems)),
        audit=audit,
        log_answers=isinstance(lags, list) and isinstance(rates, dict),
        redis_answers=isinstance(workers, dict),
    )


async def _tried(what: str, work: Awaitable[T]) -> T | str:
    """The result, or a sentence."""
    try:
        return await work
    except (KafkaError, RedisError, DatabaseError, OSError) as error:
        return f"{what} is unavailable ({type(error).__name__})"


def _api(settings: Settings) -> dict[str, Any]:
    try:
        response = call("GET", f"{settings.api_url}/health", timeout=5.0)
    except GatewayError:
        return {"status": "unavailable"}
    return response.body if isinstance(response.body, dict) else {"status": f"HTTP {response.status}"}


async def _workers(settings: Settings) -> dict[str, dict[str, dict[str, Any]]]:
    client = make_redis(settings)
    try:
        return await alive(client)
    finally:
        await client.aclose()


async def _blockers(settings: Settings) -> list[str]:
    """A sentence for each transaction that has blocked others, and for each idle one."""
    connection = await connect(settings.database_url.get_secret_value(), timeout=DATABASE_SECONDS)
    try:
        found = await blockers(connection, BLOCKED_SECONDS, timeout=DATABASE_SECONDS)
    finally:
        await connection.close(timeout=DATABASE_SECONDS)
    blocking = [
        f"PostgreSQL: {one.name} (pid {one.pid}) has been blocking {one.waiting} sessions for {one.seconds:.0f} s"
        for one in found
    ]
    return blocking + await forgotten_transactions(settings)


async def _audits(settings: Settings) -> dict[str, Any]:
    """The auditor's last results: `whole` and `recent`, each with its age in seconds and its differences by kind."""
    pool = await make_pool(settings, size=1)
    try:
        store = AuditStore(pool)
        found = {"whole": await store.latest(whole=True), "recent": await store.latest(whole=False)}
    finally:
        await pool.close()
    return {
        scope: {"seconds_ago": round(past.age.total_seconds(), 1), "differences": past.differences}
        for scope, past in found.items()
        if past is not None
    }


def _fenced(workers: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    return [
        f"{worker} decides nothing on partitions {facts[FENCED]}: PostgreSQL is behind the log, which has "
        f"{facts[FENCED_BY]}; run `{COMMAND}`"
        for members in workers.values()
        for worker, facts in sorted(members.items())
        if is_fenced(facts)
    ]


def _outdated(workers: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    return [
        f"{worker} stands still: {facts[OUTDATED]}; upgrade it, nothing is lost meanwhile"
        for members in workers.values()
        for worker, facts in sorted(members.items())
        if is_outdated(facts)
    ]


def _differing(audit: dict[str, Any]) -> list[str]:
    """A recent audit that ended before the last whole one is superseded by it."""
    whole, recent = audit.get("whole"), audit.get("recent")
    if whole is not None and recent is not None and recent["seconds_ago"] > whole["seconds_ago"]:
        recent = None
    found = [f"{count:,} {kind}" for past in (whole, recent) if past for kind, count in past["differences"].items()]
    return [f"the auditor found differences ({', '.join(found)}): run `gateway verify`"] if found else []


async def _rates(settings: Settings) -> dict[str, float]:
    """Records a second on the busiest topics, from their ends now and a moment later."""
    async with log_reader(settings) as reader:
        partitions = await reader.partitions(COUNTED)
        before = await reader.spans(partitions, Start())
        await asyncio.sleep(SAMPLE_SECONDS)
        after = await reader.spans(partitions, Start())
    return {
        topic: round(
            sum(after[place][1] - before[place][1] for place in partitions if place.topic == topic) / SAMPLE_SECONDS, 1
        )
        for topic in COUNTED
    }


def drawn(report: Report) -> Group:
    """As text: one line of the API and the rates, then workers, lags, problems."""
    heading = Text(f"{report.at:%H:%M:%S}  API {report.api.get('status')}   ")
    heading.append("  ".join(f"{topic} {rate:g}/s" for topic, rate in report.records_per_second.items()), style="dim")
    tables = (_worker_table(report), _lag_table(report))
    return Group(heading, _audit_line(report), *tables, *map(_problem, report.problems))


def _audit_line(report: Report) -> Text:
    shown = [
        f"{scope} {timedelta(seconds=round(past['seconds_ago']))} ago, "
        f"{sum(past['differences'].values()):,} differences"
        for scope, past in report.audit.items()
    ]
    return Text(f"audit    {'   '.join(shown) or 'none yet'}", style="dim")


def _problem(text: str) -> Text:
    return Text(text, style="red")


def _worker_table(report: Report) -> Table:
    table = Table("role", "worker", "heartbeat", "facts", box=None, pad_edge=False)
    for role, members in sorted(report.workers.items()):
        for worker, facts in sorted(members.items()):
            age = (report.at - datetime.fromisoformat(facts["at"])).total_seconds()
            shown = "  ".join(f"{name}={value}" for name, value in facts.items() if name != "at")
            table.add_row(role, worker, f"{max(0.0, age):.1f} s ago", shown)
    return table


def _lag_table(report: Report) -> Table:
    table = Table("group", "topic", "members", "unread", "oldest unread", box=None, pad_edge=False)
    for lag in report.lags:
        age = "–" if lag.oldest_unread_seconds is None else f"{lag.oldest_unread_seconds:.1f} s"
        table.add_row(lag.group, lag.topic, str(lag.members), f"{lag.unread:,}", age)
    return table
