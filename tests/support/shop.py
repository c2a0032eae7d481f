"""A merchant without the API: endpoints as rows, orders and payments as commands on the log.

async with open_shop(settings) as shop:
    endpoint = await shop.endpoint(url, events=["payment.success"])
    payment_id = await shop.pay()
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg

from domain.decision import Command
from domain.ids import ENDPOINT, MERCHANT, ORDER, PAYMENT
from domain.instrument import Upi
from domain.order import CreateOrder
from domain.payment import CreatePayment
from domain.signature import SECRET_BYTES, new_secret
from runtime.clock import make_id, now, random_token
from runtime.secrets import Sealed, seal
from runtime.settings import Settings
from store.webhooks.endpoints import NewEndpoint, change_endpoint, insert_endpoint
from tests.support.witness import somebody
from topics.commands import command_record
from topics.producer import LogProducer, Record


@dataclass(frozen=True, slots=True)
class ShopEndpoint:
    id: str
    secret: str


@dataclass(slots=True)
class Shop:
    """One merchant of its own, so that tests do not see each other's deliveries."""

    settings: Settings
    pool: asyncpg.Pool
    producer: LogProducer
    merchant_id: str = field(default_factory=lambda: make_id(MERCHANT))

    async def open(self) -> None:
        await self.pool.execute(
            "INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, 'Shop', $1 || '@example.com', 'none')",
            self.merchant_id,
        )

    async def endpoint(
        self, url: str, *, events: Sequence[str] = (), ordering: str = "per_payment", active: bool = True
    ) -> ShopEndpoint:
        secret = new_secret(os.urandom(SECRET_BYTES))
        endpoint_id = make_id(ENDPOINT)
        sealed = seal(secret, self.settings.keys, Sealed.WEBHOOK_SECRET, endpoint_id)
        new = NewEndpoint(endpoint_id, self.merchant_id, url, events, None, ordering, active, sealed, secret[-4:])
        return ShopEndpoint(
            (await insert_endpoint(self.pool, new, somebody(self.settings, self.merchant_id))).id, secret
        )

    async def switch(self, endpoint_id: str, *, active: bool) -> None:
        seen = somebody(self.settings, self.merchant_id)
        await change_endpoint(self.pool, self.merchant_id, endpoint_id, {"active": active}, now(), seen)

    async def pay(self, *, vpa: str = "success@upi") -> str:
        """One order and one payment; the payment's id."""
        return (await self.pay_many(1, vpa=vpa))[0]

    async def pay_many(self, count: int, *, vpa: str = "success@upi") -> list[str]:
        """So many orders with a payment each, in one go."""
        records: list[Record] = []
        payment_ids = [make_id(PAYMENT) for _ in range(count)]
        for payment_id in payment_ids:
            order_id = make_id(ORDER)
            order = CreateOrder(order_id, self.merchant_id, 50_000, "INR", None, {})
            payment = CreatePayment(
                order_id=order_id,
                payment_id=payment_id,
                merchant_id=self.merchant_id,
                instrument=Upi(vpa),
                token=vpa,
                amount=None,
                currency=None,
                deadline_at=now() + timedelta(seconds=5),
            )
            records += (_record(order, self.settings), _record(payment, self.settings))
        await self.producer.publish(records, timeout=30)
        return payment_ids

    async def logs(self, **columns: Any) -> list[asyncpg.Record]:
        """The merchant's delivery rows, oldest first, where these columns have these values."""
        rows = await self.pool.fetch(
            "SELECT * FROM webhook_logs WHERE merchant_id = $1 ORDER BY created_at, payment_id, sequence",
            self.merchant_id,
        )
        return [row for row in rows if all(row[name] == value for name, value in columns.items())]

    async def attempts(self, log_id: Any) -> list[asyncpg.Record]:
        return await self.pool.fetch("SELECT * FROM webhook_attempts WHERE log_id = $1 ORDER BY attempt", log_id)


def _record(command: Command, settings: Settings) -> Record:
    return command_record(
        command, command_id=random_token(), at=now(), partitions=settings.topic_partitions, request_id="req_shop"
    )


@contextlib.asynccontextmanager
async def open_shop(settings: Settings, merchant_id: str = "") -> AsyncIterator[Shop]:
    """A new merchant on a running stack, or one that exists."""
    producer = LogProducer(settings)
    await producer.start()
    pool = await asyncpg.create_pool(settings.database_url.get_secret_value(), min_size=0, max_size=3)
    try:
        shop = Shop(settings, pool, producer)
        if merchant_id:
            shop.merchant_id = merchant_id
        else:
            await shop.open()
        yield shop
    finally:
        await producer.stop()
        await pool.close()
