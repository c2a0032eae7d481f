"""Which events a decision publishes besides its own: those that may not be on the topic yet, and each once.

What is published again leads to questions to the bank, whose answers are commands again: it has to end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.payments import actor as actor_module
from agents.payments.actor import PaymentActor, Prepared
from agents.payments.intake import Incoming
from domain.ids import ORDER, PAYMENT, REFUND
from domain.outcome import Outcome
from domain.payment import SettlePayment
from runtime.clock import now
from tests.support.actor import Bench, work
from tests.support.command_client import fresh, order_command, payment_command, refund_command
from topics.catalogue import EVENTS
from topics.envelope import decode

BEGUN = ["1", "2", "3"]
"""Sequences of order.created, payment.created and payment.processing."""
PAID = ["4", "5"]
"""Of payment.success and order.paid."""


def published(prepared: Prepared, order_id: str) -> list[str]:
    """Sequences of the order's events, in the order in which they are published."""
    records = [one for one in prepared.records if one.topic == EVENTS and one.key == order_id.encode()]
    return [decode(one.value).id.rpartition("_")[2] for one in records if one.value is not None]


async def begun(bench: Bench, actor: PaymentActor | None = None) -> tuple[str, str]:
    """(order id, payment id) of a payment that waits for the bank, made by this actor, or by a former one."""
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    begins = bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
    await work(actor or await bench.actor(), *begins)
    return order_id, payment_id


def settled(
    bench: Bench, order_id: str, payment_id: str, outcome: Outcome = Outcome.SUCCESS, *, turn: int = 0
) -> Incoming:
    code = None if outcome is Outcome.SUCCESS else "UPI_DECLINED"
    word = SettlePayment(order_id, payment_id, outcome, code, None, "bank_1", now() + timedelta(minutes=1), turn)
    return bench.incoming(bench.command_client.record(word, f"stl_{payment_id}_{outcome}_{turn}"))


def refunded(bench: Bench, order_id: str, payment_id: str) -> Incoming:
    return bench.submitted(refund_command(order_id, payment_id, fresh(REFUND), amount=1_000))


async def test_a_cautious_actor_publishes_the_earlier_events_of_an_order_once(bench: Bench) -> None:
    # Given a payment that a former actor began, and its settlement decided by one that has just started,
    order_id, payment_id = await begun(bench)
    actor = await bench.actor()
    settlement = settled(bench, order_id, payment_id)
    assert published(await work(actor, settlement), order_id) == [*BEGUN, *PAID]
    # when redeliveries keep it cautious,
    for number in range(3):
        again = settled(bench, order_id, payment_id)
        assert published(await work(actor, again), order_id) == PAID
        # then what it decides of that order brings only its own event.
        refund = refunded(bench, order_id, payment_id)
        assert published(await work(actor, again, refund), order_id) == [*PAID, str(6 + number)]


async def test_a_cautious_actor_does_not_publish_again_what_it_began_itself(bench: Bench) -> None:
    actor = await bench.actor()
    order_id, payment_id = await begun(bench, actor)
    other, other_payment = await begun(bench)
    repeated = settled(bench, other, other_payment)
    await work(actor, repeated)
    for _ in range(2):
        await work(actor, settled(bench, other, other_payment))
        assert published(await work(actor, settled(bench, order_id, payment_id)), order_id) == PAID
        order_id, payment_id = await begun(bench, actor)


async def test_a_settlement_of_an_order_that_left_the_cache_publishes_its_own_events(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_module, "CACHED_ORDERS_MAX", 1)
    actor = await bench.actor()
    order_id, payment_id = await begun(bench, actor)
    await begun(bench, actor)
    await begun(bench, actor)
    assert published(await work(actor, settled(bench, order_id, payment_id)), order_id) == PAID


async def test_what_another_owner_decided_and_never_published_is_published_before_the_next_decision(
    bench: Bench,
) -> None:
    # Given an owner that has begun a payment, and another one that settles it and dies before it publishes,
    owner, other = await bench.actor(), await bench.actor()
    order_id, payment_id = await begun(bench, owner)
    await other.prepare([settled(bench, order_id, payment_id)])
    # when the first decides the order's next command, then the other's events come first, and only those.
    reversal = settled(bench, order_id, payment_id, Outcome.FAILED, turn=1)
    assert published(await work(owner, reversal), order_id)[:3] == [*PAID, "6"]


async def test_an_order_whose_records_the_inbox_does_not_know_keeps_its_sequence(bench: Bench) -> None:
    # Given commands that an earlier release decided: which of their records, the inbox does not know,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    create, pay = bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
    early, settlement = settled(bench, order_id, payment_id), settled(bench, order_id, payment_id)
    await (await bench.actor()).prepare([create, pay, settlement])
    await bench.command_client.pool.execute(
        "UPDATE commands SET log_offset = NULL, log_partition = NULL WHERE order_id = $1", order_id
    )
    # when all are read again, an early settlement before its payment, then its events are behind the payment's.
    actor = await bench.actor()
    sequences = published(await work(actor, create, early), order_id)
    sequences += published(await work(actor, pay, settlement), order_id)
    assert list(dict.fromkeys(sequences)) == [*BEGUN, *PAID]


async def test_a_record_on_a_former_partition_is_not_taken_for_a_later_one(bench: Bench) -> None:
    order_id, payment_id = await begun(bench)
    settlement = settled(bench, order_id, payment_id)
    await work(await bench.actor(), settlement)
    elsewhere = replace(
        settlement.origin, partition=settlement.origin.partition + 1, offset=settlement.origin.offset + 1
    )
    assert published(await work(await bench.actor(), replace(settlement, origin=elsewhere)), order_id) == []


async def test_on_a_log_whose_offsets_start_lower_a_repetition_publishes_its_events(bench: Bench) -> None:
    # Given a decided settlement, and a log that has lost its end since,
    order_id, payment_id = await begun(bench)
    settlement = settled(bench, order_id, payment_id)
    await work(await bench.actor(), settlement)
    lower = replace(settlement.origin, offset=1)
    # when it is written again below its former offset, then it publishes its events; as it does not before that.
    actor = await bench.actor()
    assert published(await work(actor, replace(settlement, origin=lower)), order_id) == []
    later = replace(settlement, origin=lower, logged_at=now() + timedelta(hours=1))
    assert published(await work(actor, later), order_id) == PAID
