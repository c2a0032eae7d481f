"""What merchants do: a few clients on a few orders, keys and repeats, several requests at once. Each client remembers
exactly what it was told. The product's own routes answer, with their own errors.

Two clients share a desk, that is, a few orders of one merchant, so they get in each other's way. What a client does in
a turn is drawn from the seed, the client and the turn alone: a request that is left out disturbs no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.access.auth import authenticated
from api.http.errors import answer_of
from api.routes import orders, payments, refunds
from simulation.merchants import MERCHANTS, Merchant

if TYPE_CHECKING:
    from simulation.roles import App
    from simulation.world import World

DEFINITE = (400, 404, 422)
"""Refusals. Everything else that is not 2xx means unknown, or not taken."""
CLIENTS_A_DESK = 2
TRIES_MAX = 5
Place = tuple[int, int, int]
Route = Callable[..., Awaitable[Response]]


@dataclass(eq=False, slots=True)
class Try:
    """One request over HTTP and what came back. `status` 0: not taken; None: unknown."""

    request_id: str
    sent_at: float
    status: int | None = None
    body: dict[str, Any] = field(default_factory=dict)
    answered_at: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status in (200, 201, 202)

    @property
    def refused(self) -> bool:
        return self.status in DEFINITE

    @property
    def said(self) -> str:
        if self.accepted:
            return f"{self.status} {self.body['id']} {self.body['status']}"
        return f"{self.status} {self.body.get('error', {}).get('description', '')}"


@dataclass(eq=False, slots=True)
class Wanted:
    """Something that a client wants, and all its tries. Without a key there is one try: another would be another
    request."""

    place: Place
    kind: str
    key: str | None
    route: Route
    body: dict[str, Any]
    about: str
    """Id of the order, or of the payment that is captured."""
    tries: list[Try] = field(default_factory=list)

    @property
    def told(self) -> list[Try]:
        return [one for one in self.tries if one.accepted]

    @property
    def resource_id(self) -> str | None:
        told = self.told
        return None if not told else str(told[-1].body["id"])

    def __str__(self) -> str:
        return f"{self.kind} {orjson.dumps(self.body).decode()} key={self.key}"


@dataclass(slots=True)
class Desk:
    """Orders of a merchant that some clients share."""

    merchant: Merchant
    orders: list[Wanted] = field(default_factory=list)
    payments: list[Wanted] = field(default_factory=list)
    all: list[Wanted] = field(default_factory=list)


class Shop:
    """All clients of one world."""

    def __init__(self) -> None:
        self.desks: list[Desk] = []
        self.requests = 0
        self.reads: list[tuple[str, Try]] = []
        """Reads of what was promised before: (id, how it went)."""

    @property
    def wanted(self) -> list[Wanted]:
        return [one for desk in self.desks for one in desk.all]

    async def run(self, world: World) -> None:
        count = world.plan.clients
        self.desks = [Desk(MERCHANTS[number % len(MERCHANTS)]) for number in range(-(-count // CLIENTS_A_DESK))]
        async with asyncio.TaskGroup() as group:
            for client in range(count):
                group.create_task(self._client(world, client, self.desks[client // CLIENTS_A_DESK]))

    async def _client(self, world: World, client: int, desk: Desk) -> None:
        for turn in range(world.plan.turns):
            draw = random.Random(f"{world.plan.seed}/client/{client}/{turn}")
            await asyncio.sleep(draw.choice((0.0, 0.02, 0.2, 1.0)) * draw.random())
            async with asyncio.TaskGroup() as group:
                for place, wanted in enumerate(self._actions(draw, desk, client, turn)):
                    seed = f"{world.plan.seed}/{client}/{turn}/{place}"
                    if world.plan.requests is None or (client, turn, place) in world.plan.requests:
                        group.create_task(self._pursue(world, wanted, random.Random(seed)))
            if draw.random() < 0.3:
                await self._read(world, draw, desk, f"g{client}.{turn}")

    def _actions(self, draw: random.Random, desk: Desk, client: int, turn: int) -> list[Wanted]:
        """What the client sends at once."""
        known = [one for one in desk.orders if one.resource_id is not None]
        if not known or (len(known) < 8 and draw.random() < 0.2):
            amount = draw.choice((500, 70_000, 123_400))
            return [self._new(draw, desk, (client, turn, 0), "order", orders.create_order, {"amount": amount}, "")]
        order = known[int(len(known) * max(draw.random(), draw.random()))]  # the younger ones rather
        count = draw.choice((1, 1, 2, 3))
        return [self._about(draw, desk, order, (client, turn, place)) for place in range(count)]

    def _about(self, draw: random.Random, desk: Desk, order: Wanted, place: Place) -> Wanted:
        chance = draw.random()
        order_id = str(order.resource_id)
        paid = [one for one in desk.payments if one.about == order_id and one.resource_id is not None]
        if chance < 0.1:
            return order if order.key is not None else self._pay(draw, desk, order_id, place)
        if chance < 0.3:
            earlier = [one for one in desk.all if one.about == order_id and one.key is not None]
            if earlier:
                again = draw.choice(earlier)
                return self._other(again, place) if again.kind == "refund" and draw.random() < 0.5 else again
        elif chance < 0.4 and paid:
            payment_id = str(draw.choice(paid).resource_id)
            return self._new(draw, desk, place, "capture", payments.capture, {}, payment_id)
        elif chance < 0.7 and paid:
            amount = draw.choice((order.body["amount"], order.body["amount"], order.body["amount"] // 2, 100))
            body = {"payment_id": draw.choice(paid).resource_id, "amount": amount}
            return self._new(draw, desk, place, "refund", refunds.create_refund, body, order_id)
        return self._pay(draw, desk, order_id, place)

    def _other(self, earlier: Wanted, place: Place) -> Wanted:
        """Another refund by mistake under a key that is taken."""
        body = earlier.body | {"amount": earlier.body["amount"] + 1}
        return Wanted(place, earlier.kind, earlier.key, earlier.route, body, earlier.about)

    def _pay(self, draw: random.Random, desk: Desk, order_id: str, place: Place) -> Wanted:
        body = {"order_id": order_id, "method": "upi", "vpa": "payer@upi"}
        return self._new(draw, desk, place, "payment", payments.create_payment, body, order_id)

    def _new(
        self,
        draw: random.Random,
        desk: Desk,
        place: Place,
        kind: str,
        route: Route,
        body: dict[str, Any],
        about: str,
    ) -> Wanted:
        key = f"key-{'.'.join(map(str, place))}" if draw.random() < 0.75 else None
        return Wanted(place, kind, key, route, body, about)

    async def _pursue(self, world: World, wanted: Wanted, draw: random.Random) -> None:
        """Send it; again with the same key while it is unknown what became of it, and now and then for no reason."""
        desk = self.desks[wanted.place[0] // CLIENTS_A_DESK]
        if not wanted.tries:
            desk.all.append(wanted)
            {"order": desk.orders, "payment": desk.payments}.get(wanted.kind, []).append(wanted)
        for _ in range(TRIES_MAX):
            one = await self._send(world, wanted, draw)
            again = draw.random() < (0.12 if one.accepted or one.refused else 0.85)
            if wanted.key is None or not again:
                return
            await asyncio.sleep(draw.random() * draw.choice((0.0, 0.1, 1.0)))

    async def _send(self, world: World, wanted: Wanted, draw: random.Random) -> Try:
        self.requests += 1
        desk = self.desks[wanted.place[0] // CLIENTS_A_DESK]
        name = ".".join(map(str, wanted.place))
        one = Try(f"r{name}-{len(wanted.tries)}", world.scheduler.now)
        wanted.tries.append(one)
        world.trace.note("request", f"{one.request_id} {wanted}", wanted.about)
        arguments = (wanted.about,) if wanted.kind == "capture" else ()
        call = Call(one.request_id, desk.merchant, "POST", lambda request: wanted.route(request, *arguments))
        await _ask(world, draw, one, replace(call, body=wanted.body, key=wanted.key))
        about = wanted.about or str(one.body.get("id", ""))
        world.trace.note("answer", f"{one.request_id} {one.said}", about)
        return one

    async def _read(self, world: World, draw: random.Random, desk: Desk, name: str) -> None:
        """Somebody looks at something that was promised to exist."""
        known = sorted({str(one.body["id"]) for wanted in desk.all for one in wanted.told})
        if known:
            await self.read_one(world, draw, desk, draw.choice(known), name)

    async def read_one(self, world: World, draw: random.Random, desk: Desk, resource_id: str, name: str) -> Try:
        self.requests += 1
        one = Try(name, world.scheduler.now)
        self.reads.append((resource_id, one))
        await _ask(
            world, draw, one, Call(name, desk.merchant, "GET", lambda request: _read_route(request, resource_id))
        )
        world.trace.note("answer", f"{name} GET {resource_id}: {one.said}", resource_id)
        return one

    async def read_back(self, world: World) -> None:
        """When all is quiet: read everything that anybody was told to exist."""
        draw = random.Random(f"{world.plan.seed}/read")
        known = {str(one.body["id"]): desk for desk in self.desks for wanted in desk.all for one in wanted.told}
        for number, resource_id in enumerate(sorted(known)):
            await self.read_one(world, draw, known[resource_id], resource_id, f"b{number}")


async def _read_route(request: Request, resource_id: str) -> Response:
    caller = await authenticated(request)
    if resource_id.startswith("order_"):
        return await orders.read(request, resource_id, caller)
    if resource_id.startswith("pay_"):
        return await payments.read(request, resource_id, caller)
    return await refunds.read(request, resource_id, caller)


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request, and the route's own function, as the application calls it."""

    request_id: str
    merchant: Merchant
    method: str
    route: Callable[[Request], Awaitable[Response]]
    body: dict[str, Any] | None = None
    key: str | None = None


async def _ask(world: World, draw: random.Random, one: Try, call: Call) -> None:
    """One request to one of the API's workers; fills in what came back."""
    name = f"api-{draw.randrange(2)}"
    try:
        one.status, one.body = await world.request(name, lambda app: _answered(app, call))
    except ConnectionRefusedError:
        one.status = 0
    except OSError:
        one.status = None
    one.answered_at = world.scheduler.now


async def _answered(app: App, call: Call) -> tuple[int, Any]:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-api-key", call.merchant.key.encode()),
        (b"x-api-secret", call.merchant.secret.encode()),
    ]
    if call.key is not None:
        headers.append((b"idempotency-key", call.key.encode()))
    scope = {
        "type": "http",
        "method": call.method,
        "path": "/",
        "query_string": b"",
        "headers": headers,
        "app": app,
        "request_id": call.request_id,
    }
    content = b"" if call.body is None else orjson.dumps(call.body)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    request = Request(scope, receive)
    try:
        response = await call.route(request)
    except Exception as error:
        response = answer_of(request, error)
    return response.status_code, orjson.loads(response.body)
