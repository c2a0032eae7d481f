"""Repairs of webhook deliveries, from the events and the endpoints.

delivery_missing        planned now; the upkeep puts it on the log within a minute
delivery_untried        due now, found by the upkeep within a minute
delivery_unattempted    pending again: a receiver may get an event id twice, never not at all
delivery_body           the body that its event gives
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from domain.delivery import DeliveryStatus
from ops.audit.repair.steps import Planned, Refusal, Step
from ops.audit.verify.findings import Finding
from runtime.clock import now
from store.operations.repair import Repairs
from store.webhooks.plan import drafts_of, plan_deliveries, targets_of
from store.webhooks.razorpay_drafts import razorpay_drafts
from topics.delivery import event_webhook_body
from topics.events import EventRecord, read_any_event


class DeliveryRepairs:
    """Plans for differences of deliveries."""

    def __init__(self, rows: Repairs) -> None:
        self._rows = rows

    async def missing(self, finding: Finding) -> Planned:
        """`finding.subject`: an endpoint and an event."""
        endpoint_id, event_id = finding.subject.split(" ")
        event = await self._event(event_id)
        if event is None:
            return Refusal(finding.subject, "its event is gone")
        targets = (await targets_of(self._rows.pool, [event.merchant_id])).get(event.merchant_id, [])
        # The endpoint's current filter may exclude the event: it was subscribed to when it happened.
        subscribed = [replace(target, events=(event.type,)) for target in targets if target.id == endpoint_id]
        if not subscribed:
            return Refusal(finding.subject, "the endpoint was deleted")
        drafts = drafts_of(event, subscribed, body=event_webhook_body(event))
        drafts += await razorpay_drafts(self._rows.pool, [(event, subscribed)])

        async def plan() -> bool:
            return bool(await plan_deliveries(self._rows.pool, drafts, now()))

        return Step(finding.subject, f"plans the delivery of {event.type}", plan)

    async def untried(self, finding: Finding) -> Planned:
        """`finding.subject`: a delivery's id."""
        log_id = uuid.UUID(finding.subject)
        return Step(finding.subject, "is made due now", lambda: self._rows.try_now(log_id))

    async def unattempted(self, finding: Finding) -> Planned:
        """`finding.subject`: a delivery's id."""
        log_id = uuid.UUID(finding.subject)
        return Step(finding.subject, "is delivered again", lambda: self._rows.deliver_again(log_id))

    async def body(self, finding: Finding) -> Planned:
        """`finding.subject`: a delivery's id."""
        delivery = await self._rows.delivery(uuid.UUID(finding.subject))
        event = await self._event(delivery.event_id) if delivery is not None else None
        if delivery is None or event is None:
            return Refusal(finding.subject, "its event is gone")
        body = event_webhook_body(event)
        will = f"gets the body of {delivery.event_id}"
        if delivery.status == DeliveryStatus.SUCCESS:
            will += f"; the merchant was sent another one: `gateway replay {delivery.endpoint_id}` sends it again"
        return Step(finding.subject, will, lambda: self._rows.set_body(delivery.id, body))

    async def _event(self, event_id: str) -> EventRecord | None:
        _, order, sequence, *_ = event_id.split("_")
        payload = await self._rows.event(f"order_{order}", int(sequence))
        return None if payload is None else read_any_event(payload.encode())
