"""Gives the log more partitions while no command is undecided: their number determines an order's partition.

    close ─► drained: every command decided, every event planned and numbered ─► partitions ─► PostgreSQL remembers
          ─► actors and API workers start again with the new number ─► open ─► the other roles do

While it is closed the API responds with 503 and Retry-After; earlier commands are decided. It opens automatically when
its time is over, even if this command was killed: then nothing has changed, or everything. The actor forwards a command
that a late writer puts on an order's former partition (agents/payments/actor.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from redis.exceptions import RedisError

from ops.audit.verify.commands import GROUP as ACTORS
from ops.console.errors import GatewayError
from ops.console.exit_codes import NEXT_STEP, UsageError
from runtime.settings import Settings
from store.driver import connect
from store.log.feed import read_positions
from store.log.log_partitions import PARTITIONS, Growth, log_state
from store.redis.clients import make_redis
from store.redis.heartbeats import alive, alive_of_any_release
from topics.admin import admin_client, grow_topics, partition_counts
from topics.catalogue import COMMANDS, EVENTS
from topics.reader import LOOK_UP_HOLD_MS, LogReader, Start, log_reader

PARTITIONS_MAX = 256
PLANNER = "planner"
"""The group whose order of events is the order of webhooks."""
ACTOR_ROLE = "payments"
AT_ONCE = (ACTOR_ROLE, "api")
"""Roles that decide and that submit: the log opens when they have restarted. The others restart afterwards."""
LOOK_EVERY_SECONDS = 0.25
NOTICED_SECONDS = 2.0
"""By then every process that is connected to the database has learned that the log is closed: PostgreSQL notifies them
at once, and a lost connection is replaced after a second. A process that cannot connect writes strays: see above."""
QUERY_SECONDS = 10.0
Report = Callable[[str], None]
Worker = tuple[str, str]
"""Role and name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a growth."""

    before: int
    target: int
    on_broker: int


@dataclass(frozen=True, slots=True)
class Drained:
    """How far the log reached when everything on it had been decided, planned and numbered."""

    commands: dict[TopicPartition, int]
    events: dict[TopicPartition, int]


async def plan(settings: Settings, target: int) -> Plan:
    """Raises UsageError for a number that the log cannot grow to, GatewayError if it must not grow now."""
    before = settings.topic_partitions
    if target == before:
        raise UsageError(f"The log already has {before} partitions; choose a multiple of {before}.")
    if not before < target <= PARTITIONS_MAX or target % before:
        raise UsageError(
            f"{before} partitions can become a multiple of {before} up to {PARTITIONS_MAX}, not {target}: a log only "
            "grows, and an order that moves must never come back to a partition where it was."
        )
    async with admin_client(settings) as client, log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader:
        on_broker = min((await partition_counts(client, [COMMANDS, EVENTS])).values())
        await _refuse_grown(reader, before)
    await _refuse_older_workers(settings)
    if on_broker > target:
        raise UsageError(f"The broker's topics have {on_broker} partitions already: grow to {on_broker}, or more.")
    return Plan(before, target, on_broker)


async def _refuse_grown(reader: LogReader, before: int) -> None:
    beyond = [place for place in await reader.partitions([COMMANDS, EVENTS]) if place.partition >= before]
    used = sorted(place.partition for place, (_, end) in (await reader.spans(beyond, Start())).items() if end)
    if used:
        raise GatewayError(
            f"The log has records on partition {used[0]}, and PostgreSQL remembers {before} partitions: it is from "
            "before the log grew. `gateway recover --apply` brings it up to the log."
        )


async def _refuse_older_workers(settings: Settings) -> None:
    """One whose heartbeat lacks its number of partitions would not notice that there are more."""
    client = make_redis(settings)
    try:
        workers = await alive_of_any_release(client)
    except (RedisError, OSError) as error:
        raise GatewayError(
            f"Redis is unavailable ({type(error).__name__}), so the running workers are unknown. {NEXT_STEP}"
        ) from error
    finally:
        await client.aclose()
    older = sorted(name for found in workers.values() for name, facts in found.items() if PARTITIONS not in facts)
    if older:
        raise GatewayError(f"Finish the upgrade first: {', '.join(older)} run a version that cannot grow.")


async def grow(settings: Settings, planned: Plan, *, seconds: float, report: Report) -> float:
    """Grow within `seconds`, or change nothing; returns for how long the log was closed.

    Raises GatewayError, KafkaError, DatabaseError, OSError; the log is open again by then.
    """
    connection = await connect(
        settings.database_url.get_secret_value(),
        timeout=QUERY_SECONDS,
        command_timeout=QUERY_SECONDS,
        server_settings={"application_name": "topics grow"},
    )
    growth = Growth(connection)
    began = asyncio.get_running_loop().time()
    if not await growth.lock():
        await connection.close()
        raise GatewayError("Another `gateway topics grow` is already running.")
    try:
        workers = await _workers(settings)
        await growth.close_log(seconds)
        report(f"closed for at most {seconds:.0f} s: the API responds with 503; accepted commands are decided")
        async with asyncio.timeout(seconds):
            await _grow_closed(settings, growth, planned, report)
            await _noticed(settings, workers, planned.target, report)
            if any(role == ACTOR_ROLE for role, _ in workers):
                await _owned(settings, planned.target, report)
    except TimeoutError:
        if (await log_state(connection)).counts[-1] != planned.target:
            raise GatewayError(
                f"Not everything was decided within {seconds:.0f} s, so nothing was changed (see the line above). Look "
                "at `gateway topics lag`, or allow more with --within."
            ) from None
        report("the log has grown, and some workers have not noticed: they will, or `gateway restart roles`")
    finally:
        if not connection.is_closed():
            await growth.open_log()
        await connection.close()
    return asyncio.get_running_loop().time() - began


async def _grow_closed(settings: Settings, growth: Growth, planned: Plan, report: Report) -> None:
    async with admin_client(settings) as client, log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader:
        await grow_topics(client, settings, planned.target)
        report(f"the topics have {planned.target} partitions, {planned.before} in use")
        look = _Look(settings, growth, client, reader)
        await asyncio.sleep(NOTICED_SECONDS)
        drained = await look.until_drained(report)
        report("everything is decided, planned and numbered")
        while (now := await look.until_drained(report)) != drained:
            drained = now  # a report of the bank arrived in between
        if not await growth.grow(planned.target):
            raise TimeoutError("the log has opened by itself")
        report(f"the log has {planned.target} partitions")


class _Look:
    """Whether anything on the partitions in use is not read to its end yet."""

    def __init__(self, settings: Settings, growth: Growth, client: AIOKafkaAdminClient, reader: LogReader) -> None:
        self._growth = growth
        self._client = client
        self._reader = reader
        self._places = {
            topic: [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
            for topic in (COMMANDS, EVENTS)
        }

    async def until_drained(self, report: Report) -> Drained:
        """Ends that held while everybody had read up to them. Reports what it waits for, when that changes."""
        reported = ""
        while True:
            before = await self._ends()
            unread = await self._unread(before)
            after = await self._ends()
            if not unread and before == after:
                return before
            waits = ", ".join(unread) or "a command that came in between"
            if waits != reported:
                report(f"waits for {waits}")
            reported = waits
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _ends(self) -> Drained:
        """Of partitions that hold records: expired records need no reader."""
        spans = await self._reader.spans([*self._places[COMMANDS], *self._places[EVENTS]], Start())
        ends = {place: end for place, (first, end) in spans.items() if first < end}
        return Drained(
            {place: end for place, end in ends.items() if place.topic == COMMANDS},
            {place: end for place, end in ends.items() if place.topic == EVENTS},
        )

    async def _unread(self, ends: Drained) -> list[str]:
        """The groups that have not read up to these ends."""
        actors = await self._committed(ACTORS, COMMANDS)
        planner = await self._committed(PLANNER, EVENTS)
        feeder = await read_positions(self._growth.connection)
        readers = (
            ("the payment actors", ends.commands, actors),
            ("the planner", ends.events, planner),
            ("the feeder (jobs)", ends.events, feeder),
        )
        return [
            name
            for name, target, found in readers
            if any(found.get(place.partition, 0) < end for place, end in target.items())
        ]

    async def _committed(self, group: str, topic: str) -> dict[int, int]:
        offsets: dict[TopicPartition, Any] = await self._client.list_consumer_group_offsets(group)
        return {place.partition: found.offset for place, found in offsets.items() if place.topic == topic}


async def _workers(settings: Settings) -> dict[Worker, object]:
    """Each worker that decides or submits -> the number of partitions that it uses. Raises RedisError."""
    client = make_redis(settings)
    try:
        workers = await alive(client)
    finally:
        await client.aclose()
    return {(role, name): facts.get(PARTITIONS) for role in AT_ONCE for name, facts in workers.get(role, {}).items()}


async def _noticed(settings: Settings, before: Collection[Worker], partitions: int, report: Report) -> None:
    """Wait until those workers have restarted. The log stays closed until then, so that no actor finds commands that it
    would treat as another's."""
    reported: list[Worker] = []
    try:
        while waits := sorted(set(before) - await _with(settings, partitions)):
            if waits != reported:
                report(f"waits for {', '.join(name for _, name in waits)} to start again")
            reported = waits
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    except (RedisError, OSError) as error:
        report(f"Redis does not say which workers have started again ({type(error).__name__}); they do within seconds")


async def _with(settings: Settings, partitions: int) -> set[Worker]:
    return {worker for worker, number in (await _workers(settings)).items() if number == partitions}


async def _owned(settings: Settings, partitions: int, report: Report) -> None:
    """Wait until the payment actors share all of them. One that starts slowly may have left the group in between."""
    async with admin_client(settings) as client:
        while await _owned_count(client) != partitions:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_SECONDS)  # the broker reports no such event
    report(f"the payment actors have {partitions} partitions")


async def _owned_count(client: AIOKafkaAdminClient) -> int:
    (response,) = await client.describe_consumer_groups([ACTORS])
    owned: set[int] = set()
    for *_, assignment in response.groups[0][5]:
        if assignment:
            decoded = ConsumerProtocolMemberAssignment.decode(assignment)
            owned.update(number for topic, numbers in decoded.assignment if topic == COMMANDS for number in numbers)
    return len(owned)
