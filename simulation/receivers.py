"""The merchants' servers: what each received, and its response. Replaces agents.webhooks.sender.Sender."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from agents.webhooks.sender import Sender
from domain.delivery import HttpResponse, Prepared, Sent
from simulation.faults import between, delay_seconds

if TYPE_CHECKING:
    from runtime.clock import Clock
    from simulation.world import World

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook as it came in. `accepted`: the receiver returned 2xx, whether or not that arrived."""

    at: float
    endpoint_id: str
    event_id: str
    payment_id: str
    sequence: int
    attempt: int
    body: bytes
    accepted: bool


@dataclass(slots=True)
class Receivers:
    """Everything that all receivers ever received, in order."""

    world: World
    received: list[Received] = field(default_factory=list)
    out_until: dict[str, float] = field(default_factory=dict)
    """Endpoint -> when it accepts requests again."""

    def go_out(self, chance: float, seconds: float) -> None:
        """One of the receivers refuses everything for this long."""
        endpoints = sorted(self.world.database.tables["webhooks"])
        if endpoints:
            endpoint_id = endpoints[int(chance * len(endpoints))]
            self.out_until[endpoint_id] = self.world.scheduler.now + seconds
            self.world.trace.note("webhook", f"{endpoint_id} refuses everything for {seconds:.1f} s")

    def is_out(self, endpoint_id: str) -> bool:
        """Also after the other faults have ended: a delivery fails for good only after some time."""
        return self.out_until.get(endpoint_id, 0.0) > self.world.scheduler.now

    def take(self, prepared: Prepared, *, accepted: bool) -> None:
        body = orjson.loads(prepared.body)
        (subject,) = body["data"].values()
        payment_id = subject.get("payment_id", subject["id"])
        number = prepared.due.attempt
        self.received.append(
            Received(
                self.world.scheduler.now,
                prepared.due.endpoint_id,
                prepared.event_id,
                payment_id,
                body["sequence"],
                number,
                prepared.body,
                accepted,
            )
        )
        outcome = "taken" if accepted else "refused"
        self.world.trace.note("webhook", f"{prepared.event_id} attempt {number} {outcome}", prepared.due.order_id)


class SimulatedSender(Sender):
    """The sender of one dispatcher."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    async def open(self) -> None:
        """No connections are kept."""

    async def close(self) -> None:
        """No connections are kept."""

    async def send(self, prepared: Prepared) -> Sent:
        at, began = self._clock.now(), self._world.scheduler.now
        code, error = await self._deliver(prepared)
        response = None if code is None else HttpResponse(code, "", None)
        duration_ms = round((self._world.scheduler.now - began) * 1_000)
        return Sent(prepared, at, duration_ms, {}, response, error)

    async def _deliver(self, prepared: Prepared) -> tuple[int | None, str | None]:
        faults, receivers = self._world.faults, self._world.receivers
        await asyncio.sleep(delay_seconds())
        if faults.happens("webhook_slow"):
            await asyncio.sleep(between(1.0, TIMEOUT_SECONDS))
        if faults.happens("webhook_gone"):
            return 410, None
        refused = faults.happens("webhook_refused") or receivers.is_out(prepared.due.endpoint_id)
        receivers.take(prepared, accepted=not refused)
        if faults.happens("webhook_lost"):
            await asyncio.sleep(TIMEOUT_SECONDS)
            return None, "no answer"
        await asyncio.sleep(delay_seconds())
        return (500 if refused else 200), None
