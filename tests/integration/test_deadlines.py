"""Orders and payments past their time: the sweeper names them on the log, and their actor decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson

from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.deadlines import Deadlines
from domain.ids import ORDER, PAYMENT
from domain.outcome import Outcome
from domain.payment import SettlePayment
from runtime.clock import now
from store.deadlines import DeadlineStore
from store.driver import Pool
from tests.support.actor import Bench, work
from tests.support.command_client import fresh, order_command, payment_command
from tests.support.due import looking
from tests.support.eventually import eventually
from topics.catalogue import COMMANDS
from topics.codec import ORDER_EXPIRE, PAYMENT_EXPIRE
from topics.envelope import HEADER_TYPE
from topics.producer import Record

TIME_PASSES = "UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = $1"
DEADLINE_PASSES = "UPDATE payments SET deadline_at = now() - make_interval(secs => $2) WHERE id = $1"


async def made(bench: Bench) -> str:
    """An order whose time is over."""
    order_id = fresh(ORDER)
    expiring = replace(order_command(order_id), expires_at=now() + timedelta(minutes=6))
    await work(await bench.actor(), bench.submitted(expiring))
    await bench.command_client.pool.execute(TIME_PASSES, order_id)
    return order_id


def expiring(context: Context, kafka: Kafka, pool: Pool) -> Deadlines:
    return Deadlines(context, kafka, DeadlineStore(pool))


async def commands_to_expire(bench: Bench, order_id: str, kind: str = ORDER_EXPIRE) -> list[bytes]:
    values = await bench.on_topic(COMMANDS, order_id, bench.command_client.settings.topic_partitions)
    return [value for value in values if orjson.loads(value)["type"] == kind]


async def test_an_order_past_its_time_expires_by_a_command_to_its_actor(bench: Bench) -> None:
    # Given an order whose time is over,
    order_id = await made(bench)
    # when the sweeper looks, then nothing is written,
    async with looking(bench, expiring):
        (value,) = await eventually(lambda: commands_to_expire(bench, order_id), timeout=40)
    assert await bench.events(order_id) == ["order.created"]
    # and the command that it sent makes the order's actor decide, once.
    record = Record(COMMANDS, 0, order_id.encode(), value, [(HEADER_TYPE, ORDER_EXPIRE.encode())])
    await work(await bench.actor(), bench.incoming(record), bench.incoming(record))
    assert await bench.events(order_id) == ["order.created", "order.expired"]
    status = await bench.command_client.pool.fetchval("SELECT status FROM orders WHERE id = $1", order_id)
    assert status == "EXPIRED"


async def test_an_order_waits_for_a_payment_that_began_in_time_but_not_without_limit(bench: Bench) -> None:
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    expiring = replace(order_command(order_id), expires_at=now() + timedelta(minutes=6))
    await work(await bench.actor(), bench.submitted(expiring), bench.submitted(payment_command(order_id, payment_id)))
    store = DeadlineStore(bench.command_client.pool)
    assert order_id not in await store.due_orders(without=[], limit=100)
    await bench.command_client.pool.execute(TIME_PASSES, order_id)
    await bench.command_client.pool.execute(DEADLINE_PASSES, payment_id, 30.0)
    assert order_id not in await store.due_orders(without=[], limit=100)
    await bench.command_client.pool.execute(DEADLINE_PASSES, payment_id, 90.0)
    assert order_id in await store.due_orders(without=[], limit=100)
    assert order_id not in await store.due_orders(without=[order_id], limit=100)
    await bench.command_client.pool.execute("DELETE FROM orders WHERE id = $1", order_id)
    await bench.command_client.pool.execute("DELETE FROM payments WHERE id = $1", payment_id)


async def test_a_payment_that_is_not_captured_in_time_expires_and_is_refunded(bench: Bench) -> None:
    # Given a success whose time to be captured is over,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    order = replace(order_command(order_id), capture_within_minutes=5)
    success = SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, "bank_1", now() + timedelta(minutes=1))
    commands = (order, payment_command(order_id, payment_id), success)
    await work(await bench.actor(), *(bench.submitted(command) for command in commands))
    await bench.command_client.pool.execute("UPDATE payments SET capture_before = now() WHERE id = $1", payment_id)
    # when the sweeper looks, then it sends a command, which makes the actor release the money, once.
    async with looking(bench, expiring):
        (value,) = await eventually(lambda: commands_to_expire(bench, order_id, PAYMENT_EXPIRE), timeout=40)
    record = Record(COMMANDS, 0, order_id.encode(), value, [(HEADER_TYPE, PAYMENT_EXPIRE.encode())])
    await work(await bench.actor(), bench.incoming(record), bench.incoming(record))
    assert (await bench.events(order_id))[-2:] == ["payment.expired", "refund.created"]
    row = await bench.command_client.pool.fetchrow("SELECT * FROM payments WHERE id = $1", payment_id)
    assert (row["status"], row["voided"], row["void_reason"]) == ("SUCCESS", True, "expired")
    assert (row["amount_released"], row["amount_refunded"], row["capture_before"]) == (50_000, 0, None)
    assert payment_id not in [
        one for one, _ in await DeadlineStore(bench.command_client.pool).due_payments(without=[], limit=99)
    ]
