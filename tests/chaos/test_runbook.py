"""The runbook, run: a gateway is broken on purpose, its section's commands show and fix it. One stack for all."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from domain.ids import ORDER, PAYMENT
from domain.instrument import Upi
from domain.order import CreateOrder
from domain.outcome import Outcome
from domain.payment import CreatePayment, SettlePayment
from ops.console.environment import REPOSITORY
from ops.dead_letters.letters import Selection, letters
from runtime.clock import make_id, now, random_token
from store.connections import make_pool
from tests.support.command import Ended, gateway, started_gateway
from tests.support.copies import copy_database, restore_database
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.signed_up import SignedUp, signed_up
from tests.support.stack import ALL_ROLES, Stack, running_stack
from topics.catalogue import COMMANDS, partition_of
from topics.codec import command_envelope
from topics.deadletter import REASON_FORGED
from topics.envelope import encode
from topics.producer import LogProducer, Record

RUNBOOK = (REPOSITORY / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```sh (look|fix)\n(.*?)```", re.DOTALL)
FIXED_SECONDS = 45.0

HOLD = """
UPDATE webhook_logs
   SET status = 'held', next_retry_at = NULL, created_at = now() - interval '1 minute'
 WHERE merchant_id = $1
   AND event = 'payment.success'
"""
DELIVERED = """
SELECT count(*) > 0 AND bool_and(status = 'success')
  FROM webhook_logs
 WHERE merchant_id = $1
   AND event = 'payment.success'
"""

Break = Callable[[Stack, AsyncExitStack], Awaitable[dict[str, str]]]

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def section(title: str) -> dict[str, list[str]]:
    """`look` and `fix` -> the commands of a section."""
    _, found, rest = RUNBOOK.partition(f"\n## {title}\n")
    assert found, f"the runbook has no section {title}"
    text = rest.split("\n## ", 1)[0]
    commands: dict[str, list[str]] = {"look": [], "fix": []}
    for kind, lines in BLOCK.findall(text):
        commands[kind] += lines.strip().splitlines()
    return commands


@pytest.fixture(scope="module")
def breakable(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A whole gateway of its own, with deadlines short enough to miss."""
    env = {"PAYMENT_DEADLINE_SECONDS": "1", "API_WORKERS": "2"}
    with running_stack(roles=ALL_ROLES, env=env, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@asynccontextmanager
async def database(stack: Stack) -> AsyncIterator[asyncpg.Pool]:
    pool = await make_pool(stack.settings, size=1)
    try:
        yield pool
    finally:
        await pool.close()


async def run_line(stack: Stack, line: str, names: dict[str, str]) -> Ended:
    """One `gateway …` line of the runbook with its $NAMES filled in."""
    words = [names.get(word.removeprefix("$"), word) if word.startswith("$") else word for word in shlex.split(line)]
    assert words[0] == "gateway", line
    return await gateway(stack, *words[1:])


async def write(stack: Stack, *records: Record) -> None:
    producer = LogProducer(stack.settings)
    await producer.start()
    await producer.publish(records, timeout=20)
    await producer.stop()


def command_record(stack: Stack, command: CreateOrder | CreatePayment | SettlePayment) -> Record:
    key = command.order_id.encode()
    value = encode(command_envelope(command, command_id=f"cmd_{random_token()[:16]}", at=now(), request_id=None))
    partition = partition_of(key, stack.settings.topic_partitions)
    return Record(COMMANDS, partition, key, value, [("type", b"x")])


async def submit_payment(stack: Stack) -> str:
    """An order and a payment of it, asked for over the log; the payment's id."""
    order_id, payment_id = make_id(ORDER), make_id(PAYMENT)
    vpa = "success@upi"
    paying = CreatePayment(order_id, payment_id, "test_merchant", Upi(vpa), vpa, None, None, deadline_at=now())
    order = CreateOrder(order_id, "test_merchant", 500, "INR", None, {})
    await write(stack, command_record(stack, order), command_record(stack, paying))
    return payment_id


async def freeze_payments(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    stack.freeze("payments-0")
    await write(stack, command_record(stack, CreateOrder(make_id(ORDER), "test_merchant", 500, "INR", None, {})))
    await heartbeat_gone(stack, "payments")
    return {}


def freeze(*names: str) -> Break:
    """These processes hang."""

    async def breaking(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
        for name in names:
            stack.freeze(name)
        return {}

    return breaking


async def freeze_webhooks(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """A delivery is planned; those who should send it, or send it again, hang."""
    merchant = await merchant_with_endpoint(stack, open_)
    for name in ("dispatcher-0", "forwarder-0"):
        stack.freeze(name)
    await merchant.pay()
    await eventually(lambda: is_stuck(stack, "is overdue", "1s"), timeout=40, interval=1.0, what="an overdue delivery")
    return {}


async def hold_a_delivery(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """What an upkeep that never ran leaves behind: a held delivery before which nothing is waiting."""
    merchant = await merchant_with_endpoint(stack, open_)
    await merchant.pay()
    await eventually(lambda: is_delivered(stack, merchant.id), timeout=20, what="the webhooks to be delivered")
    stack.freeze("forwarder-0")
    async with database(stack) as pool:
        await pool.execute(HOLD, merchant.id)
    return {}


async def lock_orders(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """Somebody left a transaction open that holds the actor up."""
    connection = await asyncpg.connect(stack.database_url, server_settings={"application_name": "a long report"})
    open_.callback(connection.terminate)
    await connection.execute("BEGIN")
    await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    await submit_payment(stack)

    async def held_up() -> bool:
        return "a long report" in (await gateway(stack, "health")).out

    await eventually(held_up, timeout=30, interval=1.0, what="the actor waits for the lock")
    return {}


async def merchant_with_endpoint(stack: Stack, open_: AsyncExitStack) -> SignedUp:
    shop = await open_.enter_async_context(receiver())
    merchant = await open_.enter_async_context(signed_up(stack))
    response = await merchant.client.post("/webhook-endpoints", json={"url": shop.url()})
    assert response.status_code == 201, response.text
    return merchant


async def is_stuck(stack: Stack, output: str, older_than: str) -> bool:
    return output in (await gateway(stack, "stuck", "--older-than", older_than)).out


async def is_delivered(stack: Stack, merchant_id: str) -> bool:
    async with database(stack) as pool:
        return bool(await pool.fetchval(DELIVERED, merchant_id))


async def freeze_bank(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    stack.freeze("processor-0")
    stack.freeze("sweeper-0")
    payment_id = await submit_payment(stack)
    await eventually(lambda: is_past_its_deadline(stack, payment_id), timeout=30, what="the payment is overdue")
    return {"PAYMENT": payment_id}


async def is_past_its_deadline(stack: Stack, payment_id: str) -> bool:
    async with database(stack) as pool:
        statement = "SELECT deadline_at < now() - interval '2 seconds' FROM payments WHERE id = $1"
        return bool(await pool.fetchval(statement, payment_id))


async def reverse_a_refunded_payment(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """The bank takes a payment back whose money the payer has in part."""
    merchant = await open_.enter_async_context(signed_up(stack))
    payment = await merchant.pay()
    await merchant.refund(payment["id"], amount=20_000)
    async with database(stack) as pool:
        await pool.execute("UPDATE bank.ledger SET late_at = clock_timestamp() WHERE attempt_id = $1", payment["id"])

    async def is_reversed() -> bool:
        return bool((await merchant.get(f"/payments/{payment['id']}"))["reversed"])

    await eventually(is_reversed, timeout=30, what="the payment to be reversed")
    return {"PAYMENT": payment["id"]}


async def write_garbage(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    key = f"bad_{random_token()[:8]}".encode()
    await write(stack, Record(COMMANDS, 1, key, b"\xff not ours", [("type", b"order.create")]))
    async with database(stack) as pool:

        async def letter() -> str | None:
            found = await letters(stack.settings, pool, Selection())
            return found[-1].id if found else None

        return {"LETTER": str(await eventually(letter, timeout=20, what="the dead letter"))}


async def forge_a_settlement(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    """Somebody with access to the broker writes what the bank never said."""
    payment_id = await submit_payment(stack)
    async with database(stack) as pool:
        statement = "SELECT order_id FROM payments WHERE id = $1"
        order_id = await eventually(lambda: pool.fetchval(statement, payment_id), timeout=30, what="the payment")
        word = SettlePayment(order_id, payment_id, Outcome.SUCCESS, None, None, "bank_1", now())
        await write(stack, command_record(stack, word))

        async def letter() -> str | None:
            found = await letters(stack.settings, pool, Selection(reason=REASON_FORGED))
            return found[-1].id if found else None

        return {"LETTER": str(await eventually(letter, timeout=20, what="the dead letter"))}


async def lose_a_reply(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    """Somebody wrote into the inbox by hand."""
    payment_id = await submit_payment(stack)
    async with database(stack) as pool:

        async def changed() -> bool:
            statement = "UPDATE commands SET reply = '{}' WHERE type = 'payment.create' AND strpos(reply, $1) > 0"
            return await pool.execute(statement, payment_id) == "UPDATE 1"

        await eventually(changed, timeout=30, what="the payment is decided")
    return {}


async def freeze_auditor(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    stack.freeze("auditor-0")
    await heartbeat_gone(stack, "auditor")
    return {}


async def freeze_jobs(stack: Stack, _open: AsyncExitStack) -> dict[str, str]:
    stack.freeze("jobs-0")
    await heartbeat_gone(stack, "jobs")
    return {}


async def heartbeat_gone(stack: Stack, role: str) -> None:
    async def gone() -> bool:
        ended = await gateway(stack, "health", "--json")
        return f"{role} has sent no heartbeat" in ended.out

    await eventually(gone, timeout=40, interval=1.0, what=f"{role} is silent")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How to break it, what the first command prints and ends with, and the command that ends in 0 once fixed."""

    alert: str
    breaking: Break
    output: str
    code: int
    fixed: tuple[str, ...] = ("health",)


async def throw_the_database_back(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """A copy of the database in its place, from before a payment."""
    merchant = await open_.enter_async_context(signed_up(stack))
    copy = await copy_database(stack)
    await eventually(merchant.pay, timeout=60, what="a payment after the copy was made")
    await restore_database(stack, copy)

    async def fenced() -> bool:
        return "decides nothing" in (await gateway(stack, "health")).out

    await eventually(fenced, timeout=60, interval=1.0, what="the fence is closed")
    return {}


async def forget_a_transaction(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    connection = await asyncpg.connect(stack.database_url, server_settings={"application_name": "a long report"})
    open_.callback(connection.terminate)
    await connection.execute("BEGIN")
    await connection.execute("CREATE TEMPORARY TABLE forgotten (id integer)")

    async def named() -> bool:
        return "a long report" in (await gateway(stack, "health")).out

    await eventually(named, timeout=60, interval=2.0, what="the transaction is named")
    return {}


async def cut_a_migration_off(stack: Stack, open_: AsyncExitStack) -> dict[str, str]:
    """The machine that migrated died in the middle of building an index."""
    reader = await asyncpg.connect(stack.database_url)
    open_.callback(reader.terminate)
    async with database(stack) as pool:
        await pool.execute("DELETE FROM schema_migrations WHERE name = '0028_orders_receipt.sql'")
        await pool.execute("DROP INDEX orders_receipt")
        # From here on: an index is built beside an open snapshot, but none is dropped beside a reader of the table.
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await reader.execute("SELECT count(*) FROM orders")
        migrating = await started_gateway(stack, "migrate")

        async def is_building() -> bool:
            return bool(await pool.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"))

        await eventually(is_building, timeout=30, what="the index is being built")
        migrating.kill()
        await migrating.wait()
        await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migrate'")
    await reader.execute("ROLLBACK")
    return {}


SCENARIOS = (
    Scenario("GatewayFenced", throw_the_database_back, "run `gateway recover`", 1),
    Scenario("GatewayRoleSilent", freeze_payments, "payments has sent no heartbeat", 1),
    Scenario("GatewayLagOld", freeze_payments, "payments.commands.v1", 1, fixed=("topics", "lag", "--max-age", "1s")),
    Scenario("GatewayPartDown", freeze("redis"), "Redis is unavailable", 1),
    Scenario("GatewayProcessDown", freeze("payments-0"), "no answer", 1, fixed=("status",)),
    Scenario("GatewayAttemptsOverdue", freeze_bank, "no outcome past its deadline", 1, fixed=("stuck",)),
    Scenario("GatewayDeliveriesOverdue", freeze_webhooks, "is overdue", 1, fixed=("stuck",)),
    Scenario("GatewayDeliveriesHeld", hold_a_delivery, "deliveries are held", 1, fixed=("stuck",)),
    Scenario("GatewayApiErrors", freeze("api-0", "api-1"), "the API is unavailable", 1),
    Scenario("GatewayApiSlow", freeze_payments, "payments has sent no heartbeat", 1, fixed=("status",)),
    Scenario("GatewayUnknownCommands", freeze("kafka"), "The log is unavailable", 1),
    Scenario("GatewayActorSlow", lock_orders, "a long report", 1),
    Scenario("GatewayTransactionOld", forget_a_transaction, "has had an open transaction", 1),
    Scenario("GatewayFeedBehind", freeze_jobs, "jobs has sent no heartbeat", 1),
    Scenario("GatewayMoneyAway", reverse_a_refunded_payment, "owes 20000 INR", 1, fixed=("owed",)),
    Scenario("GatewayAuditDiffers", lose_a_reply, "has another reply than its events say", 1, fixed=("verify",)),
    Scenario("GatewayAuditOld", freeze_auditor, "auditor has sent no heartbeat", 1),
    Scenario("A failed migration", cut_a_migration_off, "was left unfinished", 1, fixed=("migrate", "--pending")),
    Scenario("GatewaySettlementForged", forge_a_settlement, "forged", 1, fixed=("dlq", "ls", "--reason", "forged")),
    Scenario("GatewayDeadLetters", write_garbage, "undecodable", 1, fixed=("dlq", "ls")),
)


@pytest.fixture
async def well(breakable: Stack) -> AsyncIterator[Stack]:
    """The stack, thawed again whatever a test left behind."""
    yield breakable
    for name in breakable.processes():
        breakable.thaw(name)
    breakable.wait_until_ready()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.alert)
async def test_the_section_shows_what_is_wrong_and_mends_it(well: Stack, scenario: Scenario) -> None:
    commands = section(scenario.alert)
    async with AsyncExitStack() as open_:
        names = await scenario.breaking(well, open_)
        await look_and_fix(well, scenario, commands, names)


async def look_and_fix(well: Stack, scenario: Scenario, commands: dict[str, list[str]], names: dict[str, str]) -> None:
    first, *others = [await run_line(well, line, names) for line in commands["look"]]
    assert scenario.output in first.out, first
    assert first.code == scenario.code, first
    for ended in others:
        assert ended.code in (0, 1, 4), ended

    for line in commands["fix"]:
        fixing = await run_line(well, line, names)
        assert fixing.code == 0, fixing

    async def is_well() -> bool:
        return (await gateway(well, *scenario.fixed)).code == 0

    await eventually(
        is_well, timeout=FIXED_SECONDS, interval=1.0, what=f"`gateway {' '.join(scenario.fixed)}` ends in 0"
    )


async def test_every_other_look_runs_on_a_healthy_gateway(well: Stack) -> None:
    payment_id = await submit_payment(well)
    await eventually(lambda: is_past_its_deadline(well, payment_id), timeout=30, what="the payment is known")
    broken_ones = {line for scenario in SCENARIOS for line in section(scenario.alert)["look"]}
    for line in every_look():
        if line not in broken_ones:
            ended = await run_line(well, line, {"PAYMENT": payment_id})
            assert ended.code in (0, 1), (line, ended)


def every_look() -> list[str]:
    """Each command of the runbook that only looks, once."""
    blocks = [text for kind, text in BLOCK.findall(RUNBOOK) if kind == "look"]
    return list(dict.fromkeys(line for text in blocks for line in text.strip().splitlines()))
