"""Words of the bank that somebody with access to the broker wrote: dead letters, never money or a stopped partition."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from agents.payments.intake import Incoming
from domain.action import ActionType, NextAction
from domain.decision import BankWord
from domain.ids import ORDER, PAYMENT, REFUND
from domain.outcome import Outcome
from domain.payment import RequireAction, SettlePayment
from domain.refund import SettleRefund
from ops.dead_letters.letters import Selection, letters
from ops.dead_letters.replayer import Replayer, Sent
from runtime.clock import now
from runtime.keyring import GatewayKey, KeyRing
from store.operations.dead_letters import begin_replay
from tests.support.actor import Bench, work
from tests.support.command_client import fresh, order_command, payment_command, refund_command
from topics.catalogue import COMMANDS, EVENTS
from topics.envelope import decode
from topics.producer import Record
from topics.proof import HEADER_SIGNATURE, Proofs, SignatureRule, signed
from topics.reader import Start, log_reader
from topics.records import LogRecord

FORGER = KeyRing((GatewayKey("forger", SecretStr("the forger's own key")),))
BEGUN = ["order.created", "payment.created", "payment.processing"]
PAID = [*BEGUN, "payment.success", "order.paid"]


def settle(order_id: str, payment_id: str, outcome: Outcome = Outcome.SUCCESS, *, turn: int = 0) -> SettlePayment:
    code = None if outcome is Outcome.SUCCESS else "UPI_DECLINED"
    return SettlePayment(order_id, payment_id, outcome, code, None, "bank_1", now() + timedelta(minutes=1), turn)


def genuine(bench: Bench, word: BankWord, command_id: str) -> Record:
    """As processor, sweeper and door write it."""
    return bench.command_client.record(word, command_id)


def unsigned(record: Record) -> Record:
    return replace(record, headers=[header for header in record.headers if header[0] != HEADER_SIGNATURE])


async def begun(bench: Bench) -> tuple[str, str]:
    """(order id, payment id) of a payment that waits for the bank."""
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    actor = await bench.actor()
    await work(actor, bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id)))
    return order_id, payment_id


def forgeries(bench: Bench, record: Record) -> list[Incoming]:
    """Unsigned, signed with a key of the forger's, with the signature of another word, and with an altered value."""
    other = genuine(bench, settle(fresh(ORDER), fresh(PAYMENT)), "stl_other")
    (stolen,) = [header for header in other.headers if header[0] == HEADER_SIGNATURE]
    assert record.value is not None
    forged = (
        unsigned(record),
        signed(unsigned(record), FORGER),
        replace(record, headers=[*unsigned(record).headers, stolen]),
        replace(record, value=record.value.replace(b'"failed"', b'"success"')),
    )
    return [bench.incoming(one) for one in forged]


async def test_a_forged_settlement_is_a_dead_letter_and_the_genuine_one_counts(bench: Bench) -> None:
    # Given a payment that the bank will refuse,
    order_id, payment_id = await begun(bench)
    refused = genuine(bench, settle(order_id, payment_id, Outcome.FAILED), f"stl_{payment_id}_failed")
    forged = forgeries(bench, refused)
    # when somebody writes that it has succeeded, in every way, around another order's command,
    actor, elsewhere = await bench.actor(), fresh(ORDER)
    await work(actor, *forged[:2], bench.submitted(order_command(elsewhere)), *forged[2:])
    # then nothing has moved, each is a dead letter, and the partition went on;
    assert await bench.events(order_id) == BEGUN
    assert await bench.reasons(order_id) == ["forged"] * len(forged)
    assert await bench.events(elsewhere) == ["order.created"]
    # and the bank's own word is decided under the very id that the forgeries bore.
    await work(actor, bench.incoming(refused))
    assert await bench.events(order_id) == [*BEGUN, "payment.failed"]


@pytest.mark.parametrize("forged", [True, False], ids=["forged", "early"])
@pytest.mark.parametrize("batches", [(4,), (2, 2), (3, 1), (1, 1, 1, 1)], ids=str)
async def test_a_settlement_that_stands_before_its_payment_brings_no_event_forward(
    bench: Bench, forged: bool, batches: tuple[int, ...]
) -> None:
    """Found by the simulation: an actor died between commit and publish, and a forgery stood before the step."""
    # Given a forged, or an early, settlement before its payment, and the genuine one behind it, all decided,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    create, pay = bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
    record = genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")
    first = bench.incoming(signed(unsigned(record), FORGER) if forged else record)
    written = [create, first, pay, bench.incoming(record)]
    await (await bench.actor()).prepare(written)
    # when the next actor reads all of them again, in whatever batches,
    actor, published = await bench.actor(), []
    for size in batches:
        prepared = await work(actor, *written[:size])
        written = written[size:]
        records = [one for one in prepared.records if one.topic == EVENTS and one.value is not None]
        published += [decode(one.value).id.rpartition("_")[2] for one in records]
    # then each event is first published behind those before it.
    assert list(dict.fromkeys(published)) == ["1", "2", "3", "4", "5"]


async def test_an_early_settlement_that_is_decided_when_it_is_read_again_overtakes_no_event(bench: Bench) -> None:
    # Given a settlement before its payment, of which the first is refused and nothing of the second is published,
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    create, pay = bench.submitted(order_command(order_id)), bench.submitted(payment_command(order_id, payment_id))
    early = bench.incoming(genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success"))
    await (await bench.actor()).prepare([create, early, pay])
    # when the next actor begins with the settlement, which it can decide by now,
    prepared = await work(await bench.actor(), early)
    # then the payment's events come first.
    records = [one for one in prepared.records if one.topic == EVENTS and one.value is not None]
    assert [decode(one.value).id.rpartition("_")[2] for one in records] == ["1", "2", "3", "4", "5"]


async def test_a_later_record_of_a_decided_command_brings_no_earlier_event_along(bench: Bench) -> None:
    """Events published again lead to questions to the bank, whose answers are such records: it would never end."""
    order_id, payment_id = await begun(bench)
    record = genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")
    await work(await bench.actor(), bench.incoming(record))
    prepared = await work(await bench.actor(), bench.incoming(record), bench.incoming(signed(unsigned(record), FORGER)))
    published = [decode(one.value).type for one in prepared.records if one.value is not None]
    assert published == ["payment.success", "order.paid"] * 2
    assert await bench.events(order_id) == PAID


async def test_a_forged_refund_step_or_turn_changes_nothing(bench: Bench) -> None:
    order_id, payment_id = await begun(bench)
    actor, refund_id = await bench.actor(), fresh(REFUND)
    paid = genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")
    await work(actor, bench.incoming(paid))
    await work(actor, bench.submitted(refund_command(order_id, payment_id, refund_id, amount=10_000)))
    before = await bench.events(order_id)
    words: tuple[BankWord, ...] = (
        SettleRefund(order_id, refund_id, Outcome.SUCCESS, None, None, "bank_2", 0),
        settle(order_id, payment_id, Outcome.FAILED, turn=9),
        RequireAction(order_id, payment_id, NextAction(ActionType.REDIRECT, "https://phish.example/", now())),
    )
    for number, word in enumerate(words):
        await work(actor, bench.incoming(unsigned(genuine(bench, word, f"cmd_{number}_{payment_id}"))))
    assert await bench.events(order_id) == before
    assert await bench.reasons(order_id) == ["forged"] * len(words)


async def test_a_settlement_that_was_decided_unsigned_is_found_decided_when_it_is_read_again(bench: Bench) -> None:
    """Records of the release before that an actor of this one reads again after it has lost its offsets."""
    # Given a settlement that was decided while unsigned ones were accepted,
    order_id, payment_id = await begun(bench)
    old = bench.incoming(unsigned(genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")))
    await work(await bench.actor(_proofs(bench, SignatureRule.ACCEPTED)), old)
    assert await bench.events(order_id) == PAID
    # when an actor that requires signatures reads it again,
    prepared = await work(await bench.actor(), old)
    # then its events are published again, and it is no dead letter.
    assert [record.key for record in prepared.records] == [order_id.encode()] * len(PAID)
    assert await bench.reasons(order_id) == []
    assert await bench.events(order_id) == PAID


async def test_while_unsigned_reports_are_accepted_a_wrong_signature_is_not(bench: Bench) -> None:
    order_id, payment_id = await begun(bench)
    record = genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")
    lenient = await bench.actor(_proofs(bench, SignatureRule.ACCEPTED))
    await work(lenient, bench.incoming(signed(unsigned(record), FORGER)))
    assert await bench.events(order_id) == BEGUN
    assert await bench.reasons(order_id) == ["forged"]


@pytest.mark.parametrize("unknown", [True, False], ids=["key not in the ring yet", "older key of the ring"])
async def test_a_settlement_signed_with_another_key_of_the_gateway_counts_once_the_ring_has_it(
    bench: Bench, unknown: bool
) -> None:
    """Between two steps of a rotation: refused with a letter, which keeps the signature and can be sent again."""
    order_id, payment_id = await begun(bench)
    record = genuine(bench, settle(order_id, payment_id), f"stl_{payment_id}_success")
    newer = GatewayKey("newer", SecretStr("Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq"))
    ours = bench.command_client.settings.keys.keys
    ring = KeyRing((newer,) if unknown else (newer, *ours))
    await work(await bench.actor(Proofs(ring, SignatureRule.REQUIRED)), bench.incoming(record))
    if unknown:
        assert await bench.reasons(order_id) == ["forged"]
        again = await _replayed(bench, order_id)
        assert (HEADER_SIGNATURE, dict(record.headers)[HEADER_SIGNATURE]) in again.headers
        sent = Record(COMMANDS, record.partition, again.key, again.value, again.headers)
        await work(await bench.actor(), bench.incoming(sent))
    assert await bench.events(order_id) == PAID


async def _replayed(bench: Bench, order_id: str) -> LogRecord:
    """The order's only letter, sent again: its record as it stands on the commands topic."""
    settings, pool = bench.command_client.settings, bench.command_client.pool
    (letter,) = [one for one in await letters(settings, pool, Selection()) if one.key == order_id.encode()]
    replay_id = f"replay_{order_id}"
    await begin_replay(pool, replay_id, "both", [letter.id], "test")
    run = Replayer(settings, pool, replay_id, rate=100, actor="test").run([letter], force=False)
    (result,) = [one async for one in run]
    assert isinstance(result, Sent)
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        (found,) = [record async for record in reader.merged(spans) if record.place == result.place]
    return found


def _proofs(bench: Bench, rule: SignatureRule) -> Proofs:
    return Proofs(bench.command_client.settings.keys, rule)
