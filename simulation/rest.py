"""The open work in a world: without any, it has come to rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agents.jobs.counters import GROUP as JOBS
from domain.refund import LATE_REFUNDS_MAX
from simulation.database import Row
from topics.catalogue import EVENTS, PAYMENTS_DLQ

if TYPE_CHECKING:
    from simulation.world import World


def still_open(world: World) -> Iterator[str]:
    """Each piece of open work; cheap checks first."""
    yield from _attempts(world)
    yield from _deliveries(world)
    if world.broker.on_its_way:
        yield f"{world.broker.on_its_way} batches are on their way to the log"
    for name, group in world.broker.groups.items():
        if unread := group.unread(world.broker):
            yield f"{name} has {unread} records to read"
    for name, app in world.apps.items():
        if name not in world.closed and app.is_busy():
            yield f"{name} has a batch under way"
    if world.bank.turning or world.bank.pending:
        yield f"the bank has words to say: {world.bank.turning} and {sorted(world.bank.pending)}"
    yield from _uncounted(world)


def uncommitted(world: World) -> Iterator[str]:
    """Positions from which a group would read finished records again. Job counters keep their position in Redis."""
    for name, group in world.broker.groups.items():
        if name != JOBS:
            for place, offset in group.uncommitted(world.broker).items():
                where = f"{place.topic}/{place.partition}"
                yield f"{name} has committed {where} up to {offset} of {world.broker.end(place)}"


def _attempts(world: World) -> Iterator[str]:
    tables = world.database.tables
    for row in tables["orders"].values():
        if row["status"] == "CREATED" and row["expires_at"] is not None:
            yield f"{row['id']} has not expired"
    for row in tables["payments"].values():
        if row["status"] in ("CREATED", "PROCESSING"):
            yield f"{row['id']} is {row['status']}"
        if row["capture_before"] is not None and not row["reversed"] and row["amount_refunded"] < row["amount"]:
            yield f"{row['id']} is neither captured nor expired"
    refused: dict[str, list[str]] = defaultdict(list)
    for row in tables["refunds"].values():
        if row["status"] == "PENDING":
            yield f"{row['id']} is PENDING"
        if row["automatic"] and not tables["payments"][row["payment_id"]]["reversed"]:
            refused[row["payment_id"]].append(row["status"])
    for payment_id, tried in refused.items():
        if len(tried) < LATE_REFUNDS_MAX and set(tried) == {"FAILED"} and not _is_back(world, payment_id):
            yield f"the money of {payment_id} has not gone back"


def _is_back(world: World, payment_id: str) -> bool:
    """All of it was returned by other refunds."""
    tables = world.database.tables
    good = [row for row in tables["refunds"].values() if row["payment_id"] == payment_id and row["status"] != "FAILED"]
    return bool(sum(row["amount"] for row in good) >= tables["payments"][payment_id]["amount"])


def _deliveries(world: World) -> Iterator[str]:
    for row in world.database.tables["webhook_logs"].values():
        if is_open(world, row):
            yield f"the delivery of {row['event_id']} to {row['endpoint_id']} is {row['status']}"


def is_open(world: World, delivery: Row) -> bool:
    """Neither delivered, failed for good, nor held because its endpoint is disabled."""
    hook = world.database.tables["webhooks"][delivery["endpoint_id"]]
    return bool(delivery["status"] == "pending" or (delivery["status"] == "held" and hook["active"]))


def _uncounted(world: World) -> Iterator[str]:
    """Job counters are counted again after a flush, which takes a moment."""
    offsets = world.redis.hashes["offsets"]
    for place in (place for topic in (EVENTS, PAYMENTS_DLQ) for place in world.broker.places(topic)):
        name = f"{place.topic}/{place.partition}"
        counted = int(offsets.get(name, b"0"))
        if counted != world.broker.end(place):
            yield f"{name} is counted up to {counted} of {world.broker.end(place)}"
