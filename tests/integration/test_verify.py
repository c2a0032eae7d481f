"""`gateway verify` on a real history: silent where nothing is wrong, and naming each kind of damage where it is.

The history is made by the real actor, processor and bank; then the roles are held and rows are damaged one by one.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from agents.bank.port import Booking
from agents.bank.simulated import SimulatedBank
from ops.audit.verify import audit as auditing
from ops.audit.verify import topic as reading
from ops.audit.verify.audit import audit, second_process
from ops.audit.verify.findings import Check, Kind, Report
from ops.audit.verify.sums import Numbers
from ops.audit.verify.topic import TopicReport, first_look
from store.driver import Row
from store.errors import DatabaseUnavailableError
from store.operations.audit import connect
from store.operations.audit_topic import CommandSights, Runs, Sights
from tests.support.command_client import CommandClient, fresh
from tests.support.stack import Stack
from topics.catalogue import EVENTS, partition_of
from topics.producer import Record

SECOND = second_process()
NUMBERS = Numbers(7)


async def audited_now(stack: Stack, since: datetime | None = None) -> Report:
    return await audit(stack.settings, SECOND, since=since, settle_seconds=0, grace_seconds=0)


def checks_that_differ(report: Report) -> set[Check]:
    return {check for check, tally in report.tallies.items() if tally.differences}


def messages_of(report: Report, check: Check) -> str:
    return "\n".join(f"{one.subject} {one.message}" for one in report.kept(check))


async def test_a_real_history_has_zero_differences(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    report = await audited_now(stack)
    assert report.differences == 0, report.as_json()
    assert report.events == await command_client.pool.fetchval("SELECT count(*) FROM events") >= 40
    for check in (Check.TOPIC, Check.HISTORY, Check.STATE, Check.COMMANDS, Check.BANK, Check.MONEY):
        assert (report.tallies[check].compared or 0) > 0, f"{check} compared nothing"


@dataclass(frozen=True)
class Damage:
    """One statement, the check that must notice, and a piece of what it must say."""

    name: str
    sql: str
    check: Check
    message: str
    alone: bool = True
    """No other check has anything to say."""
    kind: Kind | None = None
    """What the difference must be called; None: the check's usual kind."""


PAID = "(SELECT id FROM payments WHERE status = 'SUCCESS' AND amount_refunded = 0 AND NOT captured LIMIT 1)"
OF_PAID = f"(SELECT order_id FROM payments WHERE id = {PAID})"
REFUNDED = "(SELECT id FROM refunds WHERE status = 'PROCESSED' AND NOT automatic ORDER BY id LIMIT 1)"

DELIVERED = "(SELECT id FROM webhook_logs WHERE event = 'payment.success' ORDER BY id LIMIT 1)"
QUARTER = "(SELECT ctid FROM rollups WHERE grain_minutes = 15 AND measure = 'created' LIMIT 1)"
DELIVERY = (
    "INSERT INTO webhook_logs (id, merchant_id, endpoint_id, event_id, event, order_id, sequence, body, status,"
    " next_retry_at) SELECT gen_random_uuid(), merchant_id, 'whe_aaaaaaaaaaaaaaaa', 'evt_x', 'payment.captured',"
    " order_id, sequence, '',"
)

DAMAGES = [
    Damage("payment status", f"UPDATE payments SET status = 'FAILED' WHERE id = {PAID}", Check.STATE, "status is",
           False),
    Damage("payment captured", f"UPDATE payments SET captured = true, amount_captured = amount WHERE id = {PAID}",
           Check.STATE, "captured is"),
    Damage("payment refunded", f"UPDATE payments SET amount_refunded = 1 WHERE id = {PAID}", Check.STATE, "amount_ref"),
    Damage("payment version", f"UPDATE payments SET version = 99 WHERE id = {PAID}", Check.STATE, "version is 99"),
    Damage("payment vpa", "UPDATE payments SET vpa = 'x@upi', instrument = '{\"vpa\": \"x@upi\"}'"
           f" WHERE id = {PAID}", Check.STATE, "vpa is 'x@upi'"),
    Damage("payment lost", f"DELETE FROM payments WHERE id = {PAID}", Check.STATE, "missing from payments", False),
    Damage("payment time", f"UPDATE payments SET updated_at = now() WHERE id = {PAID}", Check.STATE, "updated_at is"),
    Damage("order notes", f"UPDATE orders SET notes = '{{}}' WHERE id = {OF_PAID}", Check.STATE, "notes is '{}'"),
    Damage("order status", f"UPDATE orders SET status = 'CREATED' WHERE id = {OF_PAID}", Check.STATE, "status is"),
    Damage("order lost", f"DELETE FROM orders WHERE id = {OF_PAID}", Check.STATE, "missing from orders"),
    Damage(
        "order from nowhere",
        "INSERT INTO orders SELECT 'order_zzzzzzzzzzzzzzzz', merchant_id, amount, currency, receipt, notes, status,"
        " version, last_event_at, created_at, updated_at FROM orders LIMIT 1",
        Check.STATE,
        "order_zzzzzzzzzzzzzzzz has no events",
    ),
    Damage("refund amount", f"UPDATE refunds SET amount = 1 WHERE id = {REFUNDED}", Check.STATE, "amount is 1", False),
    Damage("refund lost", f"DELETE FROM refunds WHERE id = {REFUNDED}", Check.STATE, "missing from refunds", False),
    Damage("event bytes", f"UPDATE events SET payload = payload || ' ' WHERE sequence = 2 AND order_id = {OF_PAID}",
           Check.TOPIC, "other bytes"),
    Damage("event lost", f"DELETE FROM events WHERE sequence = 4 AND order_id = {OF_PAID}", Check.TOPIC,
           "not in the events table", False),
    Damage("event gap", f"DELETE FROM events WHERE sequence = 2 AND order_id = {OF_PAID}", Check.HISTORY,
           "stands where number 2", False),
    Damage("event column", f"UPDATE events SET type = 'x' WHERE sequence = 2 AND order_id = {OF_PAID}", Check.HISTORY,
           "columns are not", False),
    Damage("event merchant", f"UPDATE events SET merchant_id = 'x' WHERE sequence = 1 AND order_id = {OF_PAID}",
           Check.HISTORY, "columns are not", False),
    Damage("event never published",
           "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload)"
           " SELECT order_id, 9, merchant_id, type, at, payload FROM events"
           f" WHERE sequence = 4 AND order_id = {OF_PAID}",
           Check.TOPIC, "not on the topic", False),
    Damage("illegal step", "UPDATE events SET payload = replace(payload, '\"status\":\"PROCESSING\"',"
           f" '\"status\":\"SUCCESS\"') WHERE sequence = 3 AND order_id = {OF_PAID}", Check.HISTORY, "from CREATED to",
           False),
    Damage("money from nowhere", "UPDATE events SET payload = replace(payload, '\"amount_refunded\":0',"
           f" '\"amount_refunded\":7') WHERE sequence = 4 AND order_id = {OF_PAID}", Check.MONEY, "without a refund",
           False),
    Damage("inbox row lost", f"DELETE FROM commands WHERE type = 'payment.create' AND order_id = {OF_PAID}",
           Check.COMMANDS, "is not in the inbox", False),
    Damage("inbox row moved", "UPDATE commands SET first_sequence = first_sequence + 1 WHERE type = 'payment.create'"
           f" AND order_id = {OF_PAID}", Check.COMMANDS, "the events say otherwise"),
    Damage("inbox row of nothing", "UPDATE commands SET event_count = 0 WHERE type = 'payment.create'"
           f" AND order_id = {OF_PAID}", Check.COMMANDS, "claims no events"),
    Damage("refused, yet acted", "UPDATE commands SET rejected = true WHERE type = 'payment.create'"
           f" AND order_id = {OF_PAID}", Check.COMMANDS, "was refused", True),
    Damage("inbox row of nobody", "INSERT INTO commands SELECT 'cmd_forged', 'order_zzzzzzzzzzzzzzzz', type, nonce,"
           " fingerprint, rejected, reply, first_sequence, event_count, decided_at FROM commands"
           " WHERE event_count > 0 LIMIT 1", Check.COMMANDS, "cmd_forged claims"),
    Damage("bank amount", f"UPDATE bank.ledger SET amount = amount + 1 WHERE attempt_id = {PAID}", Check.BANK, "moved"),
    Damage("bank currency", f"UPDATE bank.ledger SET currency = 'USD' WHERE attempt_id = {PAID}", Check.BANK, "USD"),
    Damage("bank outcome", f"UPDATE bank.ledger SET outcome = 'failed' WHERE attempt_id = {PAID}", Check.BANK, "says"),
    Damage("bank twice", f"UPDATE bank.ledger SET times_moved = 2 WHERE attempt_id = {PAID}", Check.BANK, "2 times"),
    Damage("bank turned unheard", "UPDATE bank.ledger SET late_at = now() - interval '1 hour'"
           f" WHERE attempt_id = {PAID}", Check.BANK, "is success, the bank says failed"),
    Damage("bank turned, the money did not", "UPDATE bank.ledger SET outcome = 'failed', turn = 1"
           f" WHERE attempt_id = {PAID}", Check.BANK, "says failed, yet moved the money 1 times"),
    Damage("reversed for no reason", f"UPDATE payments SET reversed = true WHERE id = {PAID}", Check.STATE,
           "reversed is True, the events say False", False),
    Damage("owed for no reason", f"UPDATE payments SET amount_refunded = amount, amount_owed = 1 WHERE id = {PAID}",
           Check.STATE, "amount_owed is 1, the events say 0"),
    Damage("bank silent", f"DELETE FROM bank.ledger WHERE attempt_id = {PAID}", Check.BANK, "never saw it"),
    Damage("bank reference", f"UPDATE bank.ledger SET reference = 'x' WHERE attempt_id = {PAID}", Check.BANK, "is x"),
    Damage("bank refund of another", f"UPDATE bank.ledger SET of_attempt = 'pay_x' WHERE attempt_id = {REFUNDED}",
           Check.BANK, "booked a refund of pay_x"),
    Damage("bank charges a stranger", "INSERT INTO bank.ledger (attempt_id, kind, amount, currency, outcome, reference)"
           " VALUES ('pay_zzzzzzzzzzzzzzzz', 'charge', 1, 'INR', 'success', 'x')", Check.BANK, "nobody's"),
    Damage("late charge kept", "UPDATE bank.ledger SET late_at = now() - interval '1 hour'"
           " WHERE attempt_id = (SELECT id FROM payments WHERE error_code = 'UPI_DECLINED' LIMIT 1)", Check.BANK,
           "is failed, the bank says success"),
    Damage("undecided for ever", "UPDATE payments SET status = 'PROCESSING', deadline_at = now() - interval '1 hour'"
           f" WHERE id = {PAID}", Check.DEADLINES, "past its deadline", False),
    Damage("event no endpoint was given", "INSERT INTO webhooks (id, merchant_id, url, events, secret_sealed,"
           " secret_hint, created_at) VALUES ('whe_aaaaaaaaaaaaaaaa', 'test_merchant', 'http://127.0.0.1:9/',"
           " '{payment.captured}', '', '', '2020-01-01Z')", Check.WEBHOOKS, "was never planned (payment.captured)"),
    Damage("delivery that nobody makes", f"{DELIVERY} 'pending', now() - interval '1 hour' FROM events"
           " WHERE type = 'payment.captured'", Check.WEBHOOKS, "has waited for an attempt"),
    Damage("delivery of nothing", f"{DELIVERY} 'success', NULL FROM events WHERE type = 'payment.processing' LIMIT 1",
           Check.WEBHOOKS, "which never happened", kind=Kind.DELIVERY_UNKNOWN),
    Damage("delivery with another amount", "UPDATE webhook_logs SET body = convert_to(replace(convert_from(body,"
           f" 'UTF8'), '\"amount\":5', '\"amount\":9'), 'UTF8') WHERE id = {DELIVERED}", Check.WEBHOOKS, "another body",
           kind=Kind.DELIVERY_BODY),
    Damage("delivery with a longer body", f"UPDATE webhook_logs SET body = body || ' ' WHERE id = {DELIVERED}",
           Check.WEBHOOKS, "another body", kind=Kind.DELIVERY_BODY),
    Damage("delivery whose body is not text", f"UPDATE webhook_logs SET body = '\\xff' WHERE id = {DELIVERED}",
           Check.WEBHOOKS, "another body", kind=Kind.DELIVERY_BODY),
    Damage("refund delivered with another amount", "UPDATE webhook_logs SET body = convert_to(replace(convert_from("
           "body, 'UTF8'), '\"amount\":', '\"amount\":1'), 'UTF8') WHERE id = (SELECT id FROM webhook_logs"
           " WHERE event = 'refund.created' LIMIT 1)", Check.WEBHOOKS, "another body", kind=Kind.DELIVERY_BODY),
    Damage("delivered without an attempt", f"DELETE FROM webhook_attempts WHERE log_id = {DELIVERED}",
           Check.WEBHOOKS, "no attempt with a 2xx", kind=Kind.DELIVERY_UNATTEMPTED),
    Damage("delivered by an attempt that failed", "UPDATE webhook_attempts SET response_code = 500"
           f" WHERE log_id = {DELIVERED}", Check.WEBHOOKS, "no attempt with a 2xx", kind=Kind.DELIVERY_UNATTEMPTED),
    Damage("called delivered, never tried", "UPDATE webhook_logs SET attempts = 0, last_attempt_at = NULL"
           f" WHERE id = {DELIVERED}", Check.WEBHOOKS, "no attempt with a 2xx", kind=Kind.DELIVERY_UNATTEMPTED),
    Damage("delivery that the log is given in vain", "UPDATE webhook_logs SET status = 'pending', attempts = 0,"
           f" next_retry_at = now(), nudges = 4 WHERE id = {DELIVERED}", Check.WEBHOOKS, "4 times again",
           kind=Kind.DELIVERY_UNTRIED),
    Damage("first attempt put off", "UPDATE webhook_logs SET status = 'pending', attempts = 0, next_retry_at = now()"
           f" + interval '1 hour' WHERE id = {DELIVERED}", Check.WEBHOOKS, "is not to be tried before",
           kind=Kind.DELIVERY_UNTRIED),
    Damage("delivery lost, endpoint edited later", f"WITH lost AS (DELETE FROM webhook_logs WHERE id = {DELIVERED})"
           " UPDATE webhooks SET description = 'edited', updated_at = now() WHERE id = 'whe_bbbbbbbbbbbbbbbb'",
           Check.WEBHOOKS, "was never planned", kind=Kind.DELIVERY_MISSING),
    Damage("delivery lost, another filter since", f"WITH lost AS (DELETE FROM webhook_logs WHERE id = {DELIVERED})"
           " UPDATE webhooks SET events = '{refund.failed}', updated_at = now() WHERE id = 'whe_bbbbbbbbbbbbbbbb'",
           Check.WEBHOOKS, "was never planned", kind=Kind.DELIVERY_MISSING),
    *(
        Damage(f"reply of {kind}", "UPDATE commands SET reply = replace(reply, '\"amount\":', '\"amount\":1')"
               f" WHERE id = (SELECT id FROM commands WHERE type = '{kind}' AND NOT rejected ORDER BY id LIMIT 1)",
               Check.COMMANDS, "another reply", kind=Kind.REPLY)
        for kind in ("order.create", "payment.create", "payment.create_with_order", "payment.capture", "refund.create")
    ),
    Damage("reply of a settlement", "UPDATE commands SET reply = '{}' WHERE id = (SELECT id FROM commands"
           " WHERE type = 'payment.settle' AND NOT rejected LIMIT 1)", Check.COMMANDS, "another reply",
           kind=Kind.REPLY),
    Damage("fingerprint lost", "UPDATE commands SET fingerprint = NULL WHERE id = 'idk_order'", Check.PROMISES,
           "another fingerprint", kind=Kind.FINGERPRINT),
    Damage("fingerprint of another request", "UPDATE commands SET fingerprint = replace(fingerprint, 'b', 'c')"
           " WHERE id = 'idk_capture'", Check.PROMISES, "another fingerprint", kind=Kind.FINGERPRINT),
    Damage("acceptance that no repeat of its request finds", "UPDATE commands SET nonce = '' WHERE id = 'idk_order'",
           Check.PROMISES, "but not decided", kind=Kind.UNDECIDED),
    Damage("refusal lost", "DELETE FROM commands WHERE id = 'idk_capture'", Check.PROMISES, "but not decided",
           kind=Kind.UNDECIDED),
    Damage("promise that was never decided", "INSERT INTO promises (command_id, nonce, resource_id, order_id,"
           " merchant_id, resource, promised_at) VALUES ('cmd_lost', 'n9', 'pay_lost', 'order_lost', 'test_merchant',"
           " '{}', now() - interval '1 hour')", Check.PROMISES, "pay_lost was promised at", kind=Kind.PROMISE),
    Damage("event before every reader's cursor", "UPDATE feed SET place = -1 WHERE sequence = 2"
           f" AND order_id = {OF_PAID}", Check.FEED, "before the event before it"),
    Damage("event hidden from the feed", f"DELETE FROM feed WHERE sequence = 4 AND order_id = {OF_PAID}", Check.FEED,
           "has no place", False),
    Damage("event in another merchant's feed", f"UPDATE feed SET merchant_id = 'x' WHERE sequence = 1"
           f" AND order_id = {OF_PAID}", Check.FEED, "has no place in its merchant's feed"),
    Damage("rollup doubled", f"UPDATE rollups SET count = 2 * count WHERE ctid = {QUARTER}", Check.ROLLUPS,
           "do not follow"),
    Damage("rollup's amount", f"UPDATE rollups SET amount_minor = 7 WHERE ctid = {QUARTER}", Check.ROLLUPS,
           "do not follow"),
    Damage("rollup lost", f"DELETE FROM rollups WHERE ctid = {QUARTER}", Check.ROLLUPS, "do not follow"),
    Damage("rollup of a day", "UPDATE rollups SET count = count + 1 WHERE ctid = (SELECT ctid FROM rollups"
           " WHERE grain_minutes = 1440 LIMIT 1)", Check.ROLLUPS, "not the sums of their quarters"),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
async def test_damage_is_found_and_named(intact: tuple[Stack, CommandClient], damage: Damage) -> None:
    stack, command_client = intact
    # Given one damaged row,
    changed = await command_client.pool.execute(damage.sql)
    assert changed.endswith(" 1"), f"the statement damaged nothing: {changed}"
    # When everything is verified,
    report = await audited_now(stack)
    # Then the right check names it, and no other complains where the damage is only one check's business.
    assert damage.message in messages_of(report, damage.check), report.as_json()
    if damage.alone:
        assert checks_that_differ(report) == {damage.check}, report.as_json()
    if damage.kind is not None:
        assert damage.kind in report.kinds, report.as_json()


async def test_the_command_prints_json_and_its_exit_code_matches(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    clean = _run(stack, "verify", "--json", "--settle", "0")
    assert clean.returncode == 0, clean.stdout
    assert json.loads(clean.stdout)["ok"] is True
    await command_client.pool.execute(f"UPDATE payments SET amount_refunded = 1 WHERE id = {PAID}")
    damaged = _run(stack, "verify", "--settle", "0")
    assert damaged.returncode == 1
    assert "amount_refunded is 1, the events say 0" in damaged.stdout


BEGUN = """
INSERT INTO payments
SELECT (jsonb_populate_record(p, '{"id": "pay_zzzzzzzzzzzzzzzz", "order_id": "order_zzzzzzzzzzzzzzzz"}')).*
  FROM payments p
 LIMIT 1
"""
BOOKED = """
INSERT INTO bank.ledger (attempt_id, kind, amount, currency, outcome, reference)
VALUES ($1, 'charge', 1, 'INR', 'success', 'x')
"""


class BusyBank(SimulatedBank):
    """Its books are read a moment after the snapshot: meanwhile one payment has begun, and a stranger was charged."""

    async def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        connection = await connect(self._settings.database_url.get_secret_value())
        try:
            await connection.execute(BEGUN)
            for attempt_id in ("pay_zzzzzzzzzzzzzzzz", "pay_stranger"):
                await connection.execute(BOOKED, attempt_id)
        finally:
            await connection.close()
        async with aclosing(super().books(attempt_ids)) as windows:
            async for bookings in windows:
                yield bookings


async def test_a_payment_that_began_after_the_snapshot_is_not_foreign(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, _ = intact
    monkeypatch.setattr(auditing, "make_bank", BusyBank)
    report = await audited_now(stack)
    assert messages_of(report, Check.BANK) == "pay_stranger the bank moved 1 for an attempt that is nobody's"
    assert checks_that_differ(report) == {Check.BANK}


async def test_books_that_cannot_be_read_verify_nothing(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, _ = intact
    monkeypatch.setattr("agents.bank.simulated.read_books", lambda *_: away())
    with pytest.raises(OSError, match="the bank's books cannot be read"):
        await audited_now(stack)


async def away() -> AsyncGenerator[list[Row], None]:
    raise DatabaseUnavailableError("no route to the bank")
    yield []


async def test_since_compares_deliveries_without_a_payment_as_well(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    count = await command_client.pool.fetchval("SELECT count(*) FROM webhook_logs")
    await command_client.pool.execute("UPDATE webhook_logs SET body = body || ' ' WHERE event = 'order.paid'")
    report = await audited_now(stack, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert "another body" in messages_of(report, Check.WEBHOOKS)
    assert report.tallies[Check.WEBHOOKS].compared == count


async def test_since_looks_only_at_orders_that_moved(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    newest = await command_client.pool.fetchval("SELECT max(at) FROM events")
    moved = await command_client.pool.fetchval("SELECT count(DISTINCT order_id) FROM events WHERE at >= $1", newest)
    report = await audited_now(stack, newest)
    assert report.differences == 0, report.as_json()
    everything = await command_client.pool.fetchval("SELECT count(DISTINCT order_id) FROM events")
    assert report.tallies[Check.MONEY].compared == moved < everything


async def test_slices_compare_as_much_as_one_and_name_the_same(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = intact
    whole = await audited_now(stack)
    # Given an audit in slices, the last of them in the second process,
    monkeypatch.setattr(auditing, "SLICED_FROM_ORDERS", 1)
    sliced = await audited_now(stack)
    assert sliced.differences == 0, sliced.as_json()
    assert sliced.events == whole.events
    assert {check: tally.compared for check, tally in sliced.tallies.items()} == {
        check: tally.compared for check, tally in whole.tallies.items()
    }
    # when every order is damaged, then each is named, whichever slice it is in.
    await command_client.pool.execute("UPDATE orders SET receipt = 'x'")
    report = await audited_now(stack)
    for order in await command_client.pool.fetch("SELECT id FROM orders"):
        assert f"{order['id']} orders: receipt is 'x'" in messages_of(report, Check.STATE)
    assert checks_that_differ(report) == {Check.STATE}


async def test_orders_that_were_written_out_are_still_checked(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = intact
    # Given a log on which nothing is strange but what earlier tests put there and disowned,
    disowned = {row["order_id"][-2:] for row in await command_client.pool.fetch("SELECT order_id FROM disowned_events")}
    usual = await first_looked(stack)
    assert usual.suspicious <= disowned
    # when every order is let go after each record, then the same is seen.
    forgetful(monkeypatch)
    found = await first_looked(stack)
    assert found.suspicious == usual.suspicious
    assert found.sums == usual.sums != {}


async def test_what_an_audit_writes_never_holds_up_the_feed(intact: tuple[Stack, CommandClient]) -> None:
    stack, _ = intact
    connection = await connect(stack.database_url)
    try:
        # Given an audit's temporary tables with rows in them,
        await Runs(connection).add([("order_aaaaaaaaaaaaaaaa", 1, 1, 2)])
        await (await Sights.open(connection)).add(b"order_aaaaaaaaaaaaaaaa\t1\t0\tx\n")
        await (await CommandSights.open(connection)).add([("cmd_1", "", "", 0)])
        # then the session has no transaction id: while it had one, no merchant's feed would show anything new.
        assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
        # Nor can it get one by mistake.
        async with connection.transaction():
            with pytest.raises(AssertionError):
                await Sights.open(connection)
    finally:
        await connection.close()


async def test_a_repeated_record_is_allowed(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    await publish_again(command_client, await an_event(command_client))
    report = await audited_now(stack)
    assert report.differences == 0, report.as_json()


async def test_a_record_with_other_bytes_is_found(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    row = await an_event(command_client)
    await publish_again(command_client, row, payload=row["payload"].replace('"INR"', '"USD"'))
    report = await audited_now(stack)
    assert f"evt_{row['order_id'][-16:]}_{row['sequence']} has other bytes" in messages_of(report, Check.TOPIC)


async def test_a_record_of_no_event_is_found(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    row, stranger = await an_event(command_client), fresh("order_")
    payload = row["payload"].replace(row["order_id"][-16:], stranger[-16:])
    await publish_again(command_client, {**row, "order_id": stranger}, payload=payload)
    report = await audited_now(stack)
    assert f"evt_{stranger[-16:]}_{row['sequence']} is on the topic" in messages_of(report, Check.TOPIC)


@pytest.mark.parametrize("value", [b"", b"not json", b'{"id":"evt_short_1","type":"x"}'])
async def test_a_record_that_is_not_an_event_is_found(intact: tuple[Stack, CommandClient], value: bytes) -> None:
    stack, command_client = intact
    key = fresh("order_").encode()
    place = partition_of(key, stack.settings.topic_partitions)
    before = messages_of(await audited_now(stack), Check.TOPIC).count(f"{EVENTS}/{place}/")
    await command_client.publish([Record(EVENTS, place, key, value)])
    assert messages_of(await audited_now(stack), Check.TOPIC).count(f"{EVENTS}/{place}/") == before + 1


async def test_a_record_on_another_partition_is_found(intact: tuple[Stack, CommandClient]) -> None:
    stack, command_client = intact
    row = await an_event(command_client)
    place = (partition_of(row["order_id"].encode(), stack.settings.topic_partitions) + 1) % 12
    await command_client.publish([Record(EVENTS, place, row["order_id"].encode(), row["payload"].encode())])
    assert "stands on another partition" in messages_of(await audited_now(stack), Check.TOPIC)


async def test_an_event_that_overtook_its_predecessor_is_found(
    intact: tuple[Stack, CommandClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, command_client = intact
    # Given an order whose second event stood on the log before its first (written by hand: the actor cannot),
    order_id = fresh("order_")
    rows = await command_client.pool.fetch("SELECT * FROM events WHERE order_id = (SELECT min(order_id) FROM events)")
    copies = [
        {**row, "order_id": order_id, "payload": row["payload"].replace(row["order_id"][-16:], order_id[-16:])}
        for row in rows[:2]
    ]
    for copy in copies:
        await _insert_event(command_client.pool, copy)
    for copy in reversed(copies):
        await publish_again(command_client, copy)
    # When verified, then the second is named.
    assert f"evt_{order_id[-16:]}_2 first stands on the topic before" in messages_of(
        await audited_now(stack), Check.TOPIC
    )
    # Nor does it escape a reader that keeps no order in memory.
    forgetful(monkeypatch)
    assert order_id[-2:] in (await first_looked(stack)).suspicious


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order is let go after each of its records."""
    for name, value in (("RECORDS_A_TAKE", 1), ("ORDERS_HELD", 0), ("AT_ONCE", 1)):
        monkeypatch.setattr(reading, name, value)


async def first_looked(stack: Stack) -> TopicReport:
    """The second process's first look, in a thread of this one, where its bounds can be changed."""
    return await asyncio.to_thread(first_look, stack.settings, NUMBERS)


async def an_event(command_client: CommandClient) -> dict[str, str]:
    return dict(await command_client.pool.fetchrow("SELECT * FROM events ORDER BY order_id, sequence LIMIT 1"))


async def publish_again(command_client: CommandClient, row: dict[str, str], *, payload: str | None = None) -> None:
    key = row["order_id"].encode()
    place = partition_of(key, command_client.settings.topic_partitions)
    await command_client.publish([Record(EVENTS, place, key, (payload or row["payload"]).encode())])


async def _insert_event(pool: asyncpg.Pool, row: dict[str, str]) -> None:
    columns = ("order_id", "sequence", "merchant_id", "type", "at", "payload")
    await pool.execute(
        f"INSERT INTO events ({', '.join(columns)}) VALUES ($1, $2, $3, $4, $5, $6)", *(row[name] for name in columns)
    )


def _run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", *arguments],
        env={**os.environ, **stack.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
