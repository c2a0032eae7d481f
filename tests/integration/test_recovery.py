"""Fence, recovery and backup on a real history: what is missing is found, decided again or restored, never invented."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from agents.payments.fence import Fence, Gap, OtherCountError, RecoveringError, find_gaps
from domain.ids import ORDER, event_id
from domain.outcome import Outcome
from domain.payment import SettlePayment
from ops.audit.recover import command as recover_command
from ops.audit.recover import numbering
from ops.audit.recover.books import rebook
from ops.audit.recover.command import recover
from ops.audit.verify.audit import audit, second_process
from ops.audit.verify.findings import Kind
from ops.backup.backup import take
from ops.backup.manifest import MANIFEST, read_manifest
from ops.backup.restore import put_back
from ops.console.errors import GatewayError
from runtime.clock import now
from store.actor import ActorStore, Batch, BehindError, CommandRow
from store.log.feed import FEEDER_LOCK
from store.log.log_tail import RECOVERY_LOCK
from store.operations.audit import connect
from store.operations.recover import Recovery
from tests.support.command import gateway
from tests.support.command_client import CommandClient, fresh, history, order_command
from tests.support.eventually import eventually
from tests.support.stack import Stack, running_stack
from topics.admin import admin_client
from topics.catalogue import COMMANDS, EVENTS, partition_of
from topics.producer import Record

pytestmark = pytest.mark.timeout(200)
TABLES = ("events", "commands", "orders", "payments", "refunds", "bank.ledger")
ALL_PARTITIONS = range(12)


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[tuple[Stack, CommandClient]]:
    """A history of its own, its actor down."""
    with running_stack(roles=("payments", "processor", "jobs"), env={"TEST_PROCESSING_DELAY": "100"}) as stack:
        async with CommandClient(stack.settings) as command_client:
            await history(command_client)
            await numbered(command_client)
            stack.hold("payments")
            yield stack, command_client


@pytest.fixture(scope="module")
def second() -> Any:
    with second_process() as made:
        yield made


async def numbered(command_client: CommandClient) -> None:
    await eventually(lambda: is_numbered(command_client), timeout=30, what="every event has its place")


async def is_numbered(command_client: CommandClient) -> bool:
    place = "SELECT FROM feed f WHERE f.order_id = e.order_id AND f.sequence = e.sequence"
    whole = f"SELECT NOT EXISTS (SELECT FROM events e WHERE NOT EXISTS ({place})) AND EXISTS (SELECT FROM events)"
    return bool(await command_client.pool.fetchval(whole))


async def an_event(command_client: CommandClient) -> asyncpg.Record:
    row = await command_client.pool.fetchrow("SELECT * FROM events ORDER BY order_id DESC, sequence DESC LIMIT 1")
    assert row is not None
    return row


async def put_event_back(command_client: CommandClient, row: asyncpg.Record) -> None:
    await command_client.pool.execute(
        "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (order_id, sequence) DO UPDATE SET payload = excluded.payload",
        *(row[name] for name in ("order_id", "sequence", "merchant_id", "type", "at", "payload")),
    )


async def thrown_back(command_client: CommandClient, order_id: str) -> None:
    """The database as if it had been copied before this order."""
    for table in ("events", "commands", "payments", "refunds", "feed"):
        await command_client.pool.execute(f"DELETE FROM {table} WHERE order_id = $1", order_id)
    await command_client.pool.execute("DELETE FROM orders WHERE id = $1", order_id)
    await command_client.pool.execute("UPDATE feed_positions SET next_offset = 0, known_offset = 0")
    await command_client.pool.execute("DELETE FROM rollups")
    await command_client.pool.execute("UPDATE rollup_progress SET place = 0")


async def rows(command_client: CommandClient, order_id: str) -> dict[str, list[dict[str, Any]]]:
    """Everything about an order but when it was written."""
    found = {}
    for table in ("events", "commands", "orders", "payments", "refunds"):
        column = "id" if table == "orders" else "order_id"
        records = await command_client.pool.fetch(
            f"SELECT * FROM {table} AS t WHERE {column} = $1 ORDER BY t::text", order_id
        )
        found[table] = [{k: v for k, v in dict(row).items() if k not in ("decided_at", "txid")} for row in records]
        found[table].sort(key=str)
    return found


async def a_refunded_order(command_client: CommandClient) -> str:
    order_id: str = await command_client.pool.fetchval(
        "SELECT order_id FROM refunds WHERE NOT automatic ORDER BY id LIMIT 1"
    )
    return order_id


async def an_order_paid_at_once(command_client: CommandClient) -> str:
    """Created and paid by one command."""
    order_id: str = await command_client.pool.fetchval(
        "SELECT order_id FROM commands WHERE type = 'payment.create_with_order' AND NOT rejected"
    )
    return order_id


FORGOTTEN = pytest.mark.parametrize("an_order", [a_refunded_order, an_order_paid_at_once])
# The fence


async def test_a_table_that_has_what_the_log_has_is_open(own: tuple[Stack, CommandClient]) -> None:
    stack, _ = own
    assert await find_gaps(stack.settings, ALL_PARTITIONS) == {}


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE order_id = $1 AND sequence = $2",
        "UPDATE events SET payload = payload || ' ' WHERE order_id = $1 AND sequence = $2",
    ],
    ids=["missing", "other contents"],
)
async def test_an_event_that_the_table_lacks_or_has_otherwise_closes_its_partition(
    own: tuple[Stack, CommandClient], damage: str
) -> None:
    stack, command_client = own
    row, opened = await an_event(command_client), set[int]()
    partition = partition_of(row["order_id"].encode(), stack.settings.topic_partitions)
    await command_client.pool.execute("UPDATE feed_positions SET known_offset = 0")
    await command_client.pool.execute(damage, row["order_id"], row["sequence"])
    fence = Fence(opened.add)
    fence.begin(stack.settings)
    try:
        # Given a log that knows more, then all partitions but that one are open,
        gaps = await find_gaps(stack.settings, ALL_PARTITIONS)
        assert gaps == {partition: Gap(partition, event_id(row["order_id"], row["sequence"]))}
        fence.assigned(ALL_PARTITIONS)
        await eventually(lambda: opened == {*ALL_PARTITIONS} - {partition}, timeout=20, what="the others are open")
        assert fence.facts()["fenced_partitions"] == str(partition)
    finally:
        await put_event_back(command_client, row)
    # and it opens by itself once the table has caught up.
    await eventually(lambda: partition in opened, timeout=20, what="the partition is open")
    assert fence.facts() == {}
    fence.revoked()


async def test_nothing_is_opened_while_a_recovery_is_at_work(own: tuple[Stack, CommandClient]) -> None:
    stack, command_client = own
    async with command_client.pool.acquire() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", RECOVERY_LOCK)
        with pytest.raises(RecoveringError):
            await find_gaps(stack.settings, ALL_PARTITIONS)
        await connection.execute("SELECT pg_advisory_unlock($1)", RECOVERY_LOCK)


async def test_a_worker_that_counts_other_partitions_than_the_database_decides_nothing(
    own: tuple[Stack, CommandClient],
) -> None:
    stack, _ = own
    opened, closed = set[int](), list[str]()
    fence = Fence(opened.add)
    # Given a worker from after a growth, and a database from before it,
    other = stack.settings.with_partitions(first=12, now=24)
    fence.begin(other)
    # when it asks whether it may decide, or go on over a new connection, then it must not;
    with pytest.raises(OtherCountError, match="12 partitions, not 24"):
        await find_gaps(other, ALL_PARTITIONS)
    with pytest.raises(BehindError):
        await fence.check(ALL_PARTITIONS)
    # and one that was deciding ends.
    fence.look_again(ALL_PARTITIONS, lambda: closed.append("closed"))
    await eventually(lambda: closed == ["closed"], timeout=20, what="the worker ends")
    fence.assigned(ALL_PARTITIONS)
    assert not fence.is_checked
    assert opened == set()
    fence.revoked()


async def test_nothing_is_opened_before_the_worker_knows_how_many_partitions_there_are(
    own: tuple[Stack, CommandClient],
) -> None:
    stack, _ = own
    opened = set[int]()
    fence = Fence(opened.add)
    fence.assigned(ALL_PARTITIONS)
    assert not fence.is_checked
    fence.begin(stack.settings)
    await eventually(lambda: opened == {*ALL_PARTITIONS}, timeout=20, what="all are open")
    fence.revoked()


async def test_a_database_without_the_last_commit_is_noticed_at_the_next_connection(
    own: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = own
    # Given a commit that was confirmed, and another database that did not receive it,
    store, order_id = ActorStore(stack.settings), fresh(ORDER)
    row = CommandRow(f"cmd_{order_id}", order_id, "order.create", "", None, True, "{}", 1, 0, 0, 0)
    await store.write(Batch(commands=[row]))
    await command_client.pool.execute("DELETE FROM commands WHERE id = $1", row.id)
    # when the actor connects again, then it stops.
    await store.stop()
    with pytest.raises(BehindError, match=row.id):
        await store.load_orders([order_id])


async def test_a_new_connection_to_a_database_that_is_behind_the_log_is_not_used(
    own: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = own
    row = await an_event(command_client)
    fence = Fence(lambda _: None)
    fence.begin(stack.settings)
    store = ActorStore(stack.settings, guard=lambda: fence.check(ALL_PARTITIONS))
    await store.start()
    # Given a database that was exchanged for an older one,
    await command_client.pool.execute("UPDATE feed_positions SET known_offset = 0")
    await command_client.pool.execute(
        "DELETE FROM events WHERE order_id = $1 AND sequence = $2", row["order_id"], row["sequence"]
    )
    await store.stop()
    # when the actor goes on, then it stops before it reads anything.
    try:
        with pytest.raises(BehindError, match="which is on the log"):
            await store.load_orders([row["order_id"]])
    finally:
        await put_event_back(command_client, row)
    await store.load_orders([row["order_id"]])
    await store.stop()


# The recovery


@FORGOTTEN
async def test_commands_that_were_forgotten_are_decided_again_with_the_same_rows(
    own: tuple[Stack, CommandClient], second: Executor, an_order: Callable[[CommandClient], Awaitable[str]]
) -> None:
    stack, command_client = own
    order_id = await an_order(command_client)
    before = await rows(command_client, order_id)
    assert len(before["events"]) > 3
    await thrown_back(command_client, order_id)
    assert not await recover(stack.settings, second, apply=False)
    assert (await rows(command_client, order_id))["events"] == []
    assert await recover(stack.settings, second, apply=True)
    assert await rows(command_client, order_id) == before
    assert await recover(stack.settings, second, apply=True), "a second run finds nothing missing"


async def test_a_recovery_numbers_the_feed_itself_while_every_role_is_down(
    own: tuple[Stack, CommandClient], second: Executor
) -> None:
    stack, command_client = own
    await numbered(command_client)
    for role in ("processor", "jobs"):
        stack.hold(role)
    try:
        # Given a database from before an order,
        order_id = await a_refunded_order(command_client)
        await thrown_back(command_client, order_id)
        # when recovered, then its closing audit finds nothing, and the feed is whole;
        assert await recover(stack.settings, second, apply=True)
        assert (await rows(command_client, order_id))["events"]
        assert await is_numbered(command_client)
        # also where the former recovery was interrupted between the two.
        await command_client.pool.execute("DELETE FROM feed")
        await command_client.pool.execute("UPDATE feed_positions SET next_offset = 0, known_offset = 0")
        assert await recover(stack.settings, second, apply=True)
        assert await is_numbered(command_client)
    finally:
        for role in ("processor", "jobs"):
            stack.release(role)


async def test_a_feed_that_does_not_move_ends_the_recovery_with_the_next_step(
    own: tuple[Stack, CommandClient], second: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = own
    await numbered(command_client)
    stack.hold("jobs")
    # Given a feeder that is at work and makes no progress,
    idle = await asyncpg.connect(stack.database_url)
    try:
        assert await idle.fetchval("SELECT pg_try_advisory_lock($1)", FEEDER_LOCK)
        await thrown_back(command_client, await a_refunded_order(command_client))
        monkeypatch.setattr(numbering, "OTHER_STALLED_SECONDS", 0.5)
        with pytest.raises(GatewayError, match=r"run `gateway recover --apply` again: it goes on from here"):
            await recover(stack.settings, second, apply=True)
    finally:
        await idle.close()
        stack.release("jobs")
    # when it is gone, then the next run does the rest.
    monkeypatch.undo()
    assert await recover(stack.settings, second, apply=True)
    assert await is_numbered(command_client)


async def test_an_interrupted_recovery_is_finished_by_the_next_run(
    own: tuple[Stack, CommandClient], second: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = own
    await numbered(command_client)
    order_id = await a_refunded_order(command_client)
    books = "SELECT count(*) FROM bank.ledger WHERE attempt_id IN (SELECT id FROM payments WHERE order_id = $1)"
    booked = await command_client.pool.fetchval(books, order_id)
    assert booked
    epochs = await command_client.pool.fetchval("SELECT max(epoch) FROM feed_epochs")
    # Given a database from before an order and its bank entries, whose feeder has passed the order's events,
    await command_client.pool.execute(
        "DELETE FROM bank.ledger WHERE attempt_id IN (SELECT id FROM payments WHERE order_id = $1)", order_id
    )
    await thrown_back(command_client, order_id)
    passed = "SELECT bool_and(next_offset > 0) AND bool_or(known_offset < next_offset) FROM feed_positions"
    await eventually(lambda: command_client.pool.fetchval(passed), timeout=30, what="the feeder has passed them")

    # when the recovery ends between restoring the events and the steps that follow,
    async def interrupted(*_: object) -> int:
        raise OSError("interrupted")

    monkeypatch.setattr(recover_command, "rebook", interrupted)
    with pytest.raises(OSError, match="interrupted"):
        await recover(stack.settings, second, apply=True)
    monkeypatch.undo()
    assert (await rows(command_client, order_id))["events"]
    assert await command_client.pool.fetchval("SELECT max(epoch) FROM feed_epochs") > epochs
    # then a dry run reports it, and the next run does those steps for what the first had restored.
    assert not await recover(stack.settings, second, apply=False)
    assert await recover(stack.settings, second, apply=True)
    assert await is_numbered(command_client)
    assert await command_client.pool.fetchval(books, order_id) == booked
    assert not await command_client.pool.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'recover'")


async def test_what_differs_from_the_log_is_not_written_and_named(
    own: tuple[Stack, CommandClient], second: Executor, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, command_client = own
    # Given a command, and an event of it on the log that says another amount than would be decided,
    order_id, template = fresh(ORDER), await an_event(command_client)
    template = await command_client.pool.fetchrow("SELECT * FROM events WHERE sequence = 1 LIMIT 1")
    command = command_client.record(order_command(order_id, amount=700), "cmd_forged")
    await command_client.publish([command])
    payload = json.loads(template["payload"])
    payload |= {"id": event_id(order_id, 1), "key": order_id, "caused_by": "cmd_forged"}
    payload["body"] |= {"order_id": order_id}
    payload["body"]["order"] |= {"id": order_id, "amount": 999_900}
    value = json.dumps(payload, separators=(",", ":")).encode()
    await command_client.publish([Record(EVENTS, command.partition, order_id.encode(), value)])
    # when recovered, then nothing is written for that order; another one comes back all the same.
    other = await a_refunded_order(command_client)
    before = await rows(command_client, other)
    await thrown_back(command_client, other)
    assert not await recover(stack.settings, second, apply=True)
    assert f"{order_id}: events 1 were not recovered" in capsys.readouterr().out
    assert not any((await rows(command_client, order_id)).values())
    assert await rows(command_client, other) == before
    # The record that was left is disowned by a person, who says why; then its partition opens.
    forged = event_id(order_id, 1)
    disowning = ("recover", "--disown", forged, "--apply")
    assert "is on the log" in (await gateway(stack, *disowning, "--note", "forged")).err
    assert "--note" in (await gateway(stack, *disowning, "--force")).err
    assert (await find_gaps(stack.settings, ALL_PARTITIONS))[command.partition].event_id == forged
    ended = await gateway(stack, *disowning, "--force", "--note", "forged")
    assert ended.code == 0 and "foreign from now on" in ended.out
    assert await find_gaps(stack.settings, ALL_PARTITIONS) == {}
    ended = await gateway(stack, *disowning, "--force", "--note", "again")
    assert ended.code == 1 and "differs from the events table" in ended.err


async def test_a_foreign_event_is_disowned_once_a_person_says_so(
    own: tuple[Stack, CommandClient], second: Executor
) -> None:
    stack, command_client = own
    # Given an event of an order that nobody made, caused by nothing on the log,
    order_id, template = (
        fresh(ORDER),
        await command_client.pool.fetchrow("SELECT * FROM events WHERE sequence = 1 LIMIT 1"),
    )
    partition = partition_of(order_id.encode(), stack.settings.topic_partitions)
    foreign = event_id(order_id, 1)
    payload = json.loads(template["payload"]) | {"id": foreign, "key": order_id, "caused_by": "cmd_of_nobody"}
    await command_client.publish(
        [Record(EVENTS, partition, order_id.encode(), json.dumps(payload, separators=(",", ":")).encode())]
    )
    assert (await find_gaps(stack.settings, ALL_PARTITIONS))[partition].event_id == foreign
    report = await audit(stack.settings, second)
    assert [one.subject for one in report.kinds[Kind.RECORD_UNKNOWN].kept] == [foreign]
    # when it is only looked at, then nothing changes;
    dry = await gateway(stack, "recover", "--disown", foreign)
    assert f"partition {partition}" in dry.out and "nothing was changed" in dry.out
    assert partition in await find_gaps(stack.settings, ALL_PARTITIONS)
    # when it is disowned, then fence and audit pass it over, and nothing else.
    assert (await gateway(stack, "recover", "--disown", foreign, "--note", "written by hand", "--apply")).code == 0
    assert partition not in await find_gaps(stack.settings, ALL_PARTITIONS)
    assert Kind.RECORD_UNKNOWN not in (await audit(stack.settings, second)).kinds
    other = await an_event(command_client)
    await command_client.pool.execute("UPDATE feed_positions SET known_offset = 0")
    await command_client.pool.execute(
        "DELETE FROM events WHERE order_id = $1 AND sequence = $2", other["order_id"], other["sequence"]
    )
    assert await find_gaps(stack.settings, ALL_PARTITIONS) != {}
    await put_event_back(command_client, other)
    assert await find_gaps(stack.settings, ALL_PARTITIONS) == {}
    ended = await gateway(stack, "recover", "--disown", "evt_1")
    assert ended.code == 2 and "not a valid event id" in ended.err


@FORGOTTEN
async def test_events_whose_commands_are_gone_are_restored_with_inbox_and_state(
    own: tuple[Stack, CommandClient], second: Executor, an_order: Callable[[CommandClient], Awaitable[str]]
) -> None:
    stack, command_client = own
    order_id = await an_order(command_client)
    before = await rows(command_client, order_id)
    # Given a commands topic that no longer reaches back,
    partition = TopicPartition(COMMANDS, partition_of(order_id.encode(), stack.settings.topic_partitions))
    async with admin_client(stack.settings) as client:
        await client.delete_records({partition: RecordsToDelete(before_offset=-1)})
    await thrown_back(command_client, order_id)
    # when recovered, then events and state are as they were, and each acceptance that the events prove is in the inbox.
    await recover(stack.settings, second, apply=True)
    after = await rows(command_client, order_id)
    for table in ("events", "orders", "payments", "refunds"):
        assert after[table] == before[table]
    accepted = {row["id"]: (row["type"], row["reply"]) for row in before["commands"] if row["event_count"]}
    assert {row["id"]: (row["type"], row["reply"]) for row in after["commands"]} == accepted


async def test_the_simulated_bank_keeps_its_word_that_no_actor_has_decided(own: tuple[Stack, CommandClient]) -> None:
    stack, command_client = own
    # Given a payment that failed, and the bank's changed word about it on the log, which stopped actors have not read,
    failed = await command_client.pool.fetchrow(
        "SELECT * FROM payments p WHERE status = 'FAILED' AND bank_reference IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id) ORDER BY id LIMIT 1"
    )
    word = SettlePayment(
        failed["order_id"], failed["id"], Outcome.SUCCESS, None, None, failed["bank_reference"], now(), turn=1
    )
    forged = dataclasses.replace(word, outcome=Outcome.FAILED, turn=2)
    unsigned = dataclasses.replace(command_client.record(forged), headers=[])
    await command_client.publish([command_client.record(word), unsigned])
    await command_client.pool.execute("DELETE FROM bank.ledger WHERE attempt_id = $1", failed["id"])
    connection = await connect(stack.database_url)
    try:
        recovery = Recovery(connection)
        await recovery.prepare()
        # when the books are brought up to the log, then they have that word, with which the actors will go on,
        assert await rebook(stack.settings, recovery) == 1
        # and not one that nobody signed.
        booked = await command_client.pool.fetchrow(
            "SELECT outcome, turn, times_moved, amount FROM bank.ledger WHERE attempt_id = $1", failed["id"]
        )
        assert tuple(booked) == ("success", 1, 1, failed["amount"])
        assert await rebook(stack.settings, recovery) == 0, "a second run changes nothing"
        await recovery.drop()
    finally:
        await connection.close()


# Backups


async def test_a_backup_is_put_back_only_where_nobody_is_connected_and_is_then_complete(
    own: tuple[Stack, CommandClient], tmp_path: Path
) -> None:
    stack, command_client = own
    folder, manifest = await take(stack.settings, tmp_path)
    assert read_manifest(folder) == manifest
    with pytest.raises(GatewayError, match="stop the roles first"):
        await put_back(stack.settings, folder, manifest, replace=True)
    counted = {table: await command_client.pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}
    last = await command_client.pool.fetchval("SELECT last_place FROM feed_state")
    for role in ("processor", "jobs"):
        stack.hold(role)
    await command_client.pool.close()
    with pytest.raises(GatewayError, match="--replace"):
        await put_back(stack.settings, folder, manifest, replace=False)
    await put_back(stack.settings, folder, manifest, replace=True)
    connection = await asyncpg.connect(stack.database_url)
    assert {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES} == counted
    assert await connection.fetchval("SELECT last_place FROM feed_state") == last
    await connection.close()


async def test_a_damaged_or_incomplete_backup_is_refused(own: tuple[Stack, CommandClient], tmp_path: Path) -> None:
    stack, _ = own
    folder, manifest = await take(stack.settings, tmp_path)
    file = folder / "database" / next(iter(manifest.files))
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(GatewayError, match="was changed"):
        read_manifest(folder)
    (folder / MANIFEST).unlink()
    ended = await gateway(stack, "restore", str(folder), "--replace")
    assert (ended.code, "holds no complete backup" in ended.err) == (1, True)


async def test_a_backup_of_a_longer_log_is_refused(own: tuple[Stack, CommandClient], tmp_path: Path) -> None:
    stack, _ = own
    folder, _ = await take(stack.settings, tmp_path)
    content = json.loads((folder / MANIFEST).read_text())
    content["events"]["0"] += 1_000_000
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(GatewayError, match="shorter than when the backup was taken"):
        await put_back(stack.settings, folder, read_manifest(folder), replace=True)
