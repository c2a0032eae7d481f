"""Commands written straight to the log, as the API would write them, and their replies read from the inbox.

command_client = CommandClient(settings); await command_client.start()
order_id = await command_client.order(amount=50_000)
payment_id = await command_client.payment(order_id, vpa="success@upi")
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from domain.decision import BankWord, Command
from domain.ids import ORDER, PAYMENT, RANDOM_SPACE, REFUND, SEEDED_MERCHANT_ID, new_id
from domain.instrument import Upi
from domain.order import CreateOrder
from domain.payment import CapturePayment, CreatePayment
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund
from runtime.clock import now
from runtime.settings import Settings
from store.connections import make_pool
from tests.support.eventually import eventually
from topics.catalogue import COMMANDS, partition_of
from topics.commands import command_record
from topics.envelope import HEADER_TYPE
from topics.producer import LogProducer, Record
from topics.proof import signed


def fresh(prefix: str) -> str:
    """A new identifier."""
    return new_id(prefix, now_ms=time.time_ns() // 1_000_000, random=secrets.randbelow(RANDOM_SPACE))


def order_command(order_id: str, *, amount: int = 50_000) -> CreateOrder:
    return CreateOrder(order_id, SEEDED_MERCHANT_ID, amount, "INR", None, {"source": "tests"})


def payment_command(order_id: str, payment_id: str, *, vpa: str = "success@upi") -> CreatePayment:
    deadline = now() + timedelta(seconds=5)
    return CreatePayment(order_id, payment_id, None, Upi(vpa), vpa, None, None, deadline_at=deadline)


def both_command(order_id: str, payment_id: str, *, vpa: str = "success@upi") -> PayNewOrder:
    """The order and its payment at once."""
    return PayNewOrder(order_command(order_id), payment_command(order_id, payment_id, vpa=vpa))


def capture_command(order_id: str, payment_id: str) -> CapturePayment:
    return CapturePayment(order_id, payment_id, SEEDED_MERCHANT_ID, None)


def refund_command(
    order_id: str, payment_id: str, refund_id: str, *, amount: int, reason: str | None = None
) -> CreateRefund:
    deadline = now() + timedelta(seconds=5)
    return CreateRefund(order_id, payment_id, refund_id, SEEDED_MERCHANT_ID, amount, reason, deadline)


class CommandClient:
    """One producer and one pool on a test's stack."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer = LogProducer(settings, linger_ms=2)
        self.pool: asyncpg.Pool

    async def __aenter__(self) -> CommandClient:
        await self.producer.start()
        self.pool = await make_pool(self.settings, size=4)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.producer.stop()
        await self.pool.close()

    def record(self, command: Command, command_id: str = "", *, at: datetime | None = None, **more: Any) -> Record:
        """The command as a record, a bank's word signed; a random id and now unless others are given."""
        command_id = command_id or f"cmd_{secrets.token_hex(8)}"
        record = command_record(
            command,
            command_id=command_id,
            at=at or now(),
            partitions=self.settings.topic_partitions,
            request_id="req_test",
            **more,
        )
        return signed(record, self.settings.keys) if isinstance(command, BankWord) else record

    def raw_record(self, key: bytes, value: bytes, kind: str = "payment.create") -> Record:
        partition = partition_of(key, self.settings.topic_partitions)
        return Record(COMMANDS, partition, key, value, [(HEADER_TYPE, kind.encode())])

    async def publish(self, records: Iterable[Record]) -> None:
        await self.producer.publish(records, timeout=30)

    async def send(self, command: Command, command_id: str = "") -> dict[str, Any]:
        """Publish and wait for the decision: {rejected, reply, event_count}."""
        command_id = command_id or f"cmd_{secrets.token_hex(8)}"
        await self.publish([self.record(command, command_id)])
        return await self.decision(command_id)

    async def decision(self, command_id: str, *, timeout: float = 30) -> dict[str, Any]:
        """The inbox row of a command, once it is there."""
        row = await eventually(
            lambda: self.pool.fetchrow("SELECT * FROM commands WHERE id = $1", command_id),
            timeout=timeout,
            interval=0.02,
            what=f"a decision on {command_id}",
        )
        return {**dict(row), "reply": orjson.loads(row["reply"] or "null")}

    async def order(self, *, amount: int = 50_000) -> str:
        order_id = fresh(ORDER)
        assert not (await self.send(order_command(order_id, amount=amount)))["rejected"]
        return order_id

    async def payment(self, order_id: str, *, vpa: str = "success@upi", status: str = "SUCCESS") -> str:
        """A payment, waited for until it has this status."""
        payment_id = fresh(PAYMENT)
        assert not (await self.send(payment_command(order_id, payment_id, vpa=vpa)))["rejected"]
        await self.until("payments", payment_id, status)
        return payment_id

    async def refund(
        self, order_id: str, payment_id: str, *, amount: int, reason: str | None = None, status: str = "PROCESSED"
    ) -> str:
        refund_id = fresh(REFUND)
        requested = refund_command(order_id, payment_id, refund_id, amount=amount, reason=reason)
        assert not (await self.send(requested))["rejected"]
        await self.until("refunds", refund_id, status)
        return refund_id

    async def until(self, table: str, row_id: str, *statuses: str, timeout: float = 30) -> str:
        """Wait until the row has one of these statuses; returns which."""

        async def status() -> str | None:
            found: str | None = await self.pool.fetchval(f"SELECT status FROM {table} WHERE id = $1", row_id)
            return found if found in statuses else None

        return str(await eventually(status, timeout=timeout, what=f"{row_id} to be {statuses}"))

    async def settled(self, *, timeout: float = 60) -> None:
        """Wait until no payment and no refund is undecided."""

        async def none_open() -> bool:
            undecided = "SELECT (SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROCESSING'))"
            pending = " + (SELECT count(*) FROM refunds WHERE status = 'PENDING')"
            return int(await self.pool.fetchval(undecided + pending)) == 0

        await eventually(none_open, timeout=timeout, what="every attempt to be settled")

    async def silent(self, *, timeout: float = 60) -> None:
        """Wait until every word that the bank will ever take back is taken back and recorded."""
        unreported = "SELECT count(*) FROM bank.ledger WHERE late_at IS NOT NULL AND NOT notified"

        async def nothing_left() -> bool:
            return int(await self.pool.fetchval(unreported)) == 0

        await eventually(nothing_left, timeout=timeout, what="the bank to have said everything")


async def history(command_client: CommandClient) -> None:
    """A small history with every kind of event: declines, captures, partial, failed and automatic refunds."""
    orders = [await command_client.order(amount=50_000 + number) for number in range(8)]
    paid, captured, refunded, failed, retried, unknown, timed_out, late = orders
    await asyncio.gather(
        command_client.payment(paid),
        command_client.payment(failed, vpa="failure@upi", status="FAILED"),
        command_client.payment(unknown, vpa="unknown@upi"),
        command_client.payment(timed_out, vpa="timeout@upi", status="FAILED"),
        _late_payment(command_client, late),
        command_client.payment(retried, vpa="failure@upi", status="FAILED"),
    )
    await command_client.payment(retried)
    capturable = await command_client.payment(captured)
    assert not (await command_client.send(capture_command(captured, capturable)))["rejected"]
    assert (await command_client.send(capture_command(captured, capturable)))["rejected"]
    await _keyed(command_client)
    await _at_once(command_client)
    refundable = await command_client.payment(refunded)
    await command_client.refund(refunded, refundable, amount=20_000)
    await command_client.refund(refunded, refundable, amount=10_000, reason="fail_refund", status="FAILED")
    await command_client.refund(refunded, refundable, amount=20_000)
    await command_client.settled()


async def _keyed(command_client: CommandClient) -> None:
    """An order with an Idempotency-Key, and a capture with one that is refused: there is no such payment."""
    order_id = fresh(ORDER)
    keyed = command_client.record(
        order_command(order_id), "idk_order", nonce="n1", fingerprint={"amount": "aaaaaaaaaaaa"}
    )
    await command_client.publish([keyed])
    assert not (await command_client.decision("idk_order"))["rejected"]
    refused = command_client.record(
        capture_command(order_id, fresh(PAYMENT)), "idk_capture", nonce="n2", fingerprint={"amount": "bbbbbbbbbbbb"}
    )
    await command_client.publish([refused])
    assert (await command_client.decision("idk_capture"))["rejected"]


async def _at_once(command_client: CommandClient) -> None:
    """An order that is created with its payment, which the bank declines, and one that is refused with its payment."""
    order_id, payment_id = fresh(ORDER), fresh(PAYMENT)
    assert not (await command_client.send(both_command(order_id, payment_id, vpa="failure@upi")))["rejected"]
    await command_client.until("payments", payment_id, "FAILED")
    assert (await command_client.send(both_command(order_id, fresh(PAYMENT))))["rejected"]


async def _late_payment(command_client: CommandClient, order_id: str) -> None:
    """Called failed by the bank and charged later: given back. On a slow machine the charge may be in time."""
    payment_id = fresh(PAYMENT)
    assert not (await command_client.send(payment_command(order_id, payment_id, vpa="late@upi")))["rejected"]
    if await command_client.until("payments", payment_id, "FAILED", "SUCCESS") == "FAILED":
        await eventually(
            lambda: command_client.pool.fetchval("SELECT true FROM refunds WHERE payment_id = $1", payment_id),
            timeout=30,
            what="the late charge to be given back",
        )
