"""`gateway verify --anchor` on a real history: it proves what did not change, and locates what did."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ops.audit.verify.anchor import Anchor, Heads
from ops.audit.verify.audit import Anchoring, Audited, Scope, audited
from ops.audit.verify.findings import Check
from tests.support.command import gateway
from tests.support.command_client import CommandClient
from tests.support.stack import Stack


async def anchored(stack: Stack, against: Anchor | None = None) -> Audited:
    with ThreadPoolExecutor(1) as second:
        return await audited(
            stack.settings, second, Scope(), anchoring=Anchoring(against), settle_seconds=0, grace_seconds=0
        )


async def made(stack: Stack) -> Anchor:
    anchor = (await anchored(stack)).anchor
    assert anchor is not None
    return anchor


def messages_of(done: Audited) -> list[str]:
    return [f"{one.subject} {one.message}" for one in done.report.kept(Check.ANCHOR)]


async def test_an_unchanged_history_is_proved(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    anchor = await made(stack)
    assert anchor.events == await command_client.pool.fetchval("SELECT count(*) FROM events")
    done = await anchored(stack, anchor)
    assert messages_of(done) == []
    assert done.anchor is not None
    assert (done.anchor.topic, done.anchor.table) == (anchor.topic, anchor.table)


async def test_tails_cut_off_from_topic_and_table_alike_are_found(intact: tuple[Stack, CommandClient]) -> None:
    stack, _ = intact
    # Given an anchor of a history that had one record more in each partition, on both sides,
    anchor = await made(stack)
    longer = tuple(replace(one, count=one.count + 1, head="0" * 64) for one in anchor.topic)
    taller = tuple(replace(one, count=one.count + 1, head="0" * 64) for one in anchor.table)
    # when what is left is compared with it, then every partition is shorter than it was, on both sides.
    done = await anchored(stack, replace(anchor, topic=longer, table=taller))
    assert len(messages_of(done)) == 2 * stack.settings.topic_partitions
    assert all("is shorter than the anchor" in one for one in messages_of(done))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET payload = replace(payload, '\"amount\":', '\"amount\":1') WHERE {one}",
        "DELETE FROM feed WHERE {one}",
        "DELETE FROM events WHERE {one}",
    ],
    ids=["other bytes", "another place in the feed", "deleted"],
)
async def test_a_change_in_the_table_is_found_in_its_partition(
    intact: tuple[Stack, CommandClient], damage: str
) -> None:
    stack, command_client = intact
    anchor = await made(stack)
    one = "(order_id, sequence) = (SELECT order_id, sequence FROM events ORDER BY order_id DESC, sequence DESC LIMIT 1)"
    await command_client.pool.execute(damage.format(one=one))
    changed = messages_of(await anchored(stack, anchor))
    assert len(changed) == 1
    assert changed[0].startswith("events table, partition ")


async def test_a_record_that_the_topic_had_otherwise_is_found(intact: tuple[Stack, CommandClient]) -> None:
    stack, _ = intact
    anchor = await made(stack)
    place = next(number for number, one in enumerate(anchor.topic) if one.count)
    other = Heads(anchor.topic[place].count, "f" * 64, ())
    topic = (*anchor.topic[:place], other, *anchor.topic[place + 1 :])
    (change,) = messages_of(await anchored(stack, replace(anchor, topic=topic)))
    assert change.startswith(f"payments.events.v1, partition {place} changed somewhere from record 1 to record")


async def test_the_command_writes_proves_and_keeps_the_file(
    intact: tuple[Stack, CommandClient], tmp_path: Path
) -> None:
    stack, command_client = intact
    file = tmp_path / "anchor.json"
    written = await gateway(stack, "verify", "--settle", "0", "--anchor", str(file))
    assert written.code == 0 and f"{file} holds the heads of" in written.out, written
    before = file.read_bytes()
    proved = await gateway(stack, "verify", "--settle", "0", "--anchor", str(file))
    assert proved.code == 0 and "is unchanged." in proved.out, proved
    # A history that differs leaves the file as it is.
    before = file.read_bytes()
    await command_client.pool.execute("UPDATE events SET payload = payload || ' ' WHERE sequence = 1")
    damaged = await gateway(stack, "verify", "--settle", "0", "--anchor", str(file))
    assert damaged.code == 1 and "NOT unchanged" in damaged.out, damaged
    assert file.read_bytes() == before
    # The file of another deployment is refused.
    await command_client.pool.execute("UPDATE deployment SET id = gen_random_uuid()")
    foreign = await gateway(stack, "verify", "--anchor", str(file))
    assert foreign.code == 1 and "another deployment" in foreign.err, foreign
    partly = await gateway(stack, "verify", "--since", "1h", "--anchor", str(file))
    assert partly.code == 2 and "remove --since" in partly.err, partly
