"""The commands topic beside the inbox: each command that the actors have passed must have been decided.

    record below the group's committed offset    a row in the inbox (id and nonce, or the accepted id), or a dead letter
    record beyond it                             waits; too long is a difference
    record older than the inbox                  not compared: its row may be pruned

The inbox alone cannot show what it lost: a refusal whose row is gone would be decided again by a redelivery. Its
fingerprints are compared with the records' too, as far back as the topic goes.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from ops.audit.verify.findings import Check, Finding, Kind
from ops.audit.verify.pace import run
from runtime.settings import Settings
from store.operations.audit import connect
from store.operations.audit_topic import CommandDifference, CommandSights
from topics.admin import admin_client
from topics.batches import read_on
from topics.catalogue import COMMANDS, PAYMENTS_DLQ, SMALL_PARTITIONS
from topics.connection import client_options

GROUP = "payment-actors"
"""The group whose committed offsets show what was decided."""
WAITING_SECONDS = 120.0
"""How long a command may be unread: an actor restarts, or a rebalance is under way."""
RECORDS_A_TAKE = 5_000
FETCH_BYTES = 1_048_576
STALLED_SECONDS = 30.0
PLACE_BITS = 48


@dataclass(slots=True)
class CommandsReport:
    """The result; crosses a process boundary."""

    records: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Window:
    """Which records are compared: those between two instants of the log, in Unix milliseconds."""

    from_ms: int
    waiting_ms: int


def commands_look(settings: Settings, taken_at: datetime, since: datetime | None) -> CommandsReport:
    """Run in a process of its own. `taken_at`: of the snapshot; `since`: records from then on, None: all of them."""
    return run(_commands_look(settings, taken_at, since))


async def _commands_look(settings: Settings, taken_at: datetime, since: datetime | None) -> CommandsReport:
    report = CommandsReport()
    oldest = taken_at - timedelta(days=settings.idempotency_retention_days - 1)
    window = _Window(
        from_ms=_ms(max(oldest, since) if since is not None else oldest),
        waiting_ms=_ms(taken_at) - int(WAITING_SECONDS * 1_000),
    )
    committed = await committed_offsets(settings)  # before anything else: what is decided later is beyond it
    connection = await connect(settings.database_url.get_secret_value())
    reader = _Reader(settings)
    try:
        await reader.start(COMMANDS, settings.topic_partitions, window.from_ms)
        sights = await CommandSights.open(connection)
        async for messages in reader.portions():
            rows = [_row(message) for message in messages if _counts(message, committed, window)]
            report.records += len(rows)
            await sights.add(rows)
        await _name(settings, await sights.differences(), committed, report)
    finally:
        await reader.stop()
        await connection.close()
    return report


async def committed_offsets(settings: Settings) -> dict[int, int]:
    """Partition -> the first offset that the actors have not finished."""
    async with admin_client(settings) as client:
        offsets = await client.list_consumer_group_offsets(GROUP)
    return {place.partition: found.offset for place, found in offsets.items() if place.topic == COMMANDS}


def _counts(message: Any, committed: dict[int, int], window: _Window) -> bool:
    if message.timestamp < window.from_ms:
        return False
    passed: bool = message.offset < committed.get(message.partition, 0)
    return passed or message.timestamp < window.waiting_ms


def _row(message: Any) -> tuple[str | None, str | None, str | None, int]:
    """(id, nonce, fingerprint's md5, place). What cannot be read must be a dead letter."""
    place = message.partition << PLACE_BITS | message.offset
    try:
        record = orjson.loads(message.value)
        command_id, nonce, fingerprint = record["id"], record.get("nonce", ""), record.get("fingerprint")
        if not isinstance(command_id, str) or not isinstance(nonce, str) or "\x00" in command_id + nonce:
            return None, None, None, place
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None, None, None, place
    return command_id, nonce, "" if fingerprint is None else _digest(fingerprint), place


def _digest(fingerprint: object) -> str:
    return hashlib.md5(orjson.dumps(fingerprint), usedforsecurity=False).hexdigest()


async def _name(
    settings: Settings, differences: list[CommandDifference], committed: dict[int, int], report: CommandsReport
) -> None:
    """The rest once the dead letters are known."""
    undecided = {one.place for one in differences if one.kind == "undecided"}
    dead = await _dead(settings, undecided) if undecided else set()
    for one in differences:
        partition, offset = one.place >> PLACE_BITS, one.place & ((1 << PLACE_BITS) - 1)
        at = f"{COMMANDS}/{partition}/{offset}"
        if one.kind == "fingerprint":
            message = f"has another fingerprint in the inbox than on the topic ({one.id})"
            report.findings.append(Finding(Check.PROMISES, at, message, Kind.FINGERPRINT))
        elif one.kind == "clock":
            message = f"has a row in the inbox that is dated in the future ({one.id}): the database's clock was changed"
            report.findings.append(Finding(Check.PROMISES, at, message, Kind.CLOCK))
        elif one.place not in dead:
            passed = offset < committed.get(partition, 0)
            message = "was passed by the actors, but not decided" if passed else "has waited for its decision too long"
            report.findings.append(Finding(Check.PROMISES, at, f"{message} ({one.id or 'unreadable'})", Kind.UNDECIDED))


async def _dead(settings: Settings, places: set[int]) -> set[int]:
    """Those of the places whose record is a dead letter."""
    origins = {
        f"{COMMANDS}/{place >> PLACE_BITS}/{place & ((1 << PLACE_BITS) - 1)}".encode(): place for place in places
    }
    found: set[int] = set()
    reader = _Reader(settings)
    try:
        await reader.start(PAYMENTS_DLQ, SMALL_PARTITIONS, 0)
        async for messages in reader.portions():
            for message in messages:
                found |= {origins[value] for name, value in message.headers if name == "origin" and value in origins}
    finally:
        await reader.stop()
    return found


class _Reader:
    """A topic from an instant to the end it had when reading began."""

    def __init__(self, settings: Settings) -> None:
        read_on()
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
        )
        self._ends: dict[TopicPartition, int] = {}

    async def start(self, topic: str, partitions: int, from_ms: int) -> None:
        await self._consumer.start()
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        self._consumer.assign(places)
        self._ends = dict(await self._consumer.end_offsets(places))
        await self._consumer.seek_to_beginning(*places)
        if from_ms:
            for place, found in (await self._consumer.offsets_for_times(dict.fromkeys(places, from_ms))).items():
                self._consumer.seek(place, found.offset if found is not None else self._ends[place])

    async def stop(self) -> None:
        await self._consumer.stop()

    async def portions(self) -> Any:
        """Lists of messages up to the ends. Raises TimeoutError if nothing arrives."""
        pending = {place for place, end in self._ends.items() if await self._consumer.position(place) < end}
        moved_at = time.monotonic()
        while pending:
            taken = await self._consumer.getmany(*pending, timeout_ms=500, max_records=RECORDS_A_TAKE)
            for messages in taken.values():
                yield messages
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > STALLED_SECONDS:
                raise TimeoutError(f"the log gave no record for {STALLED_SECONDS:.0f} s")
            pending = {place for place in pending if await self._consumer.position(place) < self._ends[place]}


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)
