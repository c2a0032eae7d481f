"""`gateway topics`: the topics, their records, the lag of their readers, and the format of every record."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer
from aiokafka import TopicPartition

from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, UsageError, run
from ops.console.names import named_topic, named_topics, parse_duration, parse_instant
from ops.console.noted import note_command
from ops.console.output import Json, Unmask, console, print_json, print_json_line, print_table
from ops.log.acl import acl
from ops.log.compatibility import RELEASED, incompatibilities, promises_now, promises_released
from ops.log.formats import as_block, as_line, as_object
from ops.log.growth import grow, plan
from ops.log.lag import GroupLag, group_lags
from ops.log.schemas import RECORD_KINDS, RecordKind, sample_of, schema_of
from ops.log.selection import filters_of
from ops.log.tail import Tail, order_to_look_at, tailed
from ops.log.topics_page import PAGE, render_page
from ops.stack.prepare import topics
from runtime.settings import Settings
from topics.admin import admin_client, partitions_of
from topics.catalogue import FOR_EVER, RETRY_PREFIX, Topic
from topics.reader import Start, log_reader

topics.command("acl")(acl)


@topics.command("list")
def list_topics(as_json: Json = False) -> None:
    """List every topic with its key, partitions, retention, record count and contents."""
    rows = run(_overview)
    if as_json:
        print_json(rows)
        return
    titles = ("topic", "key", "partitions", "kept", "records", "carries")
    print_table(titles, (_overview_row(row) for row in rows), right=("partitions", "records"))


def _overview_row(row: dict[str, Any]) -> tuple[str, ...]:
    there = "–" if row["records"] is None else f"{row['records']:,}"
    return row["topic"], row["key"], str(row["partitions"]), kept(row["retention_ms"]), there, row["carries"]


async def _overview(settings: Settings) -> list[dict[str, Any]]:
    topics = named_topics([], settings)
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions(topic.name for topic in topics), Start())
    return [
        {
            "topic": topic.name,
            "key": topic.key,
            "partitions": partitions_of(topic, settings),
            "retention_ms": topic.retention_ms,
            "records": _count(spans, topic),
            "carries": topic.carries,
        }
        for topic in topics
    ]


def _count(spans: dict[TopicPartition, tuple[int, int]], topic: Topic) -> int | None:
    """None: the topic is not on the log."""
    own = [span for partition, span in spans.items() if partition.topic == topic.name]
    return sum(end - first for first, end in own) if own else None


def kept(retention_ms: int) -> str:
    return "for ever" if retention_ms == FOR_EVER else f"{timedelta(milliseconds=retention_ms).days} d"


@topics.command("describe")
def describe(name: Annotated[str, typer.Argument(help="A topic; short names work.")], as_json: Json = False) -> None:
    """Show one topic: partitions with offsets and leaders, settings, consumer groups and record types."""
    found = run(lambda settings: _described(settings, name))
    if as_json:
        print_json(found)
        return
    console.print(f"[bold]{found['topic']}[/bold]  key {found['key']}, kept {kept(found['retention_ms'])}")
    console.print(f"{found['carries']}. Records: {', '.join(found['types']) or 'see the original topic'}\n")
    names = ("partition", "first", "next", "records", "leader", "in_sync")
    print_table(names, ([str(row[name]) for name in names] for row in found["partitions"]), right=names)
    for group in found["groups"]:
        console.print(f"group {group['group']}: {group['unread']} unread, {group['members']} members")


async def _described(settings: Settings, name: str) -> dict[str, Any]:
    topic = named_topic(name, settings)
    async with log_reader(settings) as reader, admin_client(settings) as client:
        spans = await reader.spans(await reader.partitions([topic.name]), Start())
        if not spans:
            raise UsageError(f"{topic.name} is not on the log yet; run `gateway topics create`.")
        (on_broker,) = await client.describe_topics([topic.name])
    state = {entry["partition"]: entry for entry in on_broker["partitions"]}
    return {
        "topic": topic.name,
        "key": topic.key,
        "carries": topic.carries,
        "retention_ms": topic.retention_ms,
        "types": [kind.type for kind in RECORD_KINDS if topic.name in kind.topics(settings)],
        "partitions": [
            {
                "partition": partition.partition,
                "first": first,
                "next": end,
                "records": end - first,
                "leader": state[partition.partition]["leader"],
                "in_sync": len(state[partition.partition]["isr"]),
            }
            for partition, (first, end) in spans.items()
        ],
        "groups": [asdict(lag) for lag in await group_lags(settings) if lag.topic == topic.name],
    }


@topics.command("tail")
def tail(
    names: Annotated[list[str] | None, typer.Argument(help="Topics (short names work); default: all.")] = None,
    payment: Annotated[str | None, typer.Option(help="Only records about this payment.")] = None,
    order: Annotated[str | None, typer.Option(help="Only records about this order.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Only records that name this merchant.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Record type; payment.* works.")] = None,
    key: Annotated[str | None, typer.Option(help="Exact record key.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="A header: name or name=value.")] = None,
    where: Annotated[str | None, typer.Option(help="Expression: amount>50000 and status=FAILED")] = None,
    partition: Annotated[
        list[int] | None, typer.Option("--partition", "-p", min=0, help="Only this partition; may be repeated.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only records since 10m, 2h ago or an RFC 3339 instant.")] = None,
    until: Annotated[str | None, typer.Option(help="Only records before 10m, 2h ago or an instant.")] = None,
    from_offset: Annotated[int | None, typer.Option(help="From this offset; negative: from the end.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Number of past records; 0: all.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new records.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print the whole envelope instead of one line.")] = False,
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show records of several topics, merged by time, decoded and filtered."""
    if since is not None and from_offset is not None:
        raise UsageError("--since and --from-offset exclude each other.")
    if until is not None and follow:
        raise UsageError("--until and --follow exclude each other.")
    start = Start(since=parse_instant(since) if since else None, offset=from_offset)
    filters = filters_of(
        key=key, words=(payment, order, merchant), types=types or (), headers=header or (), where=where
    )

    async def work(settings: Settings) -> None:
        tail = Tail(
            topics=tuple(named_topics(names or [], settings)),
            filters=filters,
            start=start,
            order_id=await order_to_look_at(settings, order_id=order, payment_id=payment),
            limit=limit,
            follow=follow,
            partitions=frozenset(partition or ()),
            until=parse_instant(until) if until else None,
        )
        async for record in tailed(settings, tail):
            if as_json:
                print_json_line(as_object(record, unmask=unmask))
            else:
                console.print(as_block(record, unmask=unmask) if full else as_line(record, unmask=unmask))

    run(work)


@topics.command("show")
def show(
    place: Annotated[str, typer.Argument(help="topic/partition/offset, as other commands print it.")],
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:
    """Show one complete record: envelope, headers, and whether it matches its schema."""
    topic, partition, offset = _parse_place(place)

    async def work(settings: Settings) -> None:
        name = named_topic(topic, settings).name
        async with log_reader(settings) as reader:
            at = TopicPartition(name, partition)
            spans = await reader.spans([at] if at in await reader.partitions([name]) else [], Start())
            if at not in spans or not spans[at][0] <= offset < spans[at][1]:
                raise UsageError(
                    f"There is no record at {name}/{partition}/{offset}; "
                    f"`gateway topics describe {name}` shows the offsets."
                )
            record = (await reader.first_at({at: offset}))[at]
        problems = (
            RecordKind.problems_of(record.json) if record.json is not None else ["the value is not a JSON object"]
        )
        if as_json:
            print_json({**as_object(record, unmask=unmask), "schema_problems": problems})
            return
        console.print(as_block(record, unmask=unmask))
        console.print("schema: ok" if not problems else "schema: " + "; ".join(problems), markup=False)

    run(work)


def is_number(text: str) -> bool:
    """True for a number that Kafka can hold. `str.isdigit` would accept `²`, which `int` does not."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _parse_place(text: str) -> tuple[str, int, int]:
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and is_number(partition) and is_number(offset)):
        raise UsageError(f"{text!r} is not a valid position; write topic/partition/offset, such as events/3/142.")
    return topic, int(partition), int(offset)


@topics.command("lag")
def lag(
    max_age: Annotated[
        str | None, typer.Option(help="Exit with 1 if the oldest unread record is older, such as 30s.")
    ] = None,
    max_unread: Annotated[int | None, typer.Option(help="Exit with 1 if more records are unread.")] = None,
    as_json: Json = False,
) -> None:
    """Show how far each consumer group is behind, in records and in time. Exit code 1: behind the given limit.

    Retry tiers are shown but never count as behind: their records are meant to wait.
    """
    age_seconds_max = parse_duration(max_age).total_seconds() if max_age else None
    lags = run(group_lags)
    if as_json:
        print_json([asdict(one) for one in lags])
    else:
        _print_lags(lags)
    behind = any(
        (age_seconds_max is not None and (one.oldest_unread_seconds or 0) > age_seconds_max)
        or (max_unread is not None and one.unread > max_unread)
        for one in lags
        if not one.topic.startswith(RETRY_PREFIX)
    )
    if behind:
        raise typer.Exit(FOUND)


def _print_lags(lags: list[GroupLag]) -> None:
    titles = ("group", "topic", "members", "unread", "oldest unread", "partitions behind")
    print_table(titles, (_lag_row(one) for one in lags), right=("members", "unread", "oldest unread"))


def _lag_row(one: GroupLag) -> tuple[str, ...]:
    age = "–" if one.oldest_unread_seconds is None else f"{one.oldest_unread_seconds:.1f} s"
    behind = ",".join(map(str, one.partitions_behind)) or "–"
    return one.group, one.topic, str(one.members), f"{one.unread:,}", age, behind


@topics.command("grow")
def grow_log(
    partitions: Annotated[int, typer.Option(min=1, help="New number of partitions of the keyed topics.")],
    within: Annotated[float, typer.Option(min=5.0, max=600.0, help="Maximum seconds to close the log for.")] = 60.0,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes; without it, only show them.")] = False,
) -> None:
    """Give the log more partitions, so that more actors can share it. Dry run unless --apply.

    The API responds with 503 and Retry-After until every accepted command is decided and the actors have restarted.
    """

    async def work(settings: Settings) -> None:
        planned = await plan(settings, partitions)
        console.print(f"{planned.before} partitions become {planned.target}; the broker has {planned.on_broker}")
        if not apply:
            console.print(f"nothing was changed; --apply closes the log for at most {within:.0f} s and does it")
            return
        await note_command(settings, "topics grow", {"before": planned.before, "wanted": planned.target})
        closed_seconds = await grow(settings, planned, seconds=within, report=lambda line: console.print(f"  {line}"))
        console.print(f"open again after {closed_seconds:.1f} s")

    run(work)


@topics.command("schemas")
def schemas(
    record_type: Annotated[str | None, typer.Argument(help="A record type: print its schema and sample.")] = None,
    release: Annotated[bool, typer.Option("--release", help="Record the current schemas as promised.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """List the record types, or print the JSON Schema and the golden sample of one."""
    if release:
        _release()
        return
    if record_type is None:
        if as_json:
            print_json([{"type": kind.type, "topic": kind.topic, "says": kind.summary} for kind in RECORD_KINDS])
            return
        for kind in RECORD_KINDS:
            console.print(f"{kind.type:<22} {kind.topic:<24} {kind.summary}", markup=False)
        return
    if record_type not in {kind.type for kind in RECORD_KINDS}:
        raise UsageError(f"There is no record type {record_type!r}; see `gateway topics schemas`.")
    print_json({"schema": schema_of(record_type), "sample": sample_of(record_type)})


def _release() -> None:
    """Refuses a broken promise: that requires a new version of the topic, not of the file."""
    broken = incompatibilities(promises_released(), promises_now())
    if broken:
        raise GatewayError(
            f"Not released, {len(broken)} promises would be broken: {'; '.join(broken[:5])}. "
            "Make the change compatible, or add a version of the topic."
        )
    RELEASED.write_text(json.dumps(promises_now(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    console.print(f"{RELEASED.name} written")


@topics.command("docs")
def docs(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit with 1 if the page is stale.")] = False,
) -> None:
    """Write docs/TOPICS.md from the catalogue and the schemas."""
    page = render_page()
    written = ""
    with contextlib.suppress(FileNotFoundError):
        written = PAGE.read_text(encoding="utf-8")
    if check:
        console.print("fresh" if page == written else "stale: run `gateway topics docs`")
        raise typer.Exit(0 if page == written else FOUND)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    console.print(f"{PAGE.name} written")
