"""What the actor remembers and for how long: refusals, settlements, old records, clocks. Real PostgreSQL and broker.

Each test is a sequence that once cost money.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from agents.payments.intake import AHEAD_MAX, BEHIND_MAX, Incoming
from domain.ids import ORDER, PAYMENT, REFUND
from domain.outcome import Outcome
from domain.payment import SettlePayment
from domain.refund import SettleRefund
from runtime.clock import now
from store.actor import ActorStore, Batch, CommandRow, ConflictError
from tests.support.actor import Bench, work
from tests.support.command_client import capture_command, fresh, order_command, payment_command, refund_command

SUCCESS, FAILED = Outcome.SUCCESS, Outcome.FAILED
PAID = ["order.created", "payment.created", "payment.processing", "payment.success", "order.paid"]


def a_key() -> str:
    return "idk_" + secrets.token_hex(16)


def settle(order_id: str, payment_id: str, outcome: Outcome = SUCCESS) -> SettlePayment:
    code = None if outcome is SUCCESS else "UPI_DECLINED"
    return SettlePayment(order_id, payment_id, outcome, code, None, "bank_1", now() + timedelta(minutes=1))


def settlement(bench: Bench, order_id: str, payment_id: str, outcome: Outcome = SUCCESS) -> Incoming:
    return bench.submitted(settle(order_id, payment_id, outcome), f"stl_{payment_id}_{outcome}")


async def order_with_payment(bench: Bench, *, settled: Outcome | None = None) -> tuple[str, str]:
    """(order id, payment id) of a payment that was begun, and settled where an outcome is given."""
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    commands = [bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))]
    if settled is not None:
        commands.append(settlement(bench, order_id, payment_id, settled))
    await work(await bench.actor(), *commands)
    return order_id, payment_id


# A refusal has no effect, ever


async def test_a_payment_refused_twice_is_not_made_by_a_redelivery(bench: Bench) -> None:
    # Given a payment in flight, and a second one that was refused to two requests with one key,
    order_id, first = await order_with_payment(bench)
    key, actor = a_key(), await bench.actor()
    refused = [bench.submitted(payment_command(order_id, fresh(PAYMENT)), key, nonce=nonce) for nonce in ("n1", "n2")]
    for message in refused:
        await work(actor, message)
    # when the first payment fails, and the log gives the refused records to a new process once more,
    await work(actor, settlement(bench, order_id, first, FAILED))
    await work(await bench.actor(), *refused)
    # then nothing is made of them.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing", "payment.failed"]


async def test_a_refund_refused_twice_is_not_made_by_a_redelivery(bench: Bench) -> None:
    order_id, payment_id = await order_with_payment(bench)
    key, actor = a_key(), await bench.actor()
    command = refund_command(order_id, payment_id, fresh(REFUND), amount=1_000)
    refused = [bench.submitted(command, key, nonce=nonce) for nonce in ("n1", "n2")]
    for message in refused:
        await work(actor, message)
    await work(actor, settlement(bench, order_id, payment_id))
    await work(await bench.actor(), *refused)
    assert await bench.events(order_id) == PAID


async def test_a_refusal_is_recognised_although_the_key_was_used_for_another_order_since(bench: Bench) -> None:
    # Given one key, refused for a capture of one order and then for a capture of another,
    (one, pay_one), (other, pay_other) = [await order_with_payment(bench) for _ in range(2)]
    key, actor = a_key(), await bench.actor()
    first = bench.submitted(capture_command(one, pay_one), key, nonce="n1")
    second = bench.submitted(capture_command(other, pay_other), key, nonce="n2")
    await work(actor, first)
    await work(actor, second)
    # when both payments succeed and the records come again,
    await work(actor, settlement(bench, one, pay_one), settlement(bench, other, pay_other))
    await work(await bench.actor(), first, second)
    # then neither is captured.
    assert [await bench.events(order_id) for order_id in (one, other)] == [PAID, PAID]


async def test_a_request_after_a_refusal_is_decided_afresh_and_keeps_its_response(bench: Bench) -> None:
    order_id, payment_id = await order_with_payment(bench)
    key, actor, worker = a_key(), await bench.actor(), f"api-{secrets.token_hex(4)}"
    command = capture_command(order_id, payment_id)
    early, late, again = [
        bench.incoming(bench.command_client.record(command, key, nonce=nonce), reply_to=worker)
        for nonce in ("n1", "n2", "n3")
    ]
    flags = []
    for message in (early, settlement(bench, order_id, payment_id), late, again, early):
        flags += [str(reply.flag) for reply in (await work(actor, message)).replies.get(worker, [])]
    assert flags == ["R", "A", "D", "R"]
    assert await bench.events(order_id) == [*PAID, "payment.captured"]


@pytest.mark.parametrize(
    ("one", "other"),
    [(("n1", False), ("n2", False)), (("n1", True), ("n1", False)), (("", True), ("", False))],
    ids=["two acceptances", "both answers to one request", "both answers without a key"],
)
async def test_two_owners_cannot_decide_a_command_in_two_ways(
    bench: Bench, one: tuple[str, bool], other: tuple[str, bool]
) -> None:
    key = a_key()
    stores = [ActorStore(bench.command_client.settings) for _ in range(2)]
    rows = [
        CommandRow(key, fresh(ORDER), "order.create", nonce, None, rejected, "{}", 1, 0, 0, 0)
        for nonce, rejected in (one, other)
    ]
    try:
        await stores[0].write(Batch(commands=[rows[0]]))
        with pytest.raises(ConflictError):
            await stores[1].write(Batch(commands=[rows[1]]))
    finally:
        for store in stores:
            await store.stop()


async def test_an_owner_forgets_although_its_partitions_change_hands_in_the_middle_of_a_batch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an owner that is told to forget while it writes a payment, which another owner then settles,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    owner, write = await bench.actor(), ActorStore.write

    async def handed_over(store: ActorStore, batch: Batch) -> None:
        owner.forget()
        await write(store, batch)

    with monkeypatch.context() as patched:
        patched.setattr(ActorStore, "write", handed_over)
        await work(
            owner, bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
        )
    await work(await bench.actor(), settlement(bench, order_id, payment_id, FAILED))
    # when the first is asked for the next payment,
    await work(owner, bench.submitted(payment_command(order_id, fresh(PAYMENT))))
    # then it does not refuse it for the sake of a payment that is no longer in progress.
    assert (await bench.events(order_id))[-2:] == ["payment.created", "payment.processing"]


# The bank's word is never refused and remembered


async def test_a_settlement_beside_the_repeat_of_its_order_is_decided_on_the_order(bench: Bench) -> None:
    # Given an order made with a key, its payment, and an actor that has forgotten both but is not cautious,
    order_id, payment_id, key = fresh(ORDER), fresh(PAYMENT), a_key()
    made = bench.submitted(order_command(order_id), key, nonce="n1")
    await work(await bench.actor(), made, bench.submitted(payment_command(order_id, payment_id)))
    actor = await bench.actor()
    await work(actor, bench.submitted(order_command(fresh(ORDER))))
    # when the order's request is repeated in one batch with the bank's answer,
    await work(
        actor, bench.submitted(order_command(order_id), key, nonce="n2"), settlement(bench, order_id, payment_id)
    )
    # then the answer counts.
    assert await bench.events(order_id) == PAID


@pytest.mark.parametrize("amount", [50_000, 1], ids=["a second creation", "a creation that is refused"])
async def test_a_settlement_behind_a_creation_that_makes_nothing_is_decided_on_the_order(
    bench: Bench, amount: int
) -> None:
    order_id, payment_id = await order_with_payment(bench)
    actor = await bench.actor()
    await work(actor, bench.submitted(order_command(fresh(ORDER))))
    creation = bench.submitted(order_command(order_id, amount=amount))
    await work(actor, creation, settlement(bench, order_id, payment_id))
    assert await bench.events(order_id) == PAID


async def test_a_settlement_is_decided_on_the_database_where_the_cache_does_not_know_its_attempt(bench: Bench) -> None:
    # Given an owner whose cache holds the order without the payment that another owner made since,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    owner = await bench.actor()
    await work(owner, bench.submitted(order_command(order_id)))
    await work(await bench.actor(), bench.submitted(payment_command(order_id, payment_id)))
    # when the bank's answer comes to the first,
    await work(owner, settlement(bench, order_id, payment_id))
    # then it is decided on what the database has.
    assert await bench.events(order_id) == PAID


async def test_a_settlement_of_an_unknown_attempt_is_an_alarm_and_counts_once_the_attempt_is_there(
    bench: Bench,
) -> None:
    # Given the bank's word about attempts that nobody has heard of,
    order_id, payment_id, refund_id = fresh(ORDER), fresh(PAYMENT), fresh(REFUND)
    actor = await bench.actor()
    early = settlement(bench, order_id, payment_id)
    refunded = bench.submitted(
        SettleRefund(order_id, refund_id, SUCCESS, None, None, "bank_2"), f"stl_{refund_id}_success"
    )
    await work(actor, early, refunded)
    # then each is a dead letter of its own kind, and the inbox has no row of it;
    assert await bench.reasons(order_id) == ["unknown_attempt"] * 2
    assert not await bench.command_client.pool.fetchval("SELECT count(*) FROM commands WHERE order_id = $1", order_id)
    # and the same word, when the attempt is there, is decided.
    await work(actor, bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id)))
    await work(actor, early)
    assert await bench.events(order_id) == PAID


# Old records


async def test_the_same_records_decide_nothing_again_once_the_inbox_has_forgotten_them(bench: Bench) -> None:
    # Given a payment that was refunded in part, and one that failed,
    order_id, payment_id = await order_with_payment(bench, settled=SUCCESS)
    refund_id = fresh(REFUND)
    refund = bench.submitted(refund_command(order_id, payment_id, refund_id, amount=10_000))
    await work(await bench.actor(), refund)
    failed_order, failed = fresh(ORDER), fresh(PAYMENT)
    paying = bench.submitted(payment_command(failed_order, failed))
    creation = bench.submitted(order_command(failed_order))
    await work(await bench.actor(), creation, paying, settlement(bench, failed_order, failed, FAILED))
    before = [await bench.events(one) for one in (order_id, failed_order)]
    # when the inbox loses their rows and the log gives the records again,
    await bench.command_client.pool.execute("DELETE FROM commands WHERE order_id = ANY($1)", [order_id, failed_order])
    await work(await bench.actor(), refund, creation, paying)
    # then nothing happens twice.
    assert [await bench.events(one) for one in (order_id, failed_order)] == before
    assert (
        await bench.command_client.pool.fetchval("SELECT amount_refunded FROM payments WHERE id = $1", payment_id)
        == 10_000
    )


async def test_a_record_that_is_older_than_the_inbox_remembers_is_not_decided_at_all(bench: Bench) -> None:
    # Given a refund that was refused so long ago that its refusal is pruned, and could be carried out by now,
    order_id, payment_id = await order_with_payment(bench, settled=SUCCESS)
    days, worker = bench.command_client.settings.idempotency_retention_days, f"api-{secrets.token_hex(4)}"
    record = bench.command_client.record(
        refund_command(order_id, payment_id, fresh(REFUND), amount=1_000), a_key(), nonce="n1"
    )
    old, younger = now() - timedelta(days=days - 1, minutes=1), now() - timedelta(days=days - 1, minutes=-1)
    # when the log gives its record once more,
    actor = await bench.actor()
    prepared = await work(actor, bench.incoming(record, worker, logged_at=old))
    # then nothing is done; an operator finds it among the dead letters, and whoever still waits is not left waiting.
    assert await bench.events(order_id) == PAID
    assert await bench.reasons(order_id) == ["expired"]
    assert [(str(reply.flag), reply.nonce) for reply in prepared.replies[worker]] == [("R", "n1")]
    # One that the inbox would remember is decided: it never was.
    await work(actor, bench.incoming(record, worker, logged_at=younger))
    assert await bench.events(order_id) == [*PAID, "refund.created"]


async def test_an_old_record_that_is_still_in_the_inbox_is_published_and_not_a_dead_letter(bench: Bench) -> None:
    # Given a command that was committed just before everything stood still for days, its events never published,
    order_id, days = fresh(ORDER), bench.command_client.settings.idempotency_retention_days
    incoming = bench.submitted(order_command(order_id))
    died = await (await bench.actor()).prepare([incoming])
    await died.replying
    # when the log gives its record again, older than what is decided,
    old = now() - timedelta(days=days - 1, minutes=1)
    await work(await bench.actor(), replace(incoming, logged_at=old))
    # then its event is on the topic.
    assert len(await bench.event_records(order_id)) == 1
    assert await bench.letters(order_id) == []


async def test_an_acceptance_is_kept_as_long_as_the_last_request_that_used_it(bench: Bench) -> None:
    # Given a refund that was accepted days ago, and a request with the same key that was answered with it today,
    order_id, payment_id = await order_with_payment(bench, settled=SUCCESS)
    key, days = a_key(), bench.command_client.settings.idempotency_retention_days
    refunds = [refund_command(order_id, payment_id, fresh(REFUND), amount=1_000) for _ in range(2)]
    first, again = [bench.submitted(one, key, nonce=nonce) for one, nonce in zip(refunds, ("n1", "n2"), strict=True)]
    await work(await bench.actor(), first)
    await bench.age_inbox(key, days=days - 2)
    await work(await bench.actor(), again)
    # when the inbox is pruned at the age of the first, and the log gives the second once more,
    await bench.command_client.pool.execute("DELETE FROM commands WHERE decided_at < now() - interval '1 day'")
    await work(await bench.actor(), again)
    # then the money still went back once.
    assert await bench.events(order_id) == [*PAID, "refund.created"]


async def test_a_thousand_refusals_of_one_key_cost_a_batch_two_rows(bench: Bench) -> None:
    order_id, payment_id = await order_with_payment(bench)
    key, actor = a_key(), await bench.actor()
    requests = [
        bench.submitted(capture_command(order_id, payment_id), key, nonce=f"n{number}") for number in range(1_000)
    ]
    await work(actor, *requests[:500])
    await work(actor, *requests[500:])
    await work(actor, settlement(bench, order_id, payment_id))
    await work(actor, bench.submitted(capture_command(order_id, payment_id), key, nonce="last"))
    known = await bench.inbox([(key, "n7"), (key, "new")])
    assert list(known.refused) == [(key, "n7")]
    assert {name: found.nonce for name, found in known.accepted.items()} == {key: "last"}


# Clocks


@pytest.mark.parametrize("hours", [24, -24])
async def test_a_hosts_wrong_clock_moves_neither_event_times_nor_deadlines(bench: Bench, hours: int) -> None:
    # Given a host whose clock is a day wrong,
    wrong = timedelta(hours=hours)
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    order = bench.command_client.record(order_command(order_id), at=now() + wrong)
    command = payment_command(order_id, payment_id)
    payment = bench.command_client.record(replace(command, deadline_at=command.deadline_at + wrong), at=now() + wrong)
    # when its commands are decided, twice,
    messages = [bench.incoming(record) for record in (order, payment)]
    for _ in range(2):
        await work(await bench.actor(), *messages)
    # then events and deadline follow the log's clock, and both decisions made the same bytes.
    row = await bench.command_client.pool.fetchrow(
        "SELECT created_at, deadline_at FROM payments WHERE id = $1", payment_id
    )
    logged_at = messages[1].logged_at
    assert row is not None
    assert logged_at - BEHIND_MAX <= row["created_at"] <= logged_at + AHEAD_MAX
    assert abs(row["deadline_at"] - row["created_at"] - timedelta(seconds=5)) < timedelta(seconds=1)
    records = await bench.event_records(order_id)
    assert records[:3] == records[3:]
