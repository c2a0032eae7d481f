"""Poison records of each kind on every topic of a whole gateway; a payment and its webhook still come through."""

from __future__ import annotations

import json

from tests.support.command import gateway
from tests.support.damaged import producing, write_badly_named
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.shop import open_shop
from tests.support.stack import Stack
from topics.admin import catalogue_of
from topics.catalogue import ERASURES, PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.producer import Headers, LogProducer, Record

POISON: list[tuple[bytes | None, bytes | None, Headers]] = [
    (b"k", b'{"id": 1}', [("type", None), ("due_at", None), ("reply_to", None)]),
    (b"k", b"{}", [("reply_to", b"\xff\xfe"), ("due_at", b"\xff\xfe"), ("type", b"payment.success")]),
    (b"k", b"\xff" * 900_000, [("type", b"payment.processing")]),
    (b"k", b'{"a":' * 900 + b"1" + b"}" * 900, [("due_at", b"9" * 15)]),
    (None, None, []),
    (b"", b"", [("type", b"refund.created")]),
]


async def test_a_payment_and_its_webhook_come_through_poison_on_every_topic(webhook_stack: Stack) -> None:
    # Given poison in every partition of every topic,
    producer = LogProducer(webhook_stack.settings)
    await producer.start()
    for topic in catalogue_of(webhook_stack.settings).values():
        partitions = topic.partitions or webhook_stack.settings.topic_partitions
        for partition in range(partitions):
            kinds = POISON if partition == 0 else [*POISON[:2], *POISON[3:]]
            await producer.publish([Record(topic.name, partition, *parts) for parts in kinds], timeout=60)
    await producer.stop()
    async with producing(webhook_stack.kafka_bootstrap_servers) as raw:
        for topic in catalogue_of(webhook_stack.settings).values():
            for partition in range(topic.partitions or webhook_stack.settings.topic_partitions):
                await write_badly_named(raw, topic.name, partition, b"{}", b'{"id": 2}')
    before = {name: child["restarts"] for name, child in webhook_stack.processes().items()}
    # When a payer pays, and the merchant's server answers badly at first,
    async with receiver() as merchant, open_shop(webhook_stack.settings) as shop:
        merchant.responses["/hook"] = [500, 200]
        await shop.endpoint(merchant.url(), events=["payment.success"])
        await shop.pay()
        # Then the webhook comes, also through its retry tier,
        await eventually(lambda: len(merchant.at("/hook")) >= 2, timeout=90, what="the webhook's second attempt")
    # no worker died over it,
    assert {name: child["restarts"] for name, child in webhook_stack.processes().items()} == before
    # and what cannot be read is in the dead letters, which can all be listed.
    listed = await gateway(webhook_stack, "dlq", "ls", "--json", "--limit", "1000")
    letters = json.loads(listed.out)["letters"]
    topics = {letter["origin"]["topic"] for letter in letters}
    assert topics >= set(catalogue_of(webhook_stack.settings)) - {PAYMENTS_DLQ, WEBHOOKS_DLQ, ERASURES}, topics
    # No role reads the erasures; the command that does passes over what is none.
    again = await gateway(webhook_stack, "erase", "--again", "--json")
    assert (again.code, json.loads(again.out)["missing"]) == (0, []), again.err
