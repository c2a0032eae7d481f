"""What merchants do: a few clients on a few orders, keys and repeats, several requests at once. Each client remembers
exactly its responses. They cannot distinguish what they talk to: a world, or a running gateway.

Two clients share a desk, that is, a few orders of one merchant, so they get in each other's way. What a client does in
a turn is drawn from the seed, the client and the turn alone: a request that is left out disturbs no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from domain.link import link_id
from simulation.merchants import MERCHANTS, Merchant
from simulation.plan import Place, Plan

DEFINITE = (400, 404, 422)
"""Refusals. Everything else that is not 2xx means unknown, or not taken."""
CLIENTS_A_DESK = 2
TRIES_MAX = 5
CAPTURES: tuple[tuple[str, dict[str, Any]], ...] = (("capture", {}), ("capture", {"amount": 200}), ("void", {}))
WORDS: tuple[dict[str, Any], ...] = (
    {},
    {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210"},
    {"description": "Two tickets", "notes": {"seat no.": "4"}},
)
"""What a payment says about its payer."""
PERSONAL = (
    "payer@upi",
    "Asha Rao",
    "asha@example.com",
    "9876543210",
    "Two tickets",
    "seat no.",
    "invoice-",
    "cart no.",
)
"""What requests contain of payers, in these and in references and notes of orders. No sealed text contains them by
chance: each has a character that is not in base64, or is long."""
ORDERS = frozenset({"order", "link", "both"})
"""What creates an order; `both`: with its first payment."""
KINDS = {"order": "orders", "pay": "payments", "rfnd": "refunds"}
PATHS = {
    "order": "/orders",
    "link": "/payment-links",
    "resend": "/payment-links/{}/resend",
    "payment": "/payments",
    "both": "/payments",
    "refund": "/refunds",
    "capture": "/payments/{}/capture",
    "cancel": "/orders/{}/cancel",
    "void": "/payments/{}/void",
    "leave": "/payments/{}/cancel",
}


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request. `path` without the API's prefix; `request_id`: the name by which the clients know it."""

    request_id: str
    merchant: Merchant
    method: str
    path: str
    body: dict[str, Any] | None = None
    key: str | None = None


class Front(Protocol):
    """A gateway as its clients see it: simulated, or a running one."""

    def now(self) -> float:
        """Seconds, by the clients' clock."""

    def note(self, kind: str, text: str, about: str) -> None:
        """What a history tells."""

    async def call(self, call: Call, worker: int) -> tuple[int, Any]:
        """Status and body. Raises ConnectionRefusedError (not taken) or another OSError (unknown)."""


@dataclass(eq=False, slots=True)
class Try:
    """One request over HTTP and what came back. `status` 0: not taken; None: unknown."""

    request_id: str
    sent_at: float
    status: int | None = None
    body: dict[str, Any] = field(default_factory=dict)
    ended_at: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status in (200, 201, 202)

    @property
    def refused(self) -> bool:
        return self.status in DEFINITE

    @property
    def shown(self) -> str:
        if self.accepted:
            return f"{self.status} {self.body['id']} {self.body['status']}"
        return f"{self.status} {self.body.get('error', {}).get('description', '')}"


@dataclass(eq=False, slots=True)
class Intent:
    """Something that a client wants, and all its tries. Without a key there is one try: another would be another
    request."""

    place: Place
    kind: str
    key: str | None
    body: dict[str, Any]
    about: str
    """Id of the order, or of the payment that is captured, voided or left."""
    tries: list[Try] = field(default_factory=list)

    @property
    def accepted_tries(self) -> list[Try]:
        return [one for one in self.tries if one.accepted]

    @property
    def resource_id(self) -> str | None:
        """Of the requested resource."""
        accepted_tries = self.accepted_tries
        return None if not accepted_tries else str(accepted_tries[-1].body["id"])

    @property
    def order_id(self) -> str | None:
        """Of the requested order."""
        accepted_tries = self.accepted_tries
        return None if not accepted_tries else str(accepted_tries[-1].body["order_id" if self.kind == "both" else "id"])

    @property
    def of_order(self) -> str | None:
        """The order that a payment pays."""
        return self.order_id if self.kind == "both" else self.about

    @property
    def fields(self) -> dict[str, Any]:
        """What the answer must show, of the order as well."""
        order: dict[str, Any] = self.body.get("order", {})
        return order | self.body

    def names(self, one: Try) -> set[str]:
        """Ids of what this answer says there is."""
        return {str(one.body[name]) for name in (("id", "order_id") if self.kind == "both" else ("id",))}

    def __str__(self) -> str:
        return f"{self.kind} {orjson.dumps(self.body).decode()} key={self.key}"


@dataclass(slots=True)
class Desk:
    """Orders of a merchant that some clients share."""

    merchant: Merchant
    orders: list[Intent] = field(default_factory=list)
    payments: list[Intent] = field(default_factory=list)
    all: list[Intent] = field(default_factory=list)


class Shop:
    """All clients of one gateway. `keys`: what their Idempotency-Keys begin with.

    `expires_at`: an instant of the clients' clock as text; None: no order expires, as on a gateway that needs minutes.
    `codes`: some payments begin with a QR code, which needs somebody who scans it.
    """

    def __init__(
        self,
        plan: Plan,
        merchants: Sequence[Merchant] = MERCHANTS,
        *,
        keys: str = "key",
        expires_at: Callable[[float], str] | None = None,
        codes: bool = True,
    ) -> None:
        self.plan = plan
        self._codes = codes
        self._expires_at = expires_at
        self._keys = keys
        count = -(-plan.clients // CLIENTS_A_DESK)
        self.desks = [Desk(merchants[number % len(merchants)]) for number in range(count)]
        self.requests = 0
        self.reads: list[tuple[str, Try]] = []
        """Reads of what was promised before: (id, how it went)."""

    @property
    def intents(self) -> list[Intent]:
        return [one for desk in self.desks for one in desk.all]

    async def run(self, front: Front) -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(self.plan.clients):
                group.create_task(self._client(front, client, self.desks[client // CLIENTS_A_DESK]))

    async def _client(self, front: Front, client: int, desk: Desk) -> None:
        for turn in range(self.plan.turns):
            draw = random.Random(f"{self.plan.seed}/client/{client}/{turn}")
            await asyncio.sleep(draw.choice((0.0, 0.02, 0.2, 1.0, 3.0)) * draw.random())
            async with asyncio.TaskGroup() as group:
                for place, intent in enumerate(self._actions(draw, desk, client, turn, front.now())):
                    seed = f"{self.plan.seed}/{client}/{turn}/{place}"
                    if self.plan.requests is None or (client, turn, place) in self.plan.requests:
                        group.create_task(self._pursue(front, intent, random.Random(seed)))
            if draw.random() < 0.3:
                await self._read(front, draw, desk, f"g{client}.{turn}")

    def _actions(self, draw: random.Random, desk: Desk, client: int, turn: int, now: float) -> list[Intent]:
        """What the client sends at once."""
        known = [one for one in desk.orders if one.order_id is not None]
        if not known or (len(known) < 8 and draw.random() < 0.2):
            amount = draw.choice((500, 70_000, 123_400))
            body: dict[str, Any] = {"amount": amount}
            chance = draw.random()
            if chance < 0.25:
                body["capture"] = "automatic"
            elif chance < 0.4:
                body["capture_within_minutes"] = 1
            if (client + turn) % 3 == 0:
                body |= {"receipt": f"invoice-{client}.{turn}", "notes": {"cart no.": str(turn)}}
            if self._expires_at is not None and draw.random() < 0.4:
                body["expires_at"] = self._expires_at(now + draw.choice((1.0, 4.0, 12.0)) * (0.5 + draw.random()))
            # Not drawn, as in _pay.
            kind = {2: "both", 4: "link"}.get((client + turn) % 5, "order")
            if kind == "link" and "receipt" in body:
                body["reference"] = body.pop("receipt")
            if kind == "both":
                body = {"order": body, "method": "upi", "vpa": "payer@upi"}
                if turn % 4 == 3:
                    body["amount"] = amount + 1  # refused with its order
            return [self._new(draw, (client, turn, 0), kind, body, "")]
        order = known[int(len(known) * max(draw.random(), draw.random()))]  # the younger ones rather
        count = draw.choice((1, 1, 2, 3))
        return [self._about(draw, desk, order, (client, turn, place)) for place in range(count)]

    def _about(self, draw: random.Random, desk: Desk, order: Intent, place: Place) -> Intent:
        chance = draw.random()
        order_id = str(order.order_id)
        paid = [one for one in desk.payments if one.of_order == order_id and one.resource_id is not None]
        if chance < 0.1:
            return order if order.key is not None else self._pay(draw, order_id, place)
        if chance < 0.3:
            earlier = [one for one in desk.all if one.about == order_id and one.key is not None]
            if earlier:
                again = draw.choice(earlier)
                return self._other(again, place) if again.kind == "refund" and draw.random() < 0.5 else again
        elif chance < 0.35:
            # Not drawn, as in _pay.
            if paid and sum(place) % 2:
                return self._new(draw, place, "leave", {}, str(paid[-1].resource_id))
            kind = "resend" if order.kind == "link" and sum(place) % 2 == 0 else "cancel"
            return self._new(draw, place, kind, {}, order_id)
        elif chance < 0.45 and paid:
            payment_id = str(draw.choice(paid).resource_id)
            capture, terms = draw.choice(CAPTURES)
            if sum(place) % 3 == 0:
                capture, terms, payment_id = "leave", {}, str(paid[-1].resource_id)
            return self._new(draw, place, capture, dict(terms), payment_id)
        elif chance < 0.7 and paid:
            amount = draw.choice((order.fields["amount"], None, order.fields["amount"] // 2, 100))
            body = {"payment_id": draw.choice(paid).resource_id} | ({} if amount is None else {"amount": amount})
            return self._new(draw, place, "refund", body, order_id)
        return self._pay(draw, order_id, place)

    def _other(self, earlier: Intent, place: Place) -> Intent:
        """Another refund by mistake under a key that is taken."""
        body = earlier.body | {"amount": earlier.body.get("amount", 0) + 1}
        return Intent(place, earlier.kind, earlier.key, body, earlier.about)

    def _pay(self, draw: random.Random, order_id: str, place: Place) -> Intent:
        body: dict[str, Any] = {"order_id": order_id, "method": "upi", "vpa": "payer@upi"}
        # Not drawn: what a client does later in its turn stays as it was.
        if self._codes and sum(place) % 4 == 1:
            body = {"order_id": order_id, "method": "upi", "flow": "qr"}
        body |= WORDS[sum(place) % len(WORDS)]
        return self._new(draw, place, "payment", body, order_id)

    def _new(self, draw: random.Random, place: Place, kind: str, body: dict[str, Any], about: str) -> Intent:
        key = f"{self._keys}-{'.'.join(map(str, place))}" if draw.random() < 0.75 else None
        return Intent(place, kind, key, body, about)

    async def _pursue(self, front: Front, intent: Intent, draw: random.Random) -> None:
        """Send it; again with the same key while it is unknown what became of it, and now and then for no reason."""
        desk = self.desks[intent.place[0] // CLIENTS_A_DESK]
        if not intent.tries:
            desk.all.append(intent)
            if intent.kind in ORDERS:
                desk.orders.append(intent)
            if intent.kind in ("payment", "both"):
                desk.payments.append(intent)
        for _ in range(TRIES_MAX):
            one = await self._send(front, intent, draw)
            again = draw.random() < (0.12 if one.accepted or one.refused else 0.85)
            if intent.key is None or not again:
                return
            await asyncio.sleep(draw.random() * draw.choice((0.0, 0.1, 1.0)))

    async def _send(self, front: Front, intent: Intent, draw: random.Random) -> Try:
        self.requests += 1
        desk = self.desks[intent.place[0] // CLIENTS_A_DESK]
        name = ".".join(map(str, intent.place))
        one = Try(f"r{name}-{len(intent.tries)}", front.now())
        intent.tries.append(one)
        front.note("request", f"{one.request_id} {intent}", intent.about)
        about = link_id(intent.about) if intent.kind == "resend" else intent.about
        path = PATHS[intent.kind].format(about)
        await _request(front, draw, one, Call(one.request_id, desk.merchant, "POST", path, intent.body, intent.key))
        if "order_id" in one.body and intent.kind in ("link", "resend"):
            one.body["id"] = one.body["order_id"]  # clients know a link by its order
        about = intent.about or str(one.body.get("order_id" if intent.kind == "both" else "id", ""))
        front.note("answer", f"{one.request_id} {one.shown}", about)
        return one

    async def _read(self, front: Front, draw: random.Random, desk: Desk, name: str) -> None:
        """Somebody looks at something that was promised to exist."""
        known = sorted({name for intent in desk.all for one in intent.accepted_tries for name in intent.names(one)})
        if known:
            await self.read_one(front, draw, desk, draw.choice(known), name)

    async def read_one(self, front: Front, draw: random.Random, desk: Desk, resource_id: str, name: str) -> Try:
        self.requests += 1
        one = Try(name, front.now())
        self.reads.append((resource_id, one))
        path = f"/{KINDS[resource_id.partition('_')[0]]}/{resource_id}"
        await _request(front, draw, one, Call(name, desk.merchant, "GET", path))
        front.note("answer", f"{name} GET {resource_id}: {one.shown}", resource_id)
        return one

    async def read_back(self, front: Front) -> None:
        """When all is quiet: read everything that a client was shown to exist."""
        draw = random.Random(f"{self.plan.seed}/read")
        known = {
            name: desk
            for desk in self.desks
            for intent in desk.all
            for one in intent.accepted_tries
            for name in intent.names(one)
        }
        for number, resource_id in enumerate(sorted(known)):
            await self.read_one(front, draw, known[resource_id], resource_id, f"b{number}")


async def _request(front: Front, draw: random.Random, one: Try, call: Call) -> None:
    """One request to one of the API's workers; fills in what came back."""
    worker = draw.randrange(2)
    try:
        one.status, one.body = await front.call(call, worker)
    except ConnectionRefusedError:
        one.status = 0
    except OSError:
        one.status = None
    one.ended_at = front.now()
