"""What the Razorpay double leaves to others: timed captures to the sweeper, late authorizations to the planner."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.captures import Captures
from agents.webhooks.planner import Planner, Read
from domain.event_kind import MERCHANT_EVENTS
from domain.ids import ORDER, PAYMENT, SEEDED_MERCHANT_ID
from domain.order import CaptureMode
from domain.outcome import Outcome
from domain.payment import SettlePayment
from runtime.clock import Clock, now
from runtime.worker import Worker
from store.razorpay.captures import DUE, close_captures, due_captures
from store.razorpay.orders import Terms, insert_terms
from store.redis.clients import make_redis
from store.webhooks.plan import Draft, Target
from store.webhooks.razorpay_drafts import buildable_drafts, razorpay_drafts
from tests.support.actor import Bench, work
from tests.support.command_client import capture_command, fresh, order_command, payment_command
from tests.support.due import looking
from tests.support.eventually import eventually
from topics.catalogue import COMMANDS
from topics.codec import PAYMENT_CAPTURE
from topics.deadletter import REASON_UNWRITABLE
from topics.delivery import event_webhook_body
from topics.envelope import HEADER_TYPE
from topics.events import EventRecord, read_any_event
from topics.producer import Record
from topics.razorpay.webhooks import SENT, ours

ORDER_IS_OLDER = "UPDATE orders SET created_at = created_at - make_interval(mins => $2) WHERE id = $1"
CAPTURES = "SELECT captures FROM razorpay_orders WHERE order_id = $1"


async def paid(bench: Bench, terms: Terms) -> tuple[str, str]:
    """An order of the double with these terms, and its payment that the bank has just called a success."""
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    await insert_terms(bench.command_client.pool, order_id, SEEDED_MERCHANT_ID, terms)
    success = SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, "bank_1", now() + timedelta(minutes=1))
    commands = (order_command(order_id), payment_command(order_id, payment_id), success)
    await work(await bench.actor(), *(bench.submitted(command) for command in commands))
    return order_id, payment_id


async def captures_sent(bench: Bench, order_id: str) -> list[bytes]:
    values = await bench.on_topic(COMMANDS, order_id, bench.command_client.settings.topic_partitions)
    return [value for value in values if orjson.loads(value)["type"] == PAYMENT_CAPTURE]


async def is_due(bench: Bench, payment_id: str) -> bool:
    return payment_id in [
        one.payment_id for one in await due_captures(bench.command_client.pool, without=[], limit=500)
    ]


async def test_a_success_in_time_is_captured_by_a_command_once_however_often_it_is_sent(bench: Bench) -> None:
    # Given a success within the minutes that its order captures by itself,
    order_id, payment_id = await paid(bench, Terms(captures_within_minutes=12))
    # when two sweepers look, then they send the same command, which captures the payment once.
    async with looking(bench, Captures), looking(bench, Captures):
        values = await eventually(lambda: captures_sent(bench, order_id), timeout=40)
    record = Record(COMMANDS, 0, order_id.encode(), values[0], [(HEADER_TYPE, PAYMENT_CAPTURE.encode())])
    await work(await bench.actor(), bench.incoming(record), bench.incoming(record))
    assert (await bench.events(order_id)).count("payment.captured") == 1
    assert all(orjson.loads(value)["id"].startswith(f"rzp_{payment_id}_") for value in values)
    # And it is forgotten only now.
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is True
    await close_captures(bench.command_client.pool)
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is False


class AMinuteLater(Clock):
    """Of a host whose next look is in another minute."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=1)


async def bank_turns(bench: Bench, order_id: str, payment_id: str, outcome: Outcome, turn: int) -> None:
    word = SettlePayment(order_id, payment_id, outcome, None, None, "bank_1", now() + timedelta(minutes=1), turn=turn)
    await work(await bench.actor(), bench.submitted(word))


async def decide_captures(bench: Bench, order_id: str, values: list[bytes]) -> None:
    for value in values:
        record = Record(COMMANDS, 0, order_id.encode(), value, [(HEADER_TYPE, PAYMENT_CAPTURE.encode())])
        await work(await bench.actor(), bench.incoming(record))


async def test_a_capture_that_was_refused_is_sent_again_once_it_is_possible(bench: Bench) -> None:
    # Given a capture that is on its way while the bank takes the money back,
    order_id, payment_id = await paid(bench, Terms(captures_within_minutes=12))
    async with looking(bench, Captures):
        values = await eventually(lambda: captures_sent(bench, order_id), timeout=40)
    await bank_turns(bench, order_id, payment_id, Outcome.FAILED, 1)
    await decide_captures(bench, order_id, values)
    assert (await bench.events(order_id))[-1] == "payment.reversed"
    # then nothing is due, and the order is followed all the same;
    assert not await is_due(bench, payment_id)
    await close_captures(bench.command_client.pool)
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is True
    # and once the bank has the money again, the payment is captured.
    await bank_turns(bench, order_id, payment_id, Outcome.SUCCESS, 2)

    async def sent_again() -> bool:
        return len(await captures_sent(bench, order_id)) > len(values)

    async with looking(bench, Captures, clock=AMinuteLater()):
        await eventually(sent_again, timeout=40)
    await decide_captures(bench, order_id, await captures_sent(bench, order_id))
    assert (await bench.events(order_id))[-1] == "payment.captured"


async def test_nothing_is_sent_while_the_log_grows(bench: Bench) -> None:
    order_id, _ = await paid(bench, Terms(captures_within_minutes=12))
    looks, is_open = [], asyncio.Event()

    def is_closed() -> bool:
        looks.append(is_open.is_set())
        return not is_open.is_set()

    async with looking(bench, Captures, log_is_closed=is_closed):
        # Given a loop that has looked twice while the log was closed, then nothing is on the log,
        await eventually(lambda: len(looks) >= 2, timeout=40)
        assert await captures_sent(bench, order_id) == []
        # and once it is open, the capture is.
        is_open.set()
        await eventually(lambda: captures_sent(bench, order_id), timeout=40)


async def test_a_capture_that_no_sweeper_saw_in_time_is_still_due_after_the_time_is_over(bench: Bench) -> None:
    """Nothing is lost while the sweeper is down: what counts is when the bank said yes."""
    order_id, payment_id = await paid(bench, Terms(captures_within_minutes=12))
    await bench.command_client.pool.execute(
        "UPDATE orders SET created_at = created_at - interval '2 days' WHERE id = $1", order_id
    )
    await bench.command_client.pool.execute(
        "UPDATE events SET at = at - interval '2 days' WHERE order_id = $1", order_id
    )
    await close_captures(bench.command_client.pool)
    assert await is_due(bench, payment_id)
    await work(await bench.actor(), bench.submitted(capture_command(order_id, payment_id)))
    assert not await is_due(bench, payment_id)


async def test_a_success_after_the_time_waits_for_its_merchant(bench: Bench) -> None:
    order_id, payment_id = await paid(bench, Terms(captures_within_minutes=12))
    await bench.command_client.pool.execute(ORDER_IS_OLDER, order_id, 13)
    assert not await is_due(bench, payment_id)
    await close_captures(bench.command_client.pool)
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is False


async def test_an_open_order_is_followed_until_its_time_is_over(bench: Bench) -> None:
    order_id = fresh(ORDER)
    await insert_terms(bench.command_client.pool, order_id, SEEDED_MERCHANT_ID, Terms(captures_within_minutes=12))
    await work(await bench.actor(), bench.submitted(order_command(order_id)))
    await close_captures(bench.command_client.pool)
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is True
    await bench.command_client.pool.execute(ORDER_IS_OLDER, order_id, 12 + 61)
    await close_captures(bench.command_client.pool)
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is False


async def test_an_order_that_an_earlier_version_was_to_capture_is_captured(bench: Bench) -> None:
    """Rows of before the actor captured by itself name no time."""
    order_id, payment_id = await paid(bench, Terms(customer_id="cust_1"))
    assert not await is_due(bench, payment_id)
    await bench.command_client.pool.execute("UPDATE razorpay_orders SET captures = true WHERE order_id = $1", order_id)
    assert await is_due(bench, payment_id)


async def test_the_look_for_captures_reads_the_index_of_the_orders_that_wait(bench: Bench) -> None:
    async with bench.command_client.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetchval("EXPLAIN (FORMAT JSON) " + DUE, [], 500)
    assert "razorpay_orders_captures" in plan


async def test_an_order_without_extra_fields_leaves_no_row(bench: Bench) -> None:
    order_id = fresh(ORDER)
    await insert_terms(bench.command_client.pool, order_id, SEEDED_MERCHANT_ID, Terms())
    assert await bench.command_client.pool.fetchval(CAPTURES, order_id) is None


async def history(bench: Bench, order_id: str) -> list[EventRecord]:
    """The events that a planner reads."""
    query = "SELECT payload FROM events WHERE order_id = $1 AND type = ANY($2) ORDER BY sequence"
    rows = await bench.command_client.pool.fetch(query, order_id, list(MERCHANT_EVENTS))
    return [read_any_event(row["payload"].encode()) for row in rows]


def endpoint(*names: str) -> Target:
    """One of the double's format."""
    return Target("we_1", SEEDED_MERCHANT_ID, tuple(ours(names)), "per_payment", active=True, razorpay_events=names)


def names_of(drafts: list[Draft]) -> list[str]:
    return [orjson.loads(draft.body)["event"] for draft in drafts]


async def test_a_late_authorization_begins_with_a_failure_that_its_success_waits_for(bench: Bench) -> None:
    order_id, _ = await paid(bench, Terms(authorizes_late=True))
    events = await history(bench, order_id)
    drafts = await razorpay_drafts(bench.command_client.pool, [(event, [endpoint(*SENT)]) for event in events])
    assert names_of(drafts) == ["payment.failed", "payment.authorized"]
    failed = orjson.loads(drafts[0].body)["payload"]["payment"]["entity"]
    assert (failed["status"], failed["error_reason"], failed["captured"]) == ("failed", "payment_timed_out", False)
    assert drafts[0].sequence < drafts[1].sequence and all(draft.ordered for draft in drafts)
    assert len({draft.id for draft in drafts}) == 2
    again = await razorpay_drafts(bench.command_client.pool, [(event, [endpoint(*SENT)]) for event in events])
    assert [draft.id for draft in again] == [draft.id for draft in drafts]


async def test_the_failure_is_for_endpoints_that_want_failures_and_for_such_orders_alone(bench: Bench) -> None:
    late, _ = await paid(bench, Terms(authorizes_late=True))
    usual, _ = await paid(bench, Terms())
    for order_id, names, expected in (
        (late, ["payment.authorized"], ["payment.authorized"]),
        (usual, list(SENT), ["payment.authorized"]),
    ):
        events = await history(bench, order_id)
        drafts = await razorpay_drafts(bench.command_client.pool, [(event, [endpoint(*names)]) for event in events])
        assert names_of(drafts) == expected


async def test_a_shuffled_endpoint_is_planned_the_success_behind_its_capture_however_the_events_come(
    bench: Bench,
) -> None:
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    success = SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, "bank_1", now() + timedelta(minutes=1))
    order = replace(order_command(order_id), capture=CaptureMode.AUTOMATIC)
    commands = (order, payment_command(order_id, payment_id), success)
    await work(await bench.actor(), *(bench.submitted(command) for command in commands))
    events = await history(bench, order_id)
    shuffled = replace(endpoint(*SENT), shuffled=True)
    # Whether the two come in one batch
    together = await razorpay_drafts(bench.command_client.pool, [(event, [shuffled]) for event in events])
    assert names_of(together) == ["payment.captured", "order.paid", "payment.authorized"]
    # or each by itself.
    apart = [await razorpay_drafts(bench.command_client.pool, [(event, [shuffled])]) for event in events]
    assert [names_of(drafts) for drafts in apart if drafts] == [names_of(together)]
    # An endpoint that wants no captures gets the success as it comes.
    alone = replace(endpoint("payment.authorized"), shuffled=True)
    drafts = await razorpay_drafts(bench.command_client.pool, [(event, [alone]) for event in events])
    assert names_of(drafts) == ["payment.authorized"]


async def test_a_success_that_is_captured_by_hand_is_not_held_back(bench: Bench) -> None:
    order_id, payment_id = await paid(bench, Terms())
    await work(await bench.actor(), bench.submitted(capture_command(order_id, payment_id)))
    shuffled = replace(endpoint(*SENT), shuffled=True)
    (success,) = [event for event in await history(bench, order_id) if event.type == "payment.success"]
    assert names_of(await razorpay_drafts(bench.command_client.pool, [(success, [shuffled])])) == ["payment.authorized"]


async def test_nothing_is_read_for_a_merchant_without_such_an_endpoint(bench: Bench) -> None:
    order_id, _ = await paid(bench, Terms(authorizes_late=True))
    own = Target("we_2", SEEDED_MERCHANT_ID, ("payment.created", "payment.success"), "per_payment", active=True)
    nowhere: Any = None
    events = await history(bench, order_id)
    assert await razorpay_drafts(nowhere, [(event, [own]) for event in events]) == []
    with pytest.raises(AttributeError):
        await razorpay_drafts(nowhere, [(event, [endpoint(*SENT)]) for event in events])


async def test_an_event_that_the_double_cannot_show_still_reaches_the_ordinary_endpoints(bench: Bench) -> None:
    order_id, _ = await paid(bench, Terms())
    pool, settings = bench.command_client.pool, bench.command_client.settings
    whole, damaged = [
        event for event in await history(bench, order_id) if event.type in ("payment.created", "payment.success")
    ]
    damaged.payment.json.pop("amount")
    own = Target("we_2", SEEDED_MERCHANT_ID, (whole.type, damaged.type), "none", active=True)
    targets = {SEEDED_MERCHANT_ID: [own, endpoint(*SENT)]}
    place = {"topic": "payments.events.v1", "partition": 0, "offset": 7, "timestamp": 1_800_000_000_000}
    message = SimpleNamespace(key=order_id.encode(), value=b"{}", headers=[], **place)
    async with make_redis(settings) as client:
        planner = Planner(Context(settings, Worker("planner", 0, "planner-test", 0), client), Kafka(settings), pool)
        read = [Read(event, event_webhook_body(event), message) for event in (whole, damaged)]
        async with planner._consumer:
            dues, letters = await planner._planned_all(read, [], targets)
    rows = await pool.fetch("SELECT id, event, endpoint_id FROM webhook_logs WHERE order_id = $1", order_id)
    assert {(row["event"], row["endpoint_id"]) for row in rows} == {(whole.type, "we_2"), (damaged.type, "we_2")}
    assert {due.log_id for due in dues} == {row["id"] for row in rows}
    assert [dict(letter.headers)["reason"] for letter in letters] == [REASON_UNWRITABLE.encode()]


async def test_a_replay_leaves_out_an_event_that_the_double_cannot_show_and_sends_the_others(bench: Bench) -> None:
    order_id, _ = await paid(bench, Terms())
    pool = bench.command_client.pool
    other_id, _ = await paid(bench, Terms())
    damaged, whole = [
        next(event for event in await history(bench, one) if event.type == "payment.success")
        for one in (order_id, other_id)
    ]
    damaged.payment.json.pop("amount")
    drafts, left_out = await buildable_drafts(pool, [damaged, whole], endpoint(*SENT))
    assert [draft.order_id for draft in drafts] == [other_id]
    assert list(left_out) == [damaged.id]
