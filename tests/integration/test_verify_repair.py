"""Repairs on a real history: a dry run changes nothing, --apply repairs what is named, a second one finds nothing left.

Runs after the tests of verify, whose strange records stay on the topic: only the kinds that are damaged are looked at.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import pytest

from domain.ids import ORDER, PAYMENT
from ops.audit.repair.command import Outcome, repaired
from ops.audit.verify import commands as looking
from ops.audit.verify.audit import Scope, audited, second_process
from ops.audit.verify.findings import Kind, Report
from runtime.clock import Clock
from tests.support.command import gateway
from tests.support.command_client import CommandClient, fresh, order_command, payment_command
from tests.support.stack import Stack
from topics.catalogue import EVENTS

SECOND = second_process()
OF_PAID = (
    "(SELECT order_id FROM payments WHERE status = 'SUCCESS' AND amount_refunded = 0 AND NOT captured"
    " ORDER BY id LIMIT 1)"
)
KNOWN_TO_THE_END = """
INSERT INTO feed_positions (partition, next_offset, known_offset)
SELECT n, 1000000, 1000000 FROM generate_series(0, $1::integer - 1) AS n
    ON CONFLICT (partition) DO UPDATE SET known_offset = 1000000
"""
PROMISED = """
INSERT INTO promises (command_id, nonce, resource_id, order_id, merchant_id, resource, promised_at)
VALUES ('idk_lost', 'n7', $1, $2, 'test_merchant', '{}', now() - interval '3 minutes')
"""
PROMISED_CAPTURE = """
INSERT INTO promises (command_id, nonce, resource_id, order_id, merchant_id, resource, promised_at)
SELECT id, nonce, 'pay_promised', order_id, 'test_merchant', '{}', least(decided_at, now() - interval '3 minutes')
  FROM commands
 WHERE id = 'idk_capture'
"""
DELIVERED = "(SELECT id FROM webhook_logs WHERE event = 'payment.success' ORDER BY id LIMIT 1)"


async def found(stack: Stack) -> Report:
    return (await audited(stack.settings, SECOND, Scope(), settle_seconds=0, grace_seconds=0, kept_max=1_000)).report


def count(report: Report, kind: Kind) -> int:
    return report.kinds[kind].count if kind in report.kinds else 0


async def repair(stack: Stack, report: Report, kind: Kind, *, apply: bool, force: bool = False) -> list[Outcome]:
    return await repaired(stack.settings, report, (kind,), apply=apply, force=force)


@dataclass(frozen=True)
class Damage:
    """A statement, the kind of difference it makes, and the table whose rows must be as before after the repair."""

    name: str
    kind: Kind
    sql: str
    restored: str = ""


DAMAGES = [
    Damage("reply of an order", Kind.REPLY, "UPDATE commands SET reply = replace(reply, '\"amount\":', '\"amount\":1')"
           " WHERE id = 'idk_order'", "commands"),
    Damage("reply of a settlement", Kind.REPLY, "UPDATE commands SET reply = 'x' WHERE id = (SELECT id FROM commands"
           " WHERE type = 'payment.settle' ORDER BY id LIMIT 1)", "commands"),
    Damage("fingerprint lost", Kind.FINGERPRINT, "UPDATE commands SET fingerprint = NULL WHERE id = 'idk_order'",
           "commands"),
    Damage("row from the future", Kind.CLOCK, "UPDATE commands SET decided_at = now() + interval '10 days'"
           " WHERE id = 'idk_order'", "commands"),
    Damage("acceptance lost", Kind.UNDECIDED, f"DELETE FROM commands WHERE type = 'payment.create' AND order_id ="
           f" {OF_PAID}", "commands"),
    Damage("nonce of an acceptance lost", Kind.UNDECIDED, "UPDATE commands SET nonce = '' WHERE id = 'idk_order'",
           "commands"),
    Damage("refusal lost", Kind.UNDECIDED, "DELETE FROM commands WHERE id = 'idk_capture'"),
    Damage("event moved in the feed", Kind.FEED_ORDER, "UPDATE feed SET place = -1 WHERE sequence = 2"
           f" AND order_id = {OF_PAID}"),
    Damage("event hidden from the feed", Kind.FEED_ORDER, "DELETE FROM feed WHERE sequence = 4"
           f" AND order_id = {OF_PAID}"),
    Damage("delivery lost", Kind.DELIVERY_MISSING, f"DELETE FROM webhook_logs WHERE id = {DELIVERED}"),
    Damage("delivery lost, unsubscribed since", Kind.DELIVERY_MISSING, "WITH lost AS (DELETE FROM webhook_logs"
           f" WHERE id = {DELIVERED}) UPDATE webhooks SET events = '{{refund.failed}}'"
           " WHERE id = 'whe_bbbbbbbbbbbbbbbb'"),
    Damage("delivery in vain", Kind.DELIVERY_UNTRIED, "UPDATE webhook_logs SET status = 'pending', attempts = 0,"
           f" next_retry_at = now(), nudges = 9 WHERE id = {DELIVERED}"),
    Damage("delivery put off", Kind.DELIVERY_UNTRIED, "UPDATE webhook_logs SET status = 'pending', attempts = 0,"
           f" next_retry_at = now() + interval '1 day' WHERE id = {DELIVERED}"),
    Damage("success without an attempt", Kind.DELIVERY_UNATTEMPTED,
           f"DELETE FROM webhook_attempts WHERE log_id = {DELIVERED}"),
    Damage("another body", Kind.DELIVERY_BODY, f"UPDATE webhook_logs SET body = '\\xff' WHERE id = {DELIVERED}",
           "webhook_logs"),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
async def test_a_repair_mends_what_verify_named_and_nothing_else(
    intact: tuple[Stack, CommandClient], damage: Damage
) -> None:
    stack, command_client = intact
    usual = (await found(stack)).counts
    assert damage.kind not in usual
    # Given damage of one kind,
    await command_client.pool.execute(damage.sql)
    report = await found(stack)
    named = count(report, damage.kind)
    assert named
    # when it is only looked at, then nothing is changed;
    planned = await repair(stack, report, damage.kind, apply=False)
    assert planned and all(one.done is None and not one.refused for one in planned), planned
    assert count(await found(stack), damage.kind) == named
    # when it is repaired, then nothing of that kind is left,
    done = await repair(stack, report, damage.kind, apply=True)
    assert [one.subject for one in done] == [one.subject for one in planned]
    assert all(one.done for one in done)
    after = await found(stack)
    # nor of any other,
    assert after.counts == usual, after.as_json()
    if damage.restored:
        assert await differing_rows(command_client, damage.restored) == 0
    # the same repair again changes nothing,
    before = await everything(command_client)
    await repair(stack, report, damage.kind, apply=True)
    assert await everything(command_client) == before
    # and it was written down who did what.
    assert await command_client.pool.fetchval("SELECT count(*) FROM repairs WHERE kind = $1", damage.kind.value) >= 1


async def test_a_lost_refusal_is_refused_again_and_never_carried_out(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    await command_client.pool.execute("DELETE FROM commands WHERE id = 'idk_capture'")
    await repair(stack, await found(stack), Kind.UNDECIDED, apply=True)
    row = await command_client.pool.fetchrow("SELECT * FROM commands WHERE id = 'idk_capture'")
    assert row["rejected"] and row["nonce"] == "n2" and row["event_count"] == 0
    assert row["fingerprint"] == '{"amount":"bbbbbbbbbbbb"}'
    assert orjson.loads(row["reply"])["code"] == "INTERNAL_SERVER_ERROR"


async def test_a_promise_whose_refusal_is_lost_is_decided_again_only_by_force(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = intact
    # Given a request that was promised and refused, and the inbox has lost the refusal,
    await command_client.pool.execute(PROMISED_CAPTURE)
    await command_client.pool.execute("DELETE FROM commands WHERE id = 'idk_capture'")
    report = await found(stack)
    for kind in (Kind.UNDECIDED, Kind.PROMISE):
        assert count(report, kind) == 1
        # when either difference is repaired, then nothing is done: whoever was told may have been refused.
        outcomes = await repair(stack, report, kind, apply=True)
        assert [(one.refused, "--force" in one.message) for one in outcomes] == [(True, True)], outcomes
        # By force it would be decided now.
        (forced,) = await repair(stack, report, kind, apply=False, force=True)
        assert not forced.refused and "on the topic once more" in forced.message


async def test_a_promise_whose_command_the_log_does_not_have_ends_as_a_refusal_by_force(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = intact
    payment_id = fresh(PAYMENT)
    await command_client.pool.execute(PROMISED, payment_id, fresh(ORDER))
    report = await found(stack)
    outcomes = await repair(stack, report, Kind.PROMISE, apply=True)
    assert [(one.subject, one.refused) for one in outcomes] == [(payment_id, True)]
    done = await repair(stack, report, Kind.PROMISE, apply=True, force=True)
    assert [one.done for one in done] == [True]
    row = await command_client.pool.fetchrow("SELECT * FROM commands WHERE id = 'idk_lost'")
    assert (row["rejected"], row["nonce"], row["type"], row["event_count"]) == (True, "n7", "payment.create", 0)
    assert Kind.PROMISE not in (await found(stack)).kinds


async def test_a_database_whose_clock_is_wrong_is_named(intact: tuple[Stack, CommandClient]) -> None:
    stack, _ = intact

    class Yesterday(Clock):
        def now(self) -> datetime:
            return super().now() - timedelta(days=1)

    report = (
        await audited(stack.settings, SECOND, Scope(), settle_seconds=0, grace_seconds=0, clock=Yesterday())
    ).report
    (named,) = report.kinds[Kind.CLOCK].kept
    assert (named.subject, "s ahead of the clock of this host" in named.message) == ("database clock", True)
    outcomes = await repair(stack, report, Kind.CLOCK, apply=True)
    assert [one.refused for one in outcomes] == [True]


async def test_an_event_that_is_moved_in_the_feed_takes_its_successors_along(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = intact
    # Given an event that no reader finds, and later ones of its order that they have,
    await command_client.pool.execute(f"DELETE FROM feed WHERE sequence = 2 AND order_id = {OF_PAID}")
    end = await command_client.pool.fetchval("SELECT last_place FROM feed_state")
    # when it is repaired, then both are at the end, in sequence: readers that passed get all of it.
    outcomes = await repair(stack, await found(stack), Kind.FEED_ORDER, apply=True)
    assert [one.done for one in outcomes] == [True]
    places = await command_client.pool.fetch(
        f"SELECT sequence FROM feed WHERE order_id = {OF_PAID} AND place > $1 ORDER BY place", end
    )
    assert [row["sequence"] for row in places] == [2, 3, 4, 5]


async def test_events_that_never_reached_the_topic_are_published_in_sequence(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = intact
    # Given an order whose events were committed, and of which the topic has the first alone,
    order_id = await committed_only(command_client)
    report = await found(stack)
    assert count(report, Kind.UNPUBLISHED) == 5
    # when they are published again, then the topic has them all, in sequence.
    outcomes = await repair(stack, report, Kind.UNPUBLISHED, apply=True)
    assert [(one.subject, one.done) for one in outcomes] == [(order_id, True)]
    after = await found(stack)
    assert count(after, Kind.UNPUBLISHED) == 0
    assert order_id[-16:] not in json.dumps(after.as_json()["kinds"].get(Kind.RECORD_OVERTAKEN, {}))


async def test_events_whose_successors_are_on_the_topic_are_not_published_behind_them(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, command_client = intact
    order_id = await committed_only(command_client)
    last = await command_client.pool.fetchrow(
        "SELECT * FROM events WHERE order_id = $1 ORDER BY sequence DESC", order_id
    )
    await publish(command_client, order_id, last["payload"])
    outcomes = await repair(stack, await found(stack), Kind.UNPUBLISHED, apply=True)
    mine = [one for one in outcomes if one.subject == order_id]
    assert [one.refused for one in mine] == [True]
    assert "out of order" in mine[0].message


async def test_the_commands_end_with_the_exit_code_they_promise(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    await command_client.pool.execute("UPDATE commands SET fingerprint = NULL WHERE id = 'idk_order'")
    # A dry run says what it would do, and that something is wrong.
    dry = await gateway(stack, "repair", "fingerprint")
    assert (dry.code, "would   fingerprint: payments.commands.v1/" in dry.out) == (1, True), dry
    assert "nothing was changed" in dry.out
    done = await gateway(stack, "repair", "fingerprint", "--apply", "--json")
    assert (done.code, json.loads(done.out)[0]["done"]) == (0, True), done
    again = await gateway(stack, "repair", "fingerprint")
    assert (again.code, again.out.strip()) == (0, "nothing to repair")
    unknown = await gateway(stack, "repair", "state")
    assert (unknown.code, "gateway rebuild --swap" in unknown.err) == (2, True)


async def committed_only(command_client: CommandClient) -> str:
    """An order's history under another id, in the events table alone."""
    order_id = fresh(ORDER)
    rows = await command_client.pool.fetch(f"SELECT * FROM events WHERE order_id = {OF_PAID} ORDER BY sequence")
    for row in rows:
        payload = row["payload"].replace(row["order_id"][-16:], order_id[-16:])
        await command_client.pool.execute(
            "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload) VALUES ($1, $2, $3, $4, $5, $6)",
            order_id, row["sequence"], row["merchant_id"], row["type"], row["at"], payload,
        )  # fmt: skip
    return order_id


async def publish(command_client: CommandClient, order_id: str, payload: str) -> None:
    record = command_client.raw_record(order_id.encode(), payload.encode())
    await command_client.publish([type(record)(EVENTS, record.partition, record.key, record.value, ())])


async def differing_rows(command_client: CommandClient, table: str) -> int:
    """Rows that are not as they were kept. A row that was made anew has the time of its making."""
    columns = "id, order_id, type, nonce, fingerprint, rejected, reply, first_sequence, event_count"
    compared = columns if table == "commands" else "*"
    return int(
        await command_client.pool.fetchval(
            f"SELECT count(*) FROM ((SELECT {compared} FROM kept_{table} EXCEPT SELECT {compared} FROM {table})"
            f" UNION ALL (SELECT {compared} FROM {table} EXCEPT SELECT {compared} FROM kept_{table})) AS differing"
        )
    )


async def everything(command_client: CommandClient) -> list[str]:
    """A digest of each table that repairs write, but for what moves with every planning."""
    digest = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t"
    tables = ("commands", "events", "webhook_attempts")
    digests = [await command_client.pool.fetchval(digest.format(table=table)) for table in tables]
    rows = await command_client.pool.fetchval(
        "SELECT md5(string_agg(body::text || status, '' ORDER BY id)) FROM webhook_logs"
    )
    return [*digests, rows]


async def test_an_unread_command_is_reported_after_a_while(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = intact
    # Given a command on the topic while no actor is there,
    record = command_client.record(order_command(fresh("order_")), "cmd_unread")
    await command_client.publish([record])
    with ThreadPoolExecutor(1) as second:
        # when it has waited for too long, then it is named.
        monkeypatch.setattr(looking, "WAITING_SECONDS", -60.0)
        done = await audited(stack.settings, second, Scope(), settle_seconds=0, grace_seconds=0)
    found = done.report.kinds[Kind.UNDECIDED].kept
    assert ["has waited for its decision too long (cmd_unread)" in one.message for one in found] == [True]


async def test_a_broken_promise_is_put_on_the_topic_again_and_kept(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    # Given a payment that was promised, and whose command was decided by nobody,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    lost = command_client.record(
        payment_command(order_id, payment_id), "idk_lost", nonce="n7", fingerprint={"a": "cccccccccccc"}
    )
    await command_client.publish([command_client.record(order_command(order_id), "idk_lost_order", nonce="n6"), lost])
    await command_client.pool.execute(PROMISED, payment_id, order_id)
    report = await found(stack)
    assert [one.subject for one in report.kinds[Kind.PROMISE].kept] == [payment_id]
    # when it is repaired,
    outcomes = await repair(stack, report, Kind.PROMISE, apply=True)
    assert [one.done for one in outcomes] == [True], outcomes
    # then its command stands on the topic again, and an actor decides it. (Other tests leave forged records on this
    # stack's events topic; the fence would rightly keep their partitions closed.)
    await command_client.pool.execute(KNOWN_TO_THE_END, stack.settings.topic_partitions)
    stack.release("payments")
    decided = await command_client.decision("idk_lost")
    assert not decided["rejected"]
    assert Kind.PROMISE not in (await found(stack)).kinds
