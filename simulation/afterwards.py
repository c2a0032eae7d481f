"""Conditions on webhooks and counters at rest: the rest of the oracle.

At least once or a dead letter; the bytes of the row on every attempt; per-payment order; counters that fit the events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import TopicPartition

from agents.jobs.counters import BOUNCED, DELTAS
from domain.delivery import is_subscribed
from runtime.order_keys import opened
from simulation.database import Row
from simulation.merchants import order_keys
from simulation.oracle import letters
from simulation.promises import Findings, Violation
from simulation.rest import is_open
from topics.catalogue import EVENTS, PAYMENTS_DLQ, WEBHOOKS_DLQ

if TYPE_CHECKING:
    from simulation.receivers import Received
    from simulation.world import World


def judge_deliveries(world: World) -> list[Violation]:
    """Broken promises about data derived from the events."""
    found = Findings()
    if world.plan.webhooks:
        _planned(world, found)
        _ended(world, found)
        _received(world, found)
        _ordered(world, found)
    _counted(world, found)
    return found.violations


def _planned(world: World, found: Findings) -> None:
    """Each event has one delivery for each endpoint that subscribes to it, and no other."""
    tables = world.database.tables
    expected = set()
    for row in tables["events"].values():
        event = orjson.loads(row["payload"])
        for hook in tables["webhooks"].values():
            ours = hook["merchant_id"] == row["merchant_id"]
            if ours and is_subscribed(hook["events"], event["type"]):
                expected.add((event["id"], hook["id"]))
    planned = {(row["event_id"], row["endpoint_id"]) for row in tables["webhook_logs"].values()}
    for event_id, endpoint_id in sorted(expected ^ planned):
        side = "missing" if (event_id, endpoint_id) in expected else "too much"
        found.add("a delivery for each event", f"{event_id} for {endpoint_id} is {side}", event_id)


def _ended(world: World, found: Findings) -> None:
    """Every delivery is delivered, dead with a letter, or held because its endpoint is disabled."""
    dead = {
        str(orjson.loads(body["value"])["body"]["log_id"])
        for (topic, partition, offset), body in letters(world, WEBHOOKS_DLQ).items()
        if (TopicPartition(topic, partition), offset) not in world.broker.strangers
    }
    accepted = {(one.event_id, one.endpoint_id) for one in world.receivers.received if one.accepted}
    for row in world.database.tables["webhook_logs"].values():
        where = f"{row['event_id']} for {row['endpoint_id']} is {row['status']} after {row['attempts']} attempts"
        if row["status"] == "success" and (row["event_id"], row["endpoint_id"]) not in accepted:
            found.add("delivered is received", where, row["order_id"])
        elif row["status"] == "failed" and str(row["id"]) not in dead:
            found.add("dead has a letter", where, row["order_id"])
        elif is_open(world, row):
            found.add("delivered or dead", where, row["order_id"])


def _received(world: World, found: Findings) -> None:
    """Every attempt sent the bytes of the row, opened."""
    bodies = {
        (row["event_id"], row["endpoint_id"]): opened(row["body"], order_keys(row["body"]))
        for row in world.database.tables["webhook_logs"].values()
    }
    for one in world.receivers.received:
        if bodies.get((one.event_id, one.endpoint_id)) != one.body:
            found.add("the same bytes on every attempt", f"{one.event_id} for {one.endpoint_id}", one.payment_id)


def _ordered(world: World, found: Findings) -> None:
    """To an endpoint with an order: no event of a payment before the earlier ones were accepted, or failed for good."""
    by_payment: dict[tuple[str, str], list[Received]] = defaultdict(list)
    for one in world.receivers.received:
        by_payment[one.endpoint_id, one.payment_id].append(one)
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in world.database.tables["webhook_logs"].values():
        rows[row["endpoint_id"], row["payment_id"]].append(row)
    for place, received in by_payment.items():
        if world.database.tables["webhooks"][place[0]]["ordering"] == "per_payment":
            _in_order(received, rows[place], found)


def _in_order(received: list[Received], rows: list[Row], found: Findings) -> None:
    given_up = {row["sequence"] for row in rows if row["status"] == "failed"}
    planned = sorted(row["sequence"] for row in rows)
    accepted: set[int] = set()
    for one in received:
        missing = [number for number in planned if number < one.sequence and number not in accepted | given_up]
        if missing:
            found.add("webhooks of a payment in order", f"{one.event_id} came before {missing}", one.payment_id)
        if one.accepted:
            accepted.add(one.sequence)


def _counted(world: World, found: Findings) -> None:
    """Job counters are those of the events, each counted once."""
    seen: set[str] = set()
    expected: Counter[str] = Counter()
    for topic in (EVENTS, PAYMENTS_DLQ):
        for message in world.broker.of_topic(topic):
            record = orjson.loads(message.value or b"{}")
            if record["id"] not in seen:
                seen.add(record["id"])
                expected.update(DELTAS.get(_counts_as(record), {}))
    counted = {name: int(value) for name, value in world.redis.hashes["counters"].items()}
    for name in sorted(expected.keys() | counted.keys()):
        if expected[name] != counted.get(name, 0):
            found.add("each job is counted once", f"{name} is {counted.get(name, 0)}, should be {expected[name]}")


def _counts_as(record: dict[str, Any]) -> str:
    """Type of the record; a refund that fails after it was processed counts otherwise."""
    kind = str(record["type"])
    processed = kind == "refund.failed" and record["body"]["refund"]["processed_at"] is not None
    return BOUNCED if processed else kind
