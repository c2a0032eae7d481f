"""The payment actor on the real database, Redis and broker: crashes, redeliveries, poison, and a second owner.

The actor's loop is driven by hand, so that it can be cut off at exactly the wrong moment.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

import agents.payments.actor
from agents.payments.actor import OtherOwnerError
from agents.payments.fold import Folded, fold
from agents.payments.intake import Incoming, Received
from domain.ids import ORDER, PAYMENT, SEEDED_MERCHANT_ID
from runtime.clock import now
from store.actor import ActorStore, Batch, CommandRow, ConflictError, UnwritableError
from store.redis.clients import make_subscriber
from store.redis.replies import Flag, merchant_channel, payment_channel, subscribe_replies
from tests.support.actor import OFFSETS, Bench, work
from tests.support.command_client import both_command, fresh, order_command, payment_command
from tests.support.eventually import eventually
from topics.catalogue import COMMANDS, PAYMENTS_DLQ, SMALL_PARTITIONS
from topics.deadletter import Origin
from topics.producer import Headers


async def test_a_crash_between_commit_and_publish_loses_and_repeats_nothing(bench: Bench) -> None:
    # Given a batch that was committed, and a process that died before publishing it,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    batch = [bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))]
    died = await (await bench.actor()).prepare(batch)
    await died.replying
    assert await bench.event_records(order_id) == []
    # When the log gives the same records to a new process,
    await work(await bench.actor(), *batch)
    # Then the events are on the topic, once each, with the bytes of the table; and nothing was decided twice.
    expected = ["order.created", "payment.created", "payment.processing"]
    assert await bench.events(order_id) == expected
    rows = await bench.command_client.pool.fetch(
        "SELECT payload FROM events WHERE order_id = $1 ORDER BY sequence", order_id
    )
    assert await bench.event_records(order_id) == [row["payload"].encode() for row in rows]


async def test_a_crash_between_publish_and_ack_repeats_the_same_bytes(bench: Bench) -> None:
    order_id = fresh(ORDER)
    batch = [bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, fresh(PAYMENT)))]
    await work(await bench.actor(), *batch)
    await work(await bench.actor(), *batch)
    records = await bench.event_records(order_id)
    assert records[:3] == records[3:]
    assert len(records) == 6
    assert len(await bench.events(order_id)) == 3


BOTH = ["order.created", "payment.created", "payment.processing"]


@pytest.mark.parametrize("published", [False, True], ids=["after the commit", "after the publish"])
async def test_an_order_and_its_payment_are_one_decision_wherever_a_crash_comes(bench: Bench, published: bool) -> None:
    # Given a process that died over a command for both,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    both = bench.submitted(both_command(order_id, payment_id), nonce="n1")
    actor = await bench.actor()
    died = await actor.prepare([both])
    await died.replying
    if published:
        await actor.finish(died)
    # when the log gives it to another process,
    await work(await bench.actor(), both)
    # then there are three events of one transaction, under one row of the inbox, on the topic as they were written.
    rows = await bench.command_client.pool.fetch(
        "SELECT type, payload, xmin::text AS written FROM events WHERE order_id = $1 ORDER BY sequence", order_id
    )
    assert ([row["type"] for row in rows], len({row["written"] for row in rows})) == (BOTH, 1)
    assert await bench.event_records(order_id) == [row["payload"].encode() for row in rows] * (1 + published)
    commands = await bench.command_client.pool.fetch("SELECT * FROM commands WHERE order_id = $1", order_id)
    assert [(row["type"], row["event_count"]) for row in commands] == [("payment.create_with_order", 3)]
    assert orjson.loads(commands[0]["reply"])["id"] == payment_id
    states = "SELECT (SELECT status FROM orders WHERE id = $1), (SELECT status FROM payments WHERE order_id = $1)"
    assert tuple(await bench.command_client.pool.fetchrow(states, order_id)) == ("CREATED", "PROCESSING")


@pytest.mark.parametrize("cautious", [False, True])
async def test_an_order_whose_payment_is_refused_does_not_exist_and_its_redelivery_is_refused(
    bench: Bench, cautious: bool
) -> None:
    actor, order_id, payment_id = await bench.actor(), fresh(ORDER), fresh(PAYMENT)
    key, other_key = f"idk_{secrets.token_hex(8)}", f"idk_{secrets.token_hex(8)}"
    if not cautious:
        await work(actor, bench.submitted(order_command(fresh(ORDER))))
    requested = both_command(order_id, payment_id)
    refused = bench.submitted(replace(requested, payment=replace(requested.payment, amount=1)), key, nonce=order_id)
    await work(actor, refused)
    # The same key and order for a request that may be accepted: a refusal is final for its own request only.
    accepted = bench.submitted(requested, key, nonce=payment_id)
    await work(actor, accepted)
    await work(await bench.actor(), refused, accepted)
    rows = await bench.command_client.pool.fetch(
        "SELECT * FROM commands WHERE order_id = $1 ORDER BY rejected", order_id
    )
    assert [(row["rejected"], row["event_count"]) for row in rows] == [(False, 3), (True, 0)]
    assert await bench.events(order_id) == BOTH
    # Nor is an order that exists ever paid by a command that was to create it.
    await work(actor, bench.submitted(both_command(order_id, fresh(PAYMENT)), other_key, nonce=order_id))
    assert await bench.events(order_id) == BOTH
    assert (await bench.command_client.decision(other_key))["reply"]["description"] == "Order already exists"


async def test_two_requests_with_one_key_for_different_orders_make_one_order(bench: Bench) -> None:
    """Their commands have different partitions, so two actors may decide them at once."""
    first, second = await bench.actor(), await bench.actor()
    ids, key = (fresh(ORDER), fresh(ORDER)), f"idk_{secrets.token_hex(8)}"
    requested = [
        bench.submitted(both_command(order_id, fresh(PAYMENT)), key, nonce=nonce)
        for order_id, nonce in zip(ids, ("n1", "n2"), strict=True)
    ]
    await asyncio.gather(work(first, requested[0]), work(second, requested[1]))
    made = [await bench.events(order_id) for order_id in ids]
    assert sorted(made) == [[], BOTH]


async def test_a_redelivery_in_the_middle_of_new_work_changes_nothing(bench: Bench) -> None:
    # Given an actor that is not cautious any more,
    actor = await bench.actor()
    order_id = fresh(ORDER)
    first = bench.submitted(order_command(order_id))
    await work(actor, first)
    await work(actor, bench.submitted(order_command(fresh(ORDER))))
    # When an old record comes again beside a new one,
    await work(actor, first, bench.submitted(payment_command(order_id, fresh(PAYMENT))))
    # Then only the new one does something.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing"]


async def test_a_record_that_cannot_be_decoded_is_set_aside_and_the_rest_continues(bench: Bench) -> None:
    order_id = fresh(ORDER)
    bad = [
        bench.incoming(bench.command_client.raw_record(order_id.encode(), value))
        for value in (b"", b"\xff\x00", b"{}", b'{"id":"x","type":"order.create"}')
    ]
    await work(await bench.actor(), bad[0], bad[1], bench.submitted(order_command(order_id)), bad[2], bad[3])
    assert await bench.events(order_id) == ["order.created"]
    dead = [orjson.loads(value) for value in await bench.on_topic(PAYMENTS_DLQ, order_id, SMALL_PARTITIONS)]
    assert [one["body"]["reason"] for one in dead] == ["undecodable"] * 4
    assert {one["body"]["origin"]["offset"] for one in dead} == {one.origin.offset for one in bad}
    assert all("Traceback" in one["body"]["trace"] for one in dead)


UNDECODABLE: dict[str, dict[str, object]] = {
    "a body of another shape": {"body": {}},
    "a type that this version does not know": {"type": "order.archive"},
    "a version that no release will have": {"v": 1_001},
    "a time that is none": {"at": "yesterday"},
}


@pytest.mark.parametrize("fields", UNDECODABLE.values(), ids=UNDECODABLE)
async def test_the_caller_of_a_command_that_cannot_be_decoded_gets_a_reply_at_once(
    bench: Bench, fields: dict[str, object]
) -> None:
    worker, command_id = f"api-{secrets.token_hex(4)}", f"idk_{secrets.token_hex(8)}"
    record = bench.command_client.record(order_command(fresh(ORDER)), command_id, nonce="n1")
    value = orjson.dumps({**orjson.loads(record.value or b""), **fields})
    undecodable = replace(record, value=value)
    # Given an API worker that waits for the answer, when the actor cannot decode the command,
    replies = subscribe_replies(bench.redis, worker, on_state=(listening := Connected()))
    received = asyncio.ensure_future(anext(replies))
    await eventually(lambda: listening.connected, what="the subscription")
    await work(await bench.actor(), bench.incoming(undecodable, reply_to=worker))
    # then the worker hears an error for exactly this request.
    async with asyncio.timeout(20):
        (reply,) = await received
    await replies.aclose()  # type: ignore[attr-defined]  # an async generator
    assert (reply.command_id, reply.nonce, reply.flag) == (command_id, "n1", Flag.REJECTED)
    assert orjson.loads(reply.body)["code"] == "INTERNAL_SERVER_ERROR"
    assert "could not be read" in orjson.loads(reply.body)["description"]


class Connected:
    """Whether a subscription stands."""

    def __init__(self) -> None:
        self.connected = False

    def __call__(self, connected: bool) -> None:
        self.connected = connected


async def test_a_command_that_cannot_be_written_is_isolated_and_its_caller_gets_a_reply(bench: Bench) -> None:
    # Given a command whose text PostgreSQL cannot hold, between two good ones,
    order_id, poisoned, worker = fresh(ORDER), fresh(ORDER), f"api-{secrets.token_hex(4)}"
    await work(await bench.actor(), bench.submitted(order_command(poisoned)))
    command = payment_command(poisoned, fresh(PAYMENT), vpa="nul\x00@upi")
    poison = bench.incoming(bench.command_client.record(command, "cmd_poison_" + secrets.token_hex(4)), reply_to=worker)
    # When the batch is worked off,
    actor = await bench.actor()
    prepared = await work(
        actor,
        bench.submitted(order_command(order_id)),
        poison,
        bench.submitted(payment_command(order_id, fresh(PAYMENT))),
    )
    # Then the good ones are decided, the bad one is in the DLQ, and its caller has an error, not silence.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing"]
    assert await bench.events(poisoned) == ["order.created"]
    (dead,) = await bench.on_topic(PAYMENTS_DLQ, poisoned, SMALL_PARTITIONS)
    assert orjson.loads(dead)["body"]["origin"]["offset"] == poison.origin.offset
    assert [reply.body for reply in prepared.replies[worker]] and "INTERNAL" in prepared.replies[worker][0].body


HOSTILE: dict[str, tuple[dict[str, object], Headers]] = {
    "a null header": ({}, [("reply_to", None)]),
    "a header that is not UTF-8": ({}, [("reply_to", b"\xff\xfe")]),
    "a fingerprint that is a list": ({"fingerprint": ["amount"], "nonce": "n"}, []),
    "an id of 8,000 characters": ({"id": secrets.token_hex(4_000)}, []),
    "a request id of 8,000 characters": ({"request_id": secrets.token_hex(4_000)}, []),
    "a NUL in the id": ({"id": "cmd_\0"}, []),
    "900 KB that are not UTF-8": ({}, []),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_record_is_a_dead_letter_and_the_commands_beside_it_are_decided(
    bench: Bench, kind: str
) -> None:
    # Given a command as a stranger may write it, between two good ones,
    order_id, hostile_id = fresh(ORDER), fresh(ORDER)
    fields, headers = HOSTILE[kind]
    record = bench.command_client.record(order_command(hostile_id))
    value = orjson.dumps({**orjson.loads(record.value or b""), **fields})
    if "900 KB" in kind:
        value = b"\xff" * 900_000
    hostile = Incoming(record.key, value, headers, Origin(COMMANDS, record.partition, next(OFFSETS)), now())
    batch = [
        bench.submitted(order_command(order_id)),
        hostile,
        bench.submitted(payment_command(order_id, fresh(PAYMENT))),
    ]
    # When the actor, careful or not, works on them,
    actor = await bench.actor()
    await work(actor, *batch)
    await work(actor, *batch)
    # Then the good ones are decided, and the hostile one is a letter.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing"]
    assert await bench.events(hostile_id) == []
    dead, *_ = await bench.on_topic(PAYMENTS_DLQ, hostile_id, SMALL_PARTITIONS)
    assert orjson.loads(dead)["body"]["reason"] == "undecodable"


async def test_a_value_too_large_for_an_index_is_the_commands_fault_not_the_databases(bench: Bench) -> None:
    store = ActorStore(bench.command_client.settings)
    row = CommandRow(secrets.token_hex(4_000), fresh(ORDER), "order.create", "", None, False, "", 1, 0, 0, 0)
    try:
        with pytest.raises(UnwritableError, match="index row"):
            await store.write(Batch(commands=[row]))
    finally:
        await store.stop()


async def test_a_command_that_breaks_the_decision_unexpectedly_is_isolated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a defect that one command meets,
    order_id, poisoned = fresh(ORDER), fresh(ORDER)

    def broken_for_one(requested: Sequence[Received], *known: Any) -> Folded:
        if any(one.envelope.key == poisoned for one in requested):
            raise RecursionError("a defect")
        return fold(requested, *known)

    monkeypatch.setattr(agents.payments.actor, "fold", broken_for_one)
    # When it stands between others,
    await work(
        await bench.actor(),
        bench.submitted(order_command(order_id)),
        bench.submitted(order_command(poisoned)),
        bench.submitted(payment_command(order_id, fresh(PAYMENT))),
    )
    # Then the others are decided, and it is a letter.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing"]
    (dead,) = await bench.on_topic(PAYMENTS_DLQ, poisoned, SMALL_PARTITIONS)
    assert "a defect" in orjson.loads(dead)["body"]["error"]


async def test_a_second_owner_with_an_old_cache_is_corrected_by_the_database(bench: Bench) -> None:
    # Given two actors that both hold the order as new (a zombie and its successor),
    zombie, successor = await bench.actor(), await bench.actor()
    order_id = fresh(ORDER)
    await work(zombie, bench.submitted(order_command(order_id)))
    await work(successor, bench.submitted(payment_command(order_id, fresh(PAYMENT))))
    # When the zombie decides on its old state,
    second = bench.submitted(payment_command(order_id, fresh(PAYMENT)), "cmd_" + secrets.token_hex(8))
    await work(zombie, second)
    # Then it had to read again: one payment, the other refused.
    assert await bench.events(order_id) == ["order.created", "payment.created", "payment.processing"]
    refused = await bench.command_client.pool.fetchval(
        "SELECT count(*) FROM commands WHERE order_id = $1 AND rejected", order_id
    )
    assert refused == 1


async def test_an_owner_who_never_agrees_with_the_database_gives_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = await bench.actor()

    async def always_taken(_store: ActorStore, _batch: object) -> None:
        raise ConflictError("somebody else writes")

    monkeypatch.setattr(ActorStore, "write", always_taken)
    with pytest.raises(OtherOwnerError):
        await actor.prepare([bench.submitted(order_command(fresh(ORDER)))])


async def test_the_same_key_in_a_new_request_gets_its_reply_from_the_inbox(bench: Bench) -> None:
    order_id, worker = fresh(ORDER), f"api-{secrets.token_hex(4)}"
    key = "idk_" + secrets.token_hex(16)
    actor = await bench.actor()
    first = bench.incoming(bench.command_client.record(order_command(order_id), key, nonce="one"), reply_to=worker)
    again = bench.incoming(bench.command_client.record(order_command(order_id), key, nonce="two"), reply_to=worker)
    replies = [(await work(actor, message)).replies[worker][0] for message in (first, again)]
    assert replies[0].body == replies[1].body
    assert replies[0].flag != replies[1].flag
    assert await bench.events(order_id) == ["order.created"]


async def test_who_watches_is_woken_once_what_happened_can_be_read(bench: Bench) -> None:
    # Given somebody who watches a payment, and somebody who watches its merchant,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    channels = [payment_channel(payment_id), merchant_channel(SEEDED_MERCHANT_ID)]
    subscriber = make_subscriber(bench.command_client.settings)
    async with subscriber.pubsub() as received:
        await received.subscribe(*channels)
        actor = await bench.actor()
        # when an order is made and paid,
        await work(
            actor, bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
        )
        # then each hears one word of it, and nothing of the order alone.
        shown = {}
        async with asyncio.timeout(5):
            while len(shown) < len(channels):
                message = await received.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is not None:
                    shown[message["channel"].decode()] = message["data"]
        assert shown == dict.fromkeys(channels, b"payment.processing")
        assert await received.get_message(ignore_subscribe_messages=True, timeout=0.2) is None
    assert "payment.processing" in await bench.events(order_id)
    await subscriber.aclose()
