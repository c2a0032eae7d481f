"""Attempts at the simulated bank, on the real ledger: a lost response is queried, never charged again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Set
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.bank.attempt import attempt
from agents.bank.port import ActionRequired, Bank, BankResult, Charge, NoResponseError, Return
from agents.bank.settlement import settle_record
from agents.bank.simulated import SimulatedBank
from agents.kafka import Kafka
from agents.payments.actor import PaymentActor
from agents.payments.intake import Incoming
from agents.role import Context
from agents.sweeper.slots import MERCHANT_MAX, ROUTE_MAX
from agents.sweeper.sweeper import DUE_MAX, Sweeper
from domain.decision import Command
from domain.ids import ORDER, PAYMENT, REFUND, late_refund_id
from domain.instrument import Method
from domain.outcome import PAYMENT_CANCELLED, Outcome
from domain.payment import CancelPayment
from runtime.clock import now
from runtime.settings import Settings
from runtime.worker import Worker
from store.actor import ActorStore
from store.questions import QuestionStore
from store.redis.clients import make_redis
from tests.support.attempts import unknown
from tests.support.command_client import CommandClient, fresh, order_command, payment_command
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.catalogue import COMMANDS
from topics.deadletter import Origin
from topics.producer import Record
from topics.proof import proofs_of
from topics.reader import Start, log_reader, oldest_at

MakeBank = Callable[[Settings], SimulatedBank]


@pytest.fixture
async def bank_of() -> AsyncIterator[MakeBank]:
    """Makes banks; their connections are dropped at the end."""
    made: list[SimulatedBank] = []

    def make(settings: Settings) -> SimulatedBank:
        made.append(SimulatedBank(settings))
        return made[-1]

    yield make
    for bank in made:
        bank._ledger.drop()
        bank._polling.drop()
    await asyncio.sleep(0)  # the loop closes what was dropped


def charge(token: str) -> Charge:
    return Charge(fresh(PAYMENT), 50_000, "INR", "upi", token)


async def booked(settings: Settings, attempt_id: str) -> tuple[int, int]:
    """(times the money moved, times the bank was asked)."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        row = await connection.fetchrow(
            "SELECT times_moved, times_asked FROM bank.ledger WHERE attempt_id = $1", attempt_id
        )
        return row["times_moved"], row["times_asked"]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("token", "outcome", "error_code"),
    [
        ("success@upi", Outcome.SUCCESS, None),
        ("failure@upi", Outcome.FAILED, "UPI_DECLINED"),
        ("unknown@upi", Outcome.SUCCESS, None),
        ("timeout@upi", Outcome.FAILED, "BANK_TIMEOUT"),
    ],
)
async def test_every_attempt_is_charged_once_and_reaches_its_outcome(
    services: Stack, bank_of: MakeBank, token: str, outcome: Outcome, error_code: str | None
) -> None:
    request = charge(token)
    result = await attempt(bank_of(services.settings), request, maybe_requested_before=False, look_up=unknown)
    assert result is not None
    assert (result.outcome, result.error_code) == (outcome, error_code)
    moved = 1 if outcome is Outcome.SUCCESS else 0
    assert await booked(services.settings, request.attempt_id) == (moved, 1)


async def test_a_processor_that_died_after_a_charge_queries_it_first(services: Stack, bank_of: MakeBank) -> None:
    # Given a charge whose answer nobody heard,
    request, bank = charge("unknown@upi"), bank_of(services.settings)
    with pytest.raises(NoResponseError):
        await bank.charge(request)
    # When its successor takes it up, then the bank is queried, not asked to charge.
    result = await attempt(bank_of(services.settings), request, maybe_requested_before=True, look_up=unknown)
    assert result is not None
    assert result.outcome is Outcome.SUCCESS
    assert await booked(services.settings, request.attempt_id) == (1, 1)


async def test_many_questions_at_once_all_get_a_response(services: Stack, bank_of: MakeBank) -> None:
    # Given a hundred charges whose answers were lost at the same moment,
    requests, bank = [charge("unknown@upi") for _ in range(100)], bank_of(services.settings)
    lost = await asyncio.gather(*(bank.charge(request) for request in requests), return_exceptions=True)
    assert all(isinstance(one, NoResponseError) for one in lost)
    # When all are asked about at once, then each has its answer at the first try.
    results = await asyncio.gather(*(bank.query(request.attempt_id) for request in requests))
    assert [result and result.outcome for result in results] == [Outcome.SUCCESS] * 100


async def test_a_listener_that_takes_its_time_hears_everything(services: Stack, bank_of: MakeBank) -> None:
    # Given a bank that repeats its answers, and a charge that comes late,
    settings = services.settings.model_copy(update={"bank_faults": "twice=1", "test_processing_delay": 5})
    bank = bank_of(settings)
    late = charge("late@upi")
    with pytest.raises(NoResponseError):
        await bank.charge(late)
    repeated = [await bank.charge(charge("success@upi")) for _ in range(4)]
    # When the listener needs longer for each than the bank's own pause,
    received: list[str] = []
    async with asyncio.timeout(60):
        async for result in bank.notifications():
            await asyncio.sleep(0.7)
            received.append(result.attempt_id)
            await bank.confirm(result)
            if {late.attempt_id, *(one.attempt_id for one in repeated)} <= set(received):
                break
    # Then it is not cut off, and the repeated answers do not keep the late one from it.
    assert late.attempt_id in received


async def test_an_attempt_the_bank_never_saw_is_made(services: Stack, bank_of: MakeBank) -> None:
    request = Return(fresh(REFUND), fresh(PAYMENT), 100, "INR", "fail_refund")
    result = await attempt(bank_of(services.settings), request, maybe_requested_before=True, look_up=unknown)
    assert result is not None
    assert (result.outcome, result.error_code) == (Outcome.FAILED, "REFUND_FAILED")


@pytest.mark.parametrize("faults", ["lose=1", "late=1", "twice=1"])
async def test_injected_faults_change_nothing_about_the_outcome(
    services: Stack, bank_of: MakeBank, faults: str
) -> None:
    settings = services.settings.model_copy(update={"bank_faults": faults, "test_processing_delay": 5})
    request = charge("success@upi")
    result = await attempt(bank_of(settings), request, maybe_requested_before=False, look_up=unknown)
    assert result is not None
    assert result.outcome is Outcome.SUCCESS
    assert (await booked(settings, request.attempt_id))[0] == 1


async def test_the_sweeper_settles_what_the_processor_never_did(services: Stack, bank_of: MakeBank) -> None:
    # Given a payment past its deadline that no processor ever saw,
    async with CommandClient(services.settings) as command_client:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await _decide(command_client, order_command(order_id), payment_command(order_id, payment_id))
        late = now() - timedelta(seconds=60)
        await command_client.pool.execute("UPDATE payments SET deadline_at = $1 WHERE id = $2", late, payment_id)
        # When the sweeper makes its round,
        await _round(command_client, bank_of(services.settings))
        # Then the bank was asked once, and its word is on its way to the actor.
        assert await booked(services.settings, payment_id) == (1, 1)
        received = orjson.loads((await _settle_command_of(services.settings, order_id)).value)["body"]
        assert (received["outcome"], received["payment_id"]) == ("success", payment_id)
        await command_client.pool.execute(
            "UPDATE payments SET deadline_at = now() + interval '1 day' WHERE id = $1", payment_id
        )


async def test_the_sweeper_cancels_what_the_processor_never_did(services: Stack, bank_of: MakeBank) -> None:
    # Given a request that waits in its payer's app, whom no processor let go,
    async with CommandClient(services.settings) as command_client:
        order_id, payment_id, bank = fresh(ORDER), fresh(PAYMENT), bank_of(services.settings)
        pending = payment_command(order_id, payment_id, vpa="pending@upi")
        await _decide(command_client, order_command(order_id), pending, CancelPayment(order_id, payment_id, None))
        assert isinstance(
            await bank.charge(Charge(payment_id, 50_000, "INR", Method.UPI, "pending@upi")), ActionRequired
        )
        late = now() - timedelta(seconds=60)
        await command_client.pool.execute("UPDATE payments SET deadline_at = $1 WHERE id = $2", late, payment_id)
        # When the sweeper makes its round, then the bank has cancelled it, and its word is on its way to the actor.
        await _round(command_client, bank)
        assert (await booked(services.settings, payment_id))[0] == 0
        received = await _settle_command_of(services.settings, order_id)
        assert orjson.loads(received.value)["body"]["error_code"] == PAYMENT_CANCELLED
        await _take(command_client, received)
        query = "SELECT status, cancellation FROM payments WHERE id = $1"
        assert tuple(await command_client.pool.fetchrow(query, payment_id)) == ("FAILED", None)


async def test_money_the_bank_would_not_take_back_is_given_back_again(services: Stack, bank_of: MakeBank) -> None:
    # Given a payment that was told to have failed, was charged all the same, and whose refund the bank refused,
    async with CommandClient(services.settings) as command_client:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await _decide(command_client, order_command(order_id), payment_command(order_id, payment_id))
        await bank_of(services.settings).charge(Charge(payment_id, 50_000, "INR", Method.UPI, "success@upi"))
        for attempt_id, outcome in (
            (payment_id, Outcome.FAILED),
            (payment_id, Outcome.SUCCESS),
            (late_refund_id(payment_id), Outcome.FAILED),
        ):
            await _report(command_client, order_id, attempt_id, outcome)
        # When the sweeper makes its round at once, then it lets the bank rest;
        await _round(command_client, bank_of(services.settings))
        assert await _refunds(command_client, payment_id) == ["FAILED"]
        # when it makes it two minutes later, then the bank's word is told once more, and money goes back.
        await command_client.pool.execute(AGE, payment_id)
        await _round(command_client, bank_of(services.settings))
        again = await _settle_command_of(services.settings, order_id)
        await _take(command_client, again)
        await _take(command_client, again)
        assert await _refunds(command_client, payment_id) == ["FAILED", "PENDING"]


async def test_money_that_has_to_go_back_is_tried_for_a_month(services: Stack, bank_of: MakeBank) -> None:
    """Each time a day after the last refusal, however often the bank has refused."""
    async with CommandClient(services.settings) as command_client:
        order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
        await _decide(command_client, order_command(order_id), payment_command(order_id, payment_id))
        await bank_of(services.settings).charge(Charge(payment_id, 50_000, "INR", Method.UPI, "success@upi"))
        words = [(payment_id, Outcome.FAILED), (payment_id, Outcome.SUCCESS)]
        for number in range(1, 13):
            words += [(late_refund_id(payment_id, number), Outcome.FAILED), (payment_id, Outcome.SUCCESS)]
        for number, (attempt_id, outcome) in enumerate(words[:-1]):
            await _report(command_client, order_id, attempt_id, outcome, again=str(number))
        assert await _refunds(command_client, payment_id) == ["FAILED"] * 12
        store = QuestionStore(command_client.pool)
        for hours, is_due in ((23, False), (25, True)):
            await command_client.pool.execute(
                "UPDATE refunds SET updated_at = now() - make_interval(hours => $2) WHERE payment_id = $1",
                payment_id,
                hours,
            )
            due = [one.subject.id for one in await store.due(rest_seconds=60, limit=500)]
            assert (payment_id in due) == is_due
        await command_client.pool.execute("UPDATE refunds SET updated_at = now() WHERE payment_id = $1", payment_id)


class PartlySilentBank(SimulatedBank):
    """The simulated bank, behind acquirers that never answer about these attempts: they hang, or fail at once."""

    def __init__(self, settings: Settings, silent: Set[str], *, hanging: bool) -> None:
        super().__init__(settings)
        self.silent = silent
        self.hanging = hanging
        self.questions: list[str] = []

    async def query(self, attempt_id: str) -> BankResult | None:
        self.questions.append(attempt_id)
        if attempt_id not in self.silent:
            return await super().query(attempt_id)
        if self.hanging:
            await asyncio.Event().wait()
        raise NoResponseError("the acquirer does not answer")


@dataclass(slots=True)
class Overdue:
    """Payments past their deadline, put into the tables by hand; no bank has seen them."""

    command_client: CommandClient
    merchants: set[str] = field(default_factory=set)

    async def payments(self, merchant: str, count: int, *, method: str = "upi", minutes: int = 10) -> list[str]:
        """Ids, the longest overdue first."""
        self.merchants.add(merchant)
        ids = [fresh(PAYMENT) for _ in range(count)]
        await self.command_client.pool.execute(OVERDUE_ROWS, ids, merchant, method, minutes)
        return ids

    async def schedule(self, payment_id: str) -> tuple[int, int, float]:
        """(questions, answers without effect, seconds until the next)."""
        row = await self.command_client.pool.fetchrow(SCHEDULE, payment_id)
        return row["asked"], row["answered"], row["seconds"]

    async def due_again(self, *payment_ids: str) -> None:
        await self.command_client.pool.execute(
            "UPDATE bank_questions SET next_at = now() WHERE attempt_id = ANY($1::text[])", payment_ids
        )

    async def remove(self) -> None:
        await self.command_client.pool.execute(
            "DELETE FROM payments WHERE merchant_id = ANY($1::text[])", list(self.merchants)
        )
        await self.command_client.pool.execute("DELETE FROM bank_questions")


OVERDUE_ROWS = """
INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded, vpa,
                      card_network, card_last4, token, deadline_at, version, created_at)
SELECT id, 'order_' || substr(id, 5), $2, 500, 'INR', $3, 'PROCESSING', false, 0,
       CASE $3 WHEN 'upi' THEN 'success@upi' END, CASE $3 WHEN 'card' THEN 'visa' END,
       CASE $3 WHEN 'card' THEN '1111' END, 'success@upi',
       now() - $4::int * interval '1 minute' + number * interval '1 millisecond', 3, now() - interval '1 hour'
  FROM unnest($1::text[]) WITH ORDINALITY AS made (id, number)
"""
SCHEDULE = """
SELECT asked, answered, extract(epoch FROM next_at - now())::float8 AS seconds
  FROM bank_questions
 WHERE attempt_id = $1
"""


@pytest.fixture
async def overdue(services: Stack) -> AsyncIterator[Overdue]:
    async with CommandClient(services.settings) as command_client:
        # what other tests have left open is not what these are about
        await command_client.pool.execute(
            "UPDATE payments SET deadline_at = now() + interval '1 day' WHERE deadline_at < now()"
        )
        await command_client.pool.execute(
            "UPDATE refunds SET deadline_at = now() + interval '1 day' WHERE deadline_at < now()"
        )
        made = Overdue(command_client)
        yield made
        await made.remove()


@pytest.fixture
async def silent_bank(services: Stack) -> AsyncIterator[PartlySilentBank]:
    bank = PartlySilentBank(services.settings.model_copy(update={"test_processing_delay": 1}), set(), hanging=True)
    yield bank
    bank._ledger.drop()
    bank._polling.drop()
    await asyncio.sleep(0)  # the loop closes what was dropped


async def test_a_silent_acquirer_with_thousands_of_attempts_holds_up_no_other(
    overdue: Overdue, silent_bank: PartlySilentBank
) -> None:
    # Given 5,000 attempts of eight merchants about which the card acquirer says nothing and holds the line,
    for number in range(8):
        silent_bank.silent |= set(await overdue.payments(f"sweep_{number}", 625, method="card", minutes=60))
    # and five younger ones of the same merchants by UPI,
    healthy = [(await overdue.payments(f"sweep_{number}", 1, minutes=1))[0] for number in range(5)]
    # when the sweeper works, then their answers are on the log while the card acquirer is still silent.
    async with _running(overdue.command_client, silent_bank) as sweeper:
        assert await _settled(overdue.command_client, healthy) == set(healthy)
        assert len(sweeper._slots) == ROUTE_MAX
    assert len(silent_bank.questions) == ROUTE_MAX + len(healthy)


async def test_five_hundred_silent_attempts_of_one_merchant_delay_no_other_merchant(
    overdue: Overdue, silent_bank: PartlySilentBank
) -> None:
    silent_bank.silent |= set(await overdue.payments("sweep_many", 500, minutes=60))
    healthy = await overdue.payments("sweep_few", 5, minutes=1)
    async with _running(overdue.command_client, silent_bank) as sweeper:
        assert await _settled(overdue.command_client, healthy) == set(healthy)
        assert len(sweeper._slots) == MERCHANT_MAX


async def test_merchants_take_turns(overdue: Overdue) -> None:
    many = await overdue.payments("sweep_many", 30, minutes=60)
    few = await overdue.payments("sweep_few", 2, minutes=1)
    store = QuestionStore(overdue.command_client.pool)
    order = [one.subject.id for one in await store.due(rest_seconds=60, limit=500)]
    assert set(order[:4]) == {*many[:2], *few}
    assert order[4:] == many[2:]
    # a limit cuts off the merchant with many, not the other
    assert set(few) < {one.subject.id for one in await store.due(rest_seconds=60, limit=4)}


async def test_a_question_without_a_response_waits_longer_each_time_and_behind_new_ones(
    overdue: Overdue, silent_bank: PartlySilentBank
) -> None:
    silent_bank.hanging = False
    (silent,) = await overdue.payments("sweep_a", 1, minutes=60)
    silent_bank.silent.add(silent)
    for asked, least, most in ((1, 0.0, 2.0), (2, 2.0, 4.0), (3, 4.0, 8.0)):
        await _round(overdue.command_client, silent_bank)
        count, answered, seconds = await overdue.schedule(silent)
        assert (count, answered) == (asked, 0)
        assert least < seconds <= most
        # not due: a look asks nothing
        await _round(overdue.command_client, silent_bank)
        assert silent_bank.questions.count(silent) == asked
        await overdue.due_again(silent)
    (new,) = await overdue.payments("sweep_a", 1, minutes=1)
    order = [one.subject.id for one in await QuestionStore(overdue.command_client.pool).due(rest_seconds=60, limit=500)]
    assert order == [new, silent]


async def test_a_next_time_that_was_set_while_the_clock_was_wrong_is_due(
    overdue: Overdue, silent_bank: PartlySilentBank
) -> None:
    (payment_id,) = await overdue.payments("sweep_a", 1, minutes=60)
    silent_bank.hanging = False
    silent_bank.silent.add(payment_id)
    await _round(overdue.command_client, silent_bank)
    await overdue.command_client.pool.execute(
        "UPDATE bank_questions SET next_at = now() + interval '1 day' WHERE attempt_id = $1", payment_id
    )
    await _round(overdue.command_client, silent_bank)
    assert (await overdue.schedule(payment_id))[0] == 2


async def test_an_adapter_that_breaks_is_a_bank_that_is_silent(
    overdue: Overdue, silent_bank: PartlySilentBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payment_id,) = await overdue.payments("sweep_a", 1)
    with monkeypatch.context() as patch:
        patch.setattr(silent_bank, "query", _broken)
        await _round(overdue.command_client, silent_bank)
    assert (await overdue.schedule(payment_id))[:2] == (1, 0)
    await overdue.due_again(payment_id)
    await _round(overdue.command_client, silent_bank)
    assert (await overdue.schedule(payment_id))[:2] == (2, 1)


async def _broken(_attempt_id: str) -> None:
    raise ValueError("no such field in the acquirer's answer")


async def test_two_sweepers_ask_a_question_once(overdue: Overdue) -> None:
    payment_ids = await overdue.payments("sweep_a", 20)
    one, other = QuestionStore(overdue.command_client.pool), QuestionStore(overdue.command_client.pool)
    due = await one.due(rest_seconds=60, limit=500)
    first, second = await asyncio.gather(one.claim(due), other.claim(due))
    assert sorted(question.subject.id for question in [*first, *second]) == sorted(payment_ids)


async def test_a_settlement_without_effect_is_made_again_under_another_command(
    services: Stack, overdue: Overdue, silent_bank: PartlySilentBank
) -> None:
    # Given an open payment whose settlement stands in the inbox, but never had an effect,
    command_client = overdue.command_client
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    await _decide(command_client, order_command(order_id), payment_command(order_id, payment_id))
    await command_client.pool.execute(SWALLOWED, f"stl_{payment_id}_success", order_id)
    await command_client.pool.execute(
        "UPDATE payments SET deadline_at = now() - interval '1 minute' WHERE id = $1", payment_id
    )
    # when the bank is asked, its answer changes nothing;
    await _round(command_client, silent_bank)
    commands = await _commands_of(command_client, order_id)
    await _take(command_client, *commands)
    assert await _status(command_client, payment_id) == "PROCESSING"
    assert (await overdue.schedule(payment_id))[1] == 1
    # when it is asked again, then the answer is another command, and the payment is settled.
    await overdue.due_again(payment_id)
    await _round(command_client, silent_bank)
    commands = await _commands_of(command_client, order_id)
    assert [orjson.loads(one.value)["id"] for one in commands] == [
        f"stl_{payment_id}_success",
        f"stl_{payment_id}_success_again1",
    ]
    await _take(command_client, commands[-1])
    assert await _status(command_client, payment_id) == "SUCCESS"
    # A closed attempt leaves no row behind.
    await _round(command_client, silent_bank)
    assert (
        await command_client.pool.fetchval("SELECT count(*) FROM bank_questions WHERE attempt_id = $1", payment_id) == 0
    )


SWALLOWED = """
INSERT INTO commands (id, order_id, type, nonce, rejected, reply, first_sequence, event_count)
VALUES ($1, $2, 'payment.settle', '', false, '', 1, 0)
"""


async def test_every_overdue_attempt_is_counted_not_only_those_of_one_look(overdue: Overdue) -> None:
    await overdue.payments("sweep_a", DUE_MAX + 7)
    assert (await QuestionStore(overdue.command_client.pool).count_overdue())["payment"] == DUE_MAX + 7


async def _status(command_client: CommandClient, payment_id: str) -> str:
    status: str = await command_client.pool.fetchval("SELECT status FROM payments WHERE id = $1", payment_id)
    return status


async def _settled(command_client: CommandClient, payment_ids: list[str]) -> set[str]:
    """Those of the payments about which a settle command stands on the log, once all of them are there."""

    async def found() -> set[str] | None:
        received = {
            orjson.loads(record.value)["body"]["payment_id"]
            for record in await _commands(command_client, "payment.settle")
        }
        return received & set(payment_ids) if set(payment_ids) <= received else None

    return await eventually(found, timeout=60, interval=0.2, what="the settle commands") or set()


async def _commands_of(command_client: CommandClient, order_id: str) -> list[Record]:
    return [record for record in await _commands(command_client, "payment.settle") if record.key == order_id.encode()]


async def _commands(command_client: CommandClient, kind: str) -> list[Record]:
    """Everything of this type on the commands topic."""
    async with log_reader(command_client.settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        found = [record async for record in reader.merged(spans) if record.type == kind]
    return [Record(COMMANDS, one.partition, one.key, one.value, list(one.headers)) for one in found]


AGE = "UPDATE refunds SET updated_at = now() - interval '2 minutes' WHERE payment_id = $1"


async def _report(
    command_client: CommandClient, order_id: str, attempt_id: str, outcome: Outcome, *, again: str = ""
) -> None:
    """The bank's report about the attempt, decided."""
    result = BankResult(attempt_id, outcome, None, None, "bank_1")
    settings = command_client.settings
    record = settle_record(result, order_id=order_id, caused_by=None, request_id=None, settings=settings, again=again)
    await _take(command_client, record)


async def _refunds(command_client: CommandClient, payment_id: str) -> list[str]:
    rows = await command_client.pool.fetch(
        "SELECT status FROM refunds WHERE payment_id = $1 ORDER BY version", payment_id
    )
    return sorted(row["status"] for row in rows)


async def _round(command_client: CommandClient, bank: Bank) -> None:
    """One look of a sweeper, until everything that it asked about is answered or silent, and recorded."""
    async with _sweeper(command_client, bank) as sweeper, asyncio.TaskGroup() as group:
        await sweeper._producer.start()
        settling = group.create_task(sweeper._settle())
        await sweeper._look()
        while True:
            await sweeper._begin(group)
            await asyncio.gather(*sweeper._querying)
            await sweeper._queried.join()
            if not sweeper._waiting:
                break
        await sweeper._producer.stop()
        settling.cancel()


@contextlib.asynccontextmanager
async def _sweeper(command_client: CommandClient, bank: Bank) -> AsyncIterator[Sweeper]:
    context = Context(
        command_client.settings, Worker("sweeper", 0, "sweeper-test", 0), make_redis(command_client.settings)
    )
    oldest = partial(oldest_at, command_client.settings, COMMANDS)
    yield Sweeper(context, bank, Kafka(command_client.settings), QuestionStore(command_client.pool), oldest)
    await context.redis.aclose()


@contextlib.asynccontextmanager
async def _running(command_client: CommandClient, bank: Bank) -> AsyncIterator[Sweeper]:
    """A sweeper at work."""
    async with _sweeper(command_client, bank) as sweeper:
        running = asyncio.create_task(sweeper.run())
        try:
            yield sweeper
        finally:
            sweeper._context.stopping.set()
            await running


async def _decide(command_client: CommandClient, *commands: Command) -> None:
    await _take(command_client, *(command_client.record(command) for command in commands))


async def _take(command_client: CommandClient, *records: Record) -> None:
    """An actor decides these records."""
    store, redis = ActorStore(command_client.settings), make_redis(command_client.settings)
    actor = PaymentActor(
        store,
        command_client.producer,
        redis,
        proofs=proofs_of(command_client.settings),
        inbox_days=command_client.settings.idempotency_retention_days,
    )
    prepared = await actor.prepare(
        [Incoming(one.key, one.value, one.headers, Origin(COMMANDS, one.partition, 0), now()) for one in records]
    )
    await prepared.replying
    await store.stop()
    await redis.aclose()


async def _settle_command_of(settings: Settings, order_id: str) -> Record:
    """The first record of the order on the commands topic."""
    places = [TopicPartition(COMMANDS, number) for number in range(settings.topic_partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async for message in consumer:
            if message.key == order_id.encode():
                return Record(COMMANDS, message.partition, message.key, message.value, list(message.headers))
    finally:
        await consumer.stop()
    raise AssertionError("unreachable: the consumer never ends")
