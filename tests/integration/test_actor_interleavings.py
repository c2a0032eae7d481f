"""Random interleavings of the actor on the real PostgreSQL: the owner of the partition dies between any two steps.

    load ─► decide ─► write ─► reply ─► publish ─► ack          one step at a time, the seed says whose is next

Owners die at any step, two of them work on the same records at once, offsets are lost, partitions are handed over in
the middle of a batch. Clients repeat requests under their keys, the bank answers twice and too early. Only the log is
in memory, so that a seed repeats its schedule. A failure names its seed: `INTERLEAVING_SEED=<seed>` runs it alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from agents.payments.actor import OtherOwnerError, PaymentActor
from agents.payments.intake import Incoming
from domain.decision import Command
from domain.ids import ORDER, PAYMENT, REFUND
from domain.outcome import Outcome
from domain.payment import CreatePayment, SettlePayment
from ops.audit.verify.fold import fold
from runtime.clock import now
from runtime.settings import Settings
from store.actor import ActorStore, Batch, Inbox
from store.redis.replies import Flag, Reply
from tests.support.actor import Bench
from tests.support.command_client import capture_command, fresh, order_command, payment_command, refund_command
from topics.catalogue import COMMANDS, EVENTS
from topics.deadletter import Origin
from topics.envelope import HEADER_REPLY_TO
from topics.producer import Record
from topics.proof import proofs_of

FIXED_SEEDS = (*range(12), 2006, 108_346)
ACTIONS = 220
STEP_SECONDS = 30.0


def seeds() -> list[int]:
    chosen = os.environ.get("INTERLEAVING_SEED")
    return [int(chosen)] if chosen else [*FIXED_SEEDS, secrets.randbelow(1_000_000)]


@pytest.mark.parametrize("seed", seeds(), ids=lambda seed: str(seed) if seed in FIXED_SEEDS else "chosen")
async def test_whatever_happens_between_two_steps_money_moves_once_and_refusals_have_no_effect(
    bench: Bench, seed: int
) -> None:
    world = World(bench, seed)
    await world.run()
    await world.check()


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class Owner:
    """One process that owns the partition. It waits before each of its steps until it is given a turn."""

    def __init__(self, world: World, position: int) -> None:
        self._world = world
        self._position = position
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits = asyncio.Event()
        self._store = SteppedStore(world.settings, self)
        self.actor = SteppedActor(
            self._store,
            Topic(world, self),  # type: ignore[arg-type]
            world.bench.redis,
            inbox_days=world.settings.idempotency_retention_days,
            proofs=proofs_of(world.settings),
        )
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                await self.step()
                batch = self._world.commands[self._position : self._position + self._world.rng.randint(1, 6)]
                if not batch:
                    continue
                prepared = await self.actor.prepare(batch)
                await self.step()
                self._world.notify(reply for replies in prepared.replies.values() for reply in replies)
                await self.step()
                await self.actor.finish(prepared)
                await self.step()
                self._position += len(batch)
                self._world.committed = max(self._world.committed, self._position)
        finally:
            await self._store.stop()

    async def step(self) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        self._waits.set()
        await self._turn

    async def advance(self, error: BaseException | None = None) -> None:
        """Run to the next step, or die here and now. Returns when the owner waits again or has ended."""
        async with asyncio.timeout(STEP_SECONDS):
            await self._until_it_waits()
            if self.task.done():
                return
            self._waits.clear()
            if error is None:
                self._turn.set_result(None)
            else:
                self._turn.set_exception(error)
            await self._until_it_waits()

    async def _until_it_waits(self) -> None:
        waiting = asyncio.create_task(self._waits.wait())
        await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def kill(self) -> None:
        await self.advance(Killed())
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def is_up_to_date(self) -> bool:
        return self._position >= len(self._world.commands)


class SteppedActor(PaymentActor):
    """Replies are told by the owner, as a step of its own."""

    async def _reply(self, replies: dict[str, list[Reply]], wakes: dict[str, str]) -> None:
        return


class SteppedStore(ActorStore):
    """The real store, with a step before and after everything it does: a crash on either side of a commit."""

    def __init__(self, settings: Settings, owner: Owner) -> None:
        super().__init__(settings)
        self._owner = owner

    async def load_inbox(self, requests: Iterable[tuple[str, str]]) -> Inbox:
        await self._owner.step()
        return await super().load_inbox(requests)

    async def load_orders(self, order_ids: Any) -> Any:
        await self._owner.step()
        return await super().load_orders(order_ids)

    async def write(self, batch: Batch) -> None:
        await self._owner.step()
        await super().write(batch)
        await self._owner.step()


class Topic:
    """What an owner publishes to: the first half of a batch may be there without the second."""

    def __init__(self, world: World, owner: Owner) -> None:
        self._world = world
        self._owner = owner

    async def publish(self, records: list[Record]) -> None:
        half = len(records) // 2
        self._world.published.extend(records[:half])
        await self._owner.step()
        self._world.published.extend(records[half:])


class World:
    """The log, the clients and what they were told, the bank, the owners; and the seed that moves them."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.settings = bench.command_client.settings
        self.seed = seed
        self.rng = random.Random(seed)
        self.commands: list[Incoming] = []
        self.committed = 0
        self.published: list[Record] = []
        self.owners: list[Owner] = []
        self.orders = [fresh(ORDER) for _ in range(3)]
        self.payments: dict[str, str] = {}
        self.keyed: list[tuple[Command, str]] = []
        self.sent: dict[str, set[str]] = defaultdict(set)
        self.received: dict[tuple[str, str], set[Flag]] = defaultdict(set)
        self.bodies: dict[tuple[str, str], str] = {}
        self.settled: dict[str, set[Outcome]] = defaultdict(set)

    async def run(self) -> None:
        """Random actions, then one owner that is left alone until it has decided everything."""
        for order_id in self.orders:
            self._send(order_command(order_id))
        for _ in range(ACTIONS):
            await self._act()
        for owner in self.owners:
            await owner.kill()
        # The sweeper: the bank is asked about every attempt, and what it says counts, whatever came too early.
        for payment_id, order_id in self.payments.items():
            self._settle(order_id, payment_id)
        last = Owner(self, self.committed)
        while not last.is_up_to_date:
            await last.advance()
            if last.task.done():
                last.task.result()
        await last.kill()

    async def _act(self) -> None:
        if not self.owners:
            self.owners.append(Owner(self, self.committed))
        owner = self.rng.choice(self.owners)
        actions = {
            self._request: 10,
            self._repeat: 6,
            self._response: 8,
            self._advance: 70,
            self._kill: 3,
            self._second: 2,
            self._rewind: 1,
            self._assign: 1,
        }
        (action,) = self.rng.choices(list(actions), weights=list(actions.values()))
        await action(owner)
        for one in [one for one in self.owners if one.task.done()]:
            self.owners.remove(one)
            error = one.task.exception()
            assert error is None or isinstance(error, Killed | OtherOwnerError), f"seed {self.seed}: {error!r}"

    # What clients and the bank do

    async def _request(self, _owner: Owner) -> None:
        order_id = self.rng.choice(self.orders)
        payments = [payment_id for payment_id, of_order in self.payments.items() if of_order == order_id]
        kind = self.rng.choice(("order", "pay", "pay", "capture", "refund", "refund"))
        command: Command
        if kind == "order":
            command = order_command(order_id)
        elif kind == "pay" or not payments:
            command = payment_command(order_id, fresh(PAYMENT))
            if self.rng.random() < 0.2:
                self._settle(order_id, command.payment_id)
        elif kind == "capture":
            command = capture_command(order_id, self.rng.choice(payments))
        else:
            command = refund_command(order_id, self.rng.choice(payments), fresh(REFUND), amount=20_000)
        if self.rng.random() < 0.7:
            self.keyed.append((command, "idk_" + secrets.token_hex(16)))
            self._send(*self.keyed[-1])
        else:
            self._send(command)

    async def _repeat(self, _owner: Owner) -> None:
        """A client that was refused, or heard nothing, sends the same key again."""
        if self.keyed:
            self._send(*self.rng.choice(self.keyed))

    async def _response(self, _owner: Owner) -> None:
        """The bank's word about a payment that it was asked about, or, once in a while, has not been yet."""
        if self.payments:
            payment_id, order_id = self.rng.choice(list(self.payments.items()))
            if self._is_on_topic(payment_id) or self.rng.random() < 0.1:
                self._settle(order_id, payment_id)

    def _settle(self, order_id: str, payment_id: str) -> None:
        outcome = Outcome.SUCCESS if self.rng.random() < 0.5 else Outcome.FAILED
        if self.settled[payment_id]:
            (outcome,) = self.settled[payment_id]
        self.settled[payment_id].add(outcome)
        code = None if outcome is Outcome.SUCCESS else "UPI_DECLINED"
        command = SettlePayment(order_id, payment_id, outcome, code, None, "bank_1", now() + timedelta(minutes=1))
        self._append(command, f"stl_{payment_id}_{outcome}", "")

    def _send(self, command: Command, key: str | None = None) -> None:
        if isinstance(command, CreatePayment):
            self.payments[command.payment_id] = command.order_id
        self._append(command, key or f"cmd_{secrets.token_hex(8)}", "" if key is None else secrets.token_hex(8))

    def _append(self, command: Command, command_id: str, nonce: str) -> None:
        self.sent[command_id].add(nonce)
        record = self.bench.command_client.record(command, command_id, nonce=nonce)
        origin = Origin(COMMANDS, 0, len(self.commands))
        headers = list(record.headers)
        if not isinstance(command, SettlePayment):
            headers.append((HEADER_REPLY_TO, b"client"))
        self.commands.append(Incoming(record.key, record.value, headers, origin, now()))

    def notify(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            self.received[reply.command_id, reply.nonce].add(reply.flag)
            self.bodies[reply.command_id, reply.nonce] = reply.body

    # What happens to owners

    async def _advance(self, owner: Owner) -> None:
        await owner.advance()

    async def _kill(self, owner: Owner) -> None:
        await owner.kill()

    async def _second(self, _owner: Owner) -> None:
        """A successor starts while its predecessor is still at work."""
        if len(self.owners) < 2:
            self.owners.append(Owner(self, self.committed))

    async def _rewind(self, owner: Owner) -> None:
        """The last commits of offsets are lost with the owner."""
        await owner.kill()
        self.committed = self.rng.randint(max(0, self.committed - 20), self.committed)

    async def _assign(self, owner: Owner) -> None:
        owner.actor.forget()

    # What must be true in the end

    async def check(self) -> None:
        decided = await self._decided()
        for request, flags in self.received.items():
            assert flags == {Flag.REJECTED} or Flag.REJECTED not in flags, self._about(request, "answered both ways")
            if flags == {Flag.REJECTED}:
                assert decided[request] == (True, 0), self._about(request, "was refused, and had an effect")
        by_cause = await self._events_by_cause()
        for command_id, nonces in self.sent.items():
            responses = [self.received.get((command_id, nonce), set()) for nonce in nonces]
            if all(flags == {Flag.REJECTED} for flags in responses):
                assert not by_cause[command_id], self._about(command_id, "was refused to everybody, and had an effect")
            created = [kind for kind in by_cause[command_id] if kind.endswith(".created")]
            assert len(created) <= 1, self._about(command_id, f"had an effect {len(created)} times")
        await self._check_what_was_accepted()
        await self._check_money()
        await self._check_topic()

    def _about(self, subject: object, what: str) -> str:
        return f"INTERLEAVING_SEED={self.seed}: {subject} {what}"

    async def _decided(self) -> dict[tuple[str, str], tuple[bool, int]]:
        rows = await self.bench.command_client.pool.fetch(
            "SELECT id, nonce, rejected, event_count FROM commands WHERE order_id = ANY($1)", self.orders
        )
        return {(row["id"], row["nonce"]): (row["rejected"], row["event_count"]) for row in rows}

    async def _events_by_cause(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for record in await self._events():
            found[record["caused_by"]].append(record["type"])
        return found

    async def _events(self) -> list[dict[str, Any]]:
        rows = await self.bench.command_client.pool.fetch(
            "SELECT payload FROM events WHERE order_id = ANY($1) ORDER BY order_id, sequence", self.orders
        )
        return [orjson.loads(row["payload"]) for row in rows]

    async def _check_what_was_accepted(self) -> None:
        """Each 2xx exists."""
        tables = {ORDER: "orders", PAYMENT: "payments", REFUND: "refunds"}
        for request, flags in self.received.items():
            if flags != {Flag.REJECTED} and self.bodies[request]:
                resource_id = orjson.loads(self.bodies[request])["id"]
                table = tables[resource_id[: resource_id.index("_") + 1]]
                there = await self.bench.command_client.pool.fetchval(
                    f"SELECT true FROM {table} WHERE id = $1", resource_id
                )
                assert there, self._about(request, f"was accepted, but {resource_id} does not exist")

    async def _check_money(self) -> None:
        """The verifier's own rules hold, nothing is left undecided, and the bank's word counted."""
        histories: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in await self._events():
            histories[record["key"]].append(record)
        for order_id, history in histories.items():
            assert not fold(order_id, history).findings, self._about(order_id, "breaks a rule")
        rows = await self.bench.command_client.pool.fetch(
            "SELECT id, status, amount_refunded FROM payments WHERE order_id = ANY($1)", self.orders
        )
        for row in rows:
            (outcome,) = self.settled[row["id"]]
            expected = "SUCCESS" if outcome is Outcome.SUCCESS else "FAILED"
            assert row["status"] == expected, self._about(row["id"], f"is {row['status']}, the bank's word: {outcome}")
            refunded = await self.bench.command_client.pool.fetchval(
                "SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = $1", row["id"]
            )
            assert row["amount_refunded"] == refunded, self._about(row["id"], "has another sum of refunds")

    async def _check_topic(self) -> None:
        """Every event is on the topic with the bytes of the table, and first sights are in sequence."""
        rows = await self.bench.command_client.pool.fetch(
            "SELECT order_id, payload FROM events WHERE order_id = ANY($1) ORDER BY order_id, sequence", self.orders
        )
        seen: dict[str, list[str]] = defaultdict(list)
        for record in self.published:
            if record.topic == EVENTS and record.value.decode() not in seen[record.key.decode()]:
                seen[record.key.decode()].append(record.value.decode())
        for order_id in self.orders:
            recorded = [row["payload"] for row in rows if row["order_id"] == order_id]
            assert seen[order_id] == recorded, self._about(order_id, "differs between table and topic")
        letters = {dict(record.headers)["reason"] for record in self.published if record.topic != EVENTS}
        assert letters <= {b"unknown_attempt"}, self._about(letters, "are reasons of dead letters")

    def _is_on_topic(self, payment_id: str) -> bool:
        return any(payment_id.encode() in record.value for record in self.published if record.topic == EVENTS)
