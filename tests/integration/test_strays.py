"""A command on another partition than its order's: what the log held before it grew, and what came late from a writer
that had not noticed. It is decided once, by the order's owner. Real PostgreSQL and broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.payments.actor import OtherOwnerError, PaymentActor
from agents.payments.intake import HOPS_MAX, Incoming
from domain.ids import ORDER
from runtime.clock import now
from tests.support.actor import Bench, work
from tests.support.command_client import fresh, order_command
from topics.catalogue import COMMANDS, EVENTS, partition_of
from topics.deadletter import REASON_EXPIRED
from topics.envelope import HEADER_FORWARDED

BEFORE, AFTER = 4, 12
"""The tests' topics have twelve partitions."""


async def grown(bench: Bench) -> PaymentActor:
    """An actor that started after the log had grown."""
    actor = await bench.actor()
    actor.partitions = AFTER
    return actor


def moved_order() -> tuple[str, int, int]:
    """An order that the growth moves, its former partition and its new one."""
    while True:
        order_id = fresh(ORDER)
        former, home = (partition_of(order_id.encode(), count) for count in (BEFORE, AFTER))
        if former != home:
            return order_id, former, home


def standing_at(message: Incoming, partition: int) -> Incoming:
    return replace(message, origin=replace(message.origin, partition=partition))


async def test_an_undecided_stray_is_sent_to_its_orders_partition_and_decided_there_once(bench: Bench) -> None:
    # Given a command on the partition that its order had before,
    order_id, former, home = moved_order()
    stray = standing_at(bench.submitted(order_command(order_id), "stray_1" + order_id, nonce="n"), former)
    actor = await grown(bench)

    # when the actor there reads it, then it decides nothing, and puts it where it belongs, byte for byte,
    (copy,) = (await work(actor, stray)).records
    assert await bench.events(order_id) == []
    assert (copy.topic, copy.partition, copy.key, copy.value) == (COMMANDS, home, stray.key, stray.value)
    assert copy.headers == [*stray.headers, (HEADER_FORWARDED, str(stray.origin).encode())]

    # where its owner decides it;
    arrived = standing_at(bench.incoming(copy), home)
    decided = await work(actor, arrived)
    assert await bench.events(order_id) == ["order.created"]
    assert [record.partition for record in decided.records] == [home]

    # and read again, the stray is answered from the inbox: nothing is sent on a second time. Its events are published
    # again by the record that was decided, where their order's others stand.
    assert (await work(actor, stray)).records == []
    again = await work(actor, arrived)
    assert [(record.topic, record.partition) for record in again.records] == [(EVENTS, home)]
    assert await bench.events(order_id) == ["order.created"]


async def test_a_command_that_was_decided_before_the_log_grew_is_not_decided_again(bench: Bench) -> None:
    order_id, former, home = moved_order()
    requested = standing_at(bench.submitted(order_command(order_id), "early_" + order_id), former)
    await work(await bench.actor(), requested)
    published = await work(await grown(bench), requested)
    assert [(record.topic, record.partition) for record in published.records] == [(EVENTS, home)]
    assert await bench.events(order_id) == ["order.created"]


async def test_a_stray_that_the_inbox_may_have_forgotten_is_not_sent_on(bench: Bench) -> None:
    """The log would date the copy anew, and an old command could act twice."""
    order_id, former, _ = moved_order()
    old = bench.incoming(
        bench.command_client.record(order_command(order_id), at=now() - timedelta(days=20)),
        logged_at=now() - timedelta(days=20),
    )
    prepared = await work(await grown(bench), standing_at(old, former))
    assert all(record.topic != COMMANDS for record in prepared.records)
    assert await bench.reasons(order_id) == [REASON_EXPIRED]
    assert await bench.events(order_id) == []


async def test_a_command_is_forwarded_a_limited_number_of_times(bench: Bench) -> None:
    """Two actors that count differently: this one must start again, and ask PostgreSQL how many there are."""
    order_id, former, _ = moved_order()
    stray = standing_at(bench.submitted(order_command(order_id)), former)
    sent = replace(stray, headers=[*stray.headers, *[(HEADER_FORWARDED, b"x/0/0")] * HOPS_MAX])
    actor = await grown(bench)
    with pytest.raises(OtherOwnerError, match="how many partitions are there"):
        await actor.prepare([sent])
    assert await bench.events(order_id) == []


async def test_strays_and_commands_at_home_share_a_batch(bench: Bench) -> None:
    (moved, former, home), other = moved_order(), fresh(ORDER)
    at_home = standing_at(bench.submitted(order_command(other)), partition_of(other.encode(), AFTER))
    stray = standing_at(bench.submitted(order_command(moved)), former)
    prepared = await work(await grown(bench), at_home, stray)
    assert [
        (record.topic == COMMANDS, record.partition) for record in prepared.records if record.topic == COMMANDS
    ] == [(True, home)]
    assert await bench.events(other) == ["order.created"]
    assert await bench.events(moved) == []
