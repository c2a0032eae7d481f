"""What the product relies on of its database, as scenarios. Each is run against PostgreSQL and against the simulation;
where they differ, PostgreSQL is right.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import asyncpg
import orjson
import pytest

from agents.payments.fold import Folded, Known, fold
from agents.payments.intake import Incoming, Received, received_of
from domain.decision import Command
from domain.delivery import DeliveryStatus, Due, HttpResponse, Prepared, Sent, log_id
from domain.ids import ORDER, PAYMENT, REFUND
from domain.order import Order
from domain.outcome import Outcome
from domain.payment import PaymentStatus, SettlePayment
from domain.question import Kind, Question
from domain.signature import Secrets
from store.actor import ActorStore, ConflictError, Inbox, UnwritableError
from store.attempts import AttemptStore
from store.commands import find_accepted, find_decided
from store.promises import Promise, PromisedIds, find_promise, make_promise, promised_ids
from store.questions import QuestionStore
from store.retention import prune_commands
from store.webhooks.attempt_batch import Made, Skipped, load_deliveries, record, release_after
from store.webhooks.plan import Draft, plan_deliveries, targets_of
from store.webhooks.upkeep import find_lost, release_held
from tests.support.command_client import fresh, order_command, payment_command, refund_command
from topics.codec import command_envelope
from topics.deadletter import Origin
from topics.envelope import encode

SECONDS = 5.0


class Side(Protocol):
    """A database that the scenarios run on."""

    pool: asyncpg.Pool

    def now(self) -> datetime: ...

    def store(self) -> ActorStore: ...

    async def age(self, command_id: str, days: int) -> None:
        """Make the inbox rows of this command so many days older."""
        ...

    async def endpoint(self, merchant_id: str, ordering: str) -> str:
        """A new endpoint of a merchant of its own; its id."""
        ...

    async def switch(self, endpoint_id: str, *, active: bool) -> None: ...


@dataclass(slots=True)
class Desk:
    """An actor's store, used as the actor does."""

    side: Side
    store: ActorStore

    def submitted(self, command: Command, command_id: str = "", nonce: str = "") -> Received:
        at = self.side.now()
        one = command_id or f"cmd_{secrets.token_hex(8)}"
        envelope = command_envelope(command, command_id=one, at=at, request_id="req_contract", nonce=nonce)
        return received_of(Incoming(envelope.key.encode(), encode(envelope), (), Origin("commands", 0, 0), at))

    async def known(self, *received: Received) -> Known:
        order_ids = sorted({one.envelope.key for one in received})
        inbox = await self.store.load_inbox([(one.envelope.id, one.envelope.nonce) for one in received])
        orders = await self.store.load_orders(order_ids)
        return Known(inbox, {one: orders.get(one) for one in order_ids}, frozenset(order_ids))

    async def decide(self, *received: Received) -> Folded:
        folded = fold(received, await self.known(*received))
        if folded.batch:
            await self.store.write(folded.batch)
        return folded

    async def order(self, order_id: str) -> Order | None:
        return (await self.store.load_orders([order_id])).get(order_id)

    async def inbox(self, *requests: tuple[str, str]) -> Inbox:
        return await self.store.load_inbox(requests)

    async def order_with_payment(self) -> tuple[str, str]:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await self.decide(
            self.submitted(order_command(order_id)), self.submitted(payment_command(order_id, payment_id))
        )
        return order_id, payment_id

    def settle(self, order_id: str, payment_id: str, outcome: Outcome = Outcome.SUCCESS) -> Received:
        at = self.side.now()
        command = SettlePayment(
            order_id=order_id,
            payment_id=payment_id,
            outcome=outcome,
            error_code=None,
            error_description=None,
            bank_reference="bank_1",
            late_deadline_at=at + timedelta(seconds=60),
        )
        return self.submitted(command, f"stl_{payment_id}_{outcome}")


def _desk(side: Side) -> Desk:
    return Desk(side, side.store())


# The actor's store


async def state_is_what_was_written_last(side: Side) -> None:
    desk = _desk(side)
    order_id, payment_id = await desk.order_with_payment()
    await desk.decide(desk.settle(order_id, payment_id))
    await desk.decide(desk.submitted(refund_command(order_id, payment_id, refund_id := fresh(REFUND), amount=20_000)))
    order = await desk.order(order_id)
    assert order is not None and (payment := order.payment(payment_id)) is not None
    assert (payment.status, payment.amount_refunded) == (PaymentStatus.SUCCESS, 20_000)
    assert (refund := order.refund(refund_id)) is not None and refund.amount == 20_000
    assert order.version == 6, "created, payment created, processing, success, order paid, refund created"
    assert await desk.order(fresh(ORDER)) is None


async def a_batch_is_written_wholly_or_not_at_all(side: Side) -> None:
    desk, order_id = _desk(side), fresh(ORDER)
    taken = desk.submitted(order_command(order_id))
    await desk.decide(taken)
    # Given another owner that knows nothing of it, with a new order in the same batch,
    other = desk.submitted(order_command(fresh(ORDER)))
    stale = fold([other, taken], Known(Inbox(), {}, frozenset()))
    # when it writes, then it conflicts, and nothing of the batch is there.
    with pytest.raises(ConflictError):
        await desk.store.write(stale.batch)
    assert await desk.order(other.envelope.key) is None
    assert not (await desk.inbox((other.envelope.id, ""))).accepted


async def a_text_with_a_nul_is_refused_and_nothing_of_its_batch_is_written(side: Side) -> None:
    desk = _desk(side)
    good = desk.submitted(order_command(fresh(ORDER)))
    bad = desk.submitted(replace(order_command(fresh(ORDER)), receipt="\0"))
    with pytest.raises(UnwritableError):
        await desk.decide(good, bad)
    assert await desk.order(good.envelope.key) is None
    await desk.decide(good)
    assert await desk.order(good.envelope.key) is not None


async def events_are_loaded_from_a_range_in_sequence(side: Side) -> None:
    desk = _desk(side)
    order_id, _ = await desk.order_with_payment()
    other = desk.submitted(order_command(fresh(ORDER)))
    await desk.decide(other)
    found = await desk.store.load_events({order_id: (1, 3), other.envelope.key: (0, 9), fresh(ORDER): (0, 1)})
    assert {one: [orjson.loads(payload)["type"] for payload in payloads] for one, payloads in found.items()} == {
        order_id: ["payment.created", "payment.processing"],
        other.envelope.key: ["order.created"],
    }


async def an_attempt_is_decided_once_it_has_its_outcome(side: Side) -> None:
    desk, attempts = _desk(side), AttemptStore(side.pool)

    async def is_decided(attempt_id: str) -> bool:
        state = await attempts.state_of_attempt(attempt_id)
        assert state is not None
        assert abs(state.age) < timedelta(minutes=5)
        return state.decided

    order_id, payment_id = await desk.order_with_payment()
    assert not await is_decided(payment_id)
    await desk.decide(desk.settle(order_id, payment_id))
    assert await is_decided(payment_id)
    refund = refund_command(order_id, payment_id, fresh(REFUND), amount=1_000)
    await desk.decide(desk.submitted(refund))
    assert not await is_decided(refund.refund_id)
    for unknown in (fresh(PAYMENT), fresh(REFUND)):
        assert await attempts.state_of_attempt(unknown) is None


async def two_owners_cannot_write_the_same_sequence(side: Side) -> None:
    desk = _desk(side)
    order_id, payment_id = await desk.order_with_payment()
    one, other = desk.settle(order_id, payment_id), desk.settle(order_id, payment_id, Outcome.FAILED)
    known = await desk.known(one)
    await desk.store.write(fold([one], known).batch)
    with pytest.raises(ConflictError):
        await desk.store.write(fold([other], known).batch)
    order = await desk.order(order_id)
    assert order is not None and (payment := order.payment(payment_id)) is not None
    assert payment.status is PaymentStatus.SUCCESS


async def a_request_has_a_refusal_of_its_own(side: Side) -> None:
    desk = _desk(side)
    order_id, _ = await desk.order_with_payment()
    key = f"idk_{secrets.token_hex(8)}"
    refused = [desk.submitted(payment_command(order_id, fresh(PAYMENT)), key, nonce) for nonce in ("n1", "n2")]
    for one in refused:
        await desk.decide(one)
    inbox = await desk.inbox((key, "n1"), (key, "n2"), (key, "n3"))
    assert sorted(inbox.refused) == [(key, "n1"), (key, "n2")] and not inbox.accepted
    # A second decision of the same request conflicts.
    with pytest.raises(ConflictError):
        await desk.store.write(
            fold([refused[0]], Known(Inbox(), (await desk.known(refused[0])).orders, frozenset())).batch
        )


async def a_command_has_one_acceptance(side: Side) -> None:
    desk, key, order_id = _desk(side), f"idk_{secrets.token_hex(8)}", fresh(ORDER)
    first = desk.submitted(order_command(order_id), key, "n1")
    await desk.decide(first)
    # Another request with the key, for another order, decided by somebody who does not know the first:
    second = desk.submitted(order_command(fresh(ORDER)), key, "n2")
    with pytest.raises(ConflictError):
        await desk.store.write(fold([second], Known(Inbox(), {}, frozenset())).batch)
    # Whoever asks with the key finds the acceptance, with its events.
    stored = (await desk.inbox((key, "n9"))).accepted[key]
    assert (stored.order_id, stored.nonce, len(stored.events)) == (order_id, "n1", 1)


async def the_api_finds_the_refusal_of_its_request_or_the_acceptance(side: Side) -> None:
    desk = _desk(side)
    order_id, payment_id = await desk.order_with_payment()
    key = f"idk_{secrets.token_hex(8)}"
    await desk.decide(desk.submitted(payment_command(order_id, fresh(PAYMENT)), key, "n1"))
    await desk.decide(desk.settle(order_id, payment_id, Outcome.FAILED))
    assert await find_accepted(side.pool, key, timeout=SECONDS) is None
    await desk.decide(desk.submitted(payment_command(order_id, fresh(PAYMENT)), key, "n2"))
    requests = [(key, "n1"), (key, "n2"), (key, "n3"), ("idk_nobody", "n1")]
    found = await find_decided(side.pool, requests, timeout=SECONDS)
    assert {request: one.rejected for request, one in found.items()} == {
        (key, "n1"): True,
        (key, "n2"): False,
        (key, "n3"): False,
    }
    accepted = await find_accepted(side.pool, key, timeout=SECONDS)
    assert accepted is not None and accepted.nonce == "n2"


async def an_acceptance_that_was_used_again_outlives_the_pruning(side: Side) -> None:
    desk = _desk(side)
    old, kept = f"idk_{secrets.token_hex(8)}", f"idk_{secrets.token_hex(8)}"
    for key in (old, kept):
        await desk.decide(desk.submitted(order_command(fresh(ORDER)), key, "n1"))
        await side.age(key, 20)
    repeated = fold([], Known(Inbox(), {}, frozenset()))
    repeated.batch.kept.add(kept)
    await desk.store.write(repeated.batch)
    assert await prune_commands(side.pool, days=15, oldest=None) >= 1
    assert set((await desk.inbox((old, "n1"), (kept, "n1"))).accepted) == {kept}
    # What the log still holds is kept, whatever the clock says.
    await side.age(kept, 20)
    oldest = side.now() - timedelta(days=25)
    assert await prune_commands(side.pool, days=15, oldest=oldest) == 0
    # One that is gone cannot be kept: then nothing is written.
    repeated.batch.kept.add(old)
    with pytest.raises(ConflictError):
        await desk.store.write(repeated.batch)


# Promises


async def one_request_with_a_key_has_an_open_promise(side: Side) -> None:
    desk = _desk(side)
    order_id, _ = await desk.order_with_payment()
    key = f"idk_{secrets.token_hex(8)}"

    def promise(nonce: str) -> Promise:
        return Promise(key, nonce, f"pay_{nonce}{key[-12:]}", order_id, "test_merchant", "{}", f'{{"vpa":"{nonce}"}}')

    assert await make_promise(side.pool, promise("n1"), timeout=SECONDS)
    assert await make_promise(side.pool, promise("n1"), timeout=SECONDS), "can be repeated"
    assert not await make_promise(side.pool, promise("n2"), timeout=SECONDS)
    await desk.decide(desk.submitted(payment_command(order_id, fresh(PAYMENT)), key, "n1"))
    assert await make_promise(side.pool, promise("n2"), timeout=SECONDS), "the first was refused"
    for nonce, found in (("n1", promise("n1").resource_id), ("n2", promise("n2").resource_id), ("n3", None)):
        fingerprint = promise(nonce).fingerprint
        assert fingerprint is not None
        ids = None if found is None else PromisedIds(found, order_id)
        assert await promised_ids(side.pool, key, fingerprint, timeout=SECONDS) == ids
    assert await find_promise(side.pool, promise("n1").resource_id, timeout=SECONDS) == promise("n1")
    assert await find_promise(side.pool, "pay_0000000000000000", timeout=SECONDS) is None


async def a_payment_that_is_promised_with_its_order_is_a_promise_of_both(side: Side) -> None:
    order_id, other_id, key = fresh(ORDER), fresh(ORDER), f"idk_{secrets.token_hex(8)}"
    both = Promise(key, "n1", fresh(PAYMENT), order_id, "test_merchant", "{}", "{}", '{"id":"the order"}')
    assert await make_promise(side.pool, both, timeout=SECONDS)
    assert await make_promise(
        side.pool, Promise(f"cmd_{key}", "", fresh(PAYMENT), other_id, "test_merchant", "{}", None), timeout=SECONDS
    )
    assert await find_promise(side.pool, both.resource_id, timeout=SECONDS) == both
    assert await find_promise(side.pool, order_id, timeout=SECONDS) == both
    assert await find_promise(side.pool, other_id, timeout=SECONDS) is None, "a payment of an order that exists"


# The sweeper's schedule


async def a_question_is_claimed_once_and_asked_again_later(side: Side) -> None:
    desk, store = _desk(side), QuestionStore(side.pool)
    order_id, payment_id = await desk.order_with_payment()
    question = Question(Kind.PAYMENT, _payment(await desk.order(order_id), payment_id), "upi")
    (claimed,) = await store.claim([question])
    assert (claimed.asked, claimed.answered) == (1, 0)
    assert await store.claim([question]) == [], "its next time has not come"
    await store.record([(claimed, True)])
    await desk.decide(desk.settle(order_id, payment_id))
    assert await store.forget_closed() >= 1
    (again,) = await store.claim([question])
    assert again.asked == 1, "it was forgotten"


def _payment(order: Order | None, payment_id: str) -> Any:
    assert order is not None
    return order.payment(payment_id)


# Deliveries


def _draft(side: Side, endpoint_id: str, merchant_id: str, payment_id: str, sequence: int) -> Draft:
    event_id = f"evt_{payment_id[-16:]}_{sequence}"
    return Draft(
        id=log_id(event_id, endpoint_id, side.now()),
        merchant_id=merchant_id,
        endpoint_id=endpoint_id,
        event_id=event_id,
        event="payment.success",
        order_id=fresh(ORDER),
        payment_id=payment_id,
        sequence=sequence,
        body=b"{}",
        request_id=None,
        ordered=True,
        active=True,
    )


def _made(side: Side, draft: Draft, status: DeliveryStatus, *, attempt: int = 1) -> Made:
    prepared = Prepared(
        due=Due(draft.id, draft.endpoint_id, draft.order_id, attempt),
        merchant_id=draft.merchant_id,
        event_id=draft.event_id,
        payment_id=draft.payment_id,
        url="http://127.0.0.1:9/",
        body=draft.body,
        secrets=Secrets(""),
        schedule_from=0,
        replay=False,
    )
    code = 200 if status is DeliveryStatus.SUCCESS else 500
    again = side.now() if status is DeliveryStatus.PENDING else None
    return Made(Sent(prepared, side.now(), 1, {}, HttpResponse(code, "", None), None), status, again)


async def _two(side: Side) -> tuple[str, Draft, Draft]:
    merchant_id = fresh("mrc_")
    endpoint_id, payment_id = await side.endpoint(merchant_id, "per_payment"), fresh(PAYMENT)
    first, second = (_draft(side, endpoint_id, merchant_id, payment_id, number) for number in (3, 4))
    return endpoint_id, first, second


async def a_later_delivery_is_held_until_the_earlier_has_ended(side: Side) -> None:
    _, first, second = await _two(side)
    assert [due.log_id for due in await plan_deliveries(side.pool, [first, second], side.now())] == [first.id]
    rows = await load_deliveries(side.pool, [first.id, second.id])
    assert [rows[one.id].status for one in (first, second)] == ["pending", "held"]
    failed = await record(side.pool, [_made(side, first, DeliveryStatus.PENDING)], [], side.now())
    assert (failed.counted, failed.released) == (1, ())
    ended = await record(side.pool, [_made(side, first, DeliveryStatus.SUCCESS, attempt=2)], [], side.now())
    assert [due.log_id for due in ended.released] == [second.id]


async def an_attempt_is_recorded_once_and_its_repeat_finds_what_it_released(side: Side) -> None:
    _, first, second = await _two(side)
    await plan_deliveries(side.pool, [first, second], side.now())
    made = _made(side, first, DeliveryStatus.SUCCESS)
    once = await record(side.pool, [made], [], side.now())
    twice = await record(side.pool, [made], [], side.now())
    assert (once.counted, twice.counted) == (1, 0)
    assert [due.log_id for due in once.released] == [due.log_id for due in twice.released] == [second.id]
    loaded = await load_deliveries(side.pool, [first.id])
    assert [due.log_id for due in await release_after(side.pool, list(loaded.values()), side.now())] == [second.id]


async def an_event_that_is_planned_again_makes_no_second_row(side: Side) -> None:
    _, first, second = await _two(side)
    await plan_deliveries(side.pool, [first, second], side.now())
    again = await plan_deliveries(side.pool, [first, second], side.now())
    assert [due.log_id for due in again] == [first.id], "its record may never have been written"
    await record(side.pool, [_made(side, first, DeliveryStatus.PENDING)], [], side.now())
    assert await plan_deliveries(side.pool, [first, second], side.now()) == []


async def what_an_endpoint_that_is_off_misses_is_held_and_released_later(side: Side) -> None:
    endpoint_id, first, _ = await _two(side)
    await plan_deliveries(side.pool, [first], side.now())
    skipped = Skipped(first.id, first.payment_id, endpoint_id, DeliveryStatus.HELD)
    await side.switch(endpoint_id, active=False)
    await record(side.pool, [], [skipped], side.now())
    assert first.id not in {due.log_id for due in await release_held(side.pool, side.now(), limit=1_000)}
    await side.switch(endpoint_id, active=True)
    assert first.id in {due.log_id for due in await release_held(side.pool, side.now(), limit=1_000)}


async def a_lost_delivery_is_found_and_not_again_at_once(side: Side) -> None:
    _, first, _ = await _two(side)
    await plan_deliveries(side.pool, [first], side.now())

    async def found(later: timedelta) -> bool:
        at = side.now() + later
        lost = await find_lost(side.pool, at, overdue_since=at - timedelta(seconds=30), limit=1_000)
        return first.id in {due.log_id for due in lost}

    assert not await found(timedelta(0))
    assert await found(timedelta(seconds=60))
    assert not await found(timedelta(seconds=61))
    assert await found(timedelta(seconds=120))


async def a_merchants_endpoints_are_found(side: Side) -> None:
    merchant_id = fresh("mrc_")
    ids = [await side.endpoint(merchant_id, ordering) for ordering in ("per_payment", "none")]
    targets = await targets_of(side.pool, [merchant_id, fresh("mrc_")])
    assert {one.id: one.ordering for one in targets[merchant_id]} == dict(
        zip(ids, ("per_payment", "none"), strict=True)
    )


async def two_writers_at_once_both_take_effect(side: Side) -> None:
    """Planning the next delivery beside the end of the one before: whoever comes second sees the first."""
    _, first, second = await _two(side)
    await plan_deliveries(side.pool, [first], side.now())
    recorded, planned = await asyncio.gather(
        record(side.pool, [_made(side, first, DeliveryStatus.SUCCESS)], [], side.now()),
        plan_deliveries(side.pool, [second], side.now()),
    )
    assert [due.log_id for due in (*recorded.released, *planned)] == [second.id]


Scenario = Callable[[Side], Awaitable[None]]
SCENARIOS: tuple[Scenario, ...] = (
    state_is_what_was_written_last,
    a_batch_is_written_wholly_or_not_at_all,
    a_text_with_a_nul_is_refused_and_nothing_of_its_batch_is_written,
    events_are_loaded_from_a_range_in_sequence,
    an_attempt_is_decided_once_it_has_its_outcome,
    two_owners_cannot_write_the_same_sequence,
    a_request_has_a_refusal_of_its_own,
    a_command_has_one_acceptance,
    the_api_finds_the_refusal_of_its_request_or_the_acceptance,
    an_acceptance_that_was_used_again_outlives_the_pruning,
    one_request_with_a_key_has_an_open_promise,
    a_payment_that_is_promised_with_its_order_is_a_promise_of_both,
    a_question_is_claimed_once_and_asked_again_later,
    a_later_delivery_is_held_until_the_earlier_has_ended,
    an_attempt_is_recorded_once_and_its_repeat_finds_what_it_released,
    an_event_that_is_planned_again_makes_no_second_row,
    what_an_endpoint_that_is_off_misses_is_held_and_released_later,
    a_lost_delivery_is_found_and_not_again_at_once,
    a_merchants_endpoints_are_found,
    two_writers_at_once_both_take_effect,
)
