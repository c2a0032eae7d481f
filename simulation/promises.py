"""The promises to clients, judged by their responses and the final state. Independent of whether the gateway was
simulated.

    a resource returned with 2xx exists, stays, and is found by a later GET a refused request had no effect
    one Idempotency-Key is one resource; a response belongs to its own request
    an order is paid once, and never more is refunded than was paid
    an order and a payment that one request creates come into being together, or not at all
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulation.workload import Intent, Shop, Try

ENDED = ("CANCELLED", "EXPIRED")
LEVEL = {
    "CREATED": 0,
    "PROCESSING": 1,
    "PENDING": 1,
    "SUCCESS": 2,
    "FAILED": 2,
    "PAID": 2,
    "PROCESSED": 2,
    **dict.fromkeys(ENDED, 2),
}
"""A resource never returns to a lower level than a client was shown."""
PAYER_FIELDS = {"flow", "name", "email", "contact", "description", "receipt", "reference", "notes"}
"""The fields of a request that its resource must show."""
BOTH = ("order.created", "payment.created", "payment.processing")
LATE_SECONDS = 1.0
Request = tuple[str, str]
"""Command id and nonce."""


class Violation(NamedTuple):
    """A broken promise. `about`: an order, payment or request, to find it in the history."""

    promise: str
    message: str
    about: str


@dataclass(slots=True)
class Findings:
    """The violation."""

    violations: list[Violation] = field(default_factory=list)

    def add(self, promise: str, message: str, about: str = "") -> None:
        self.violations.append(Violation(promise, message, about))


class Decided(NamedTuple):
    """When a request was decided, in seconds of the clients' clock, and whether it was refused."""

    at: float
    refused: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The final state.

    `rows`: orders, payments and refunds by id. `effects`: request id -> types of the events that it caused. `sent` and
    `decisions`: request id -> its key in the inbox, and the decision, as far as known. `prompt`: nothing kept the API
    from reading a decision at once.
    """

    rows: Mapping[str, Mapping[str, Any]]
    effects: Mapping[str, Sequence[str]]
    sent: Mapping[str, Request] = field(default_factory=dict)
    decisions: Mapping[Request, Decided] = field(default_factory=dict)
    prompt: bool = False

    def decision(self, request_id: str) -> Decided | None:
        return self.decisions.get(self.sent.get(request_id, ("", "")))


def judge_clients(facts: Facts, shop: Shop, found: Findings) -> None:
    """Add every promise to a client that was broken."""
    for intent in shop.intents:
        about = intent.about or str(intent.order_id)
        for one in intent.tries:
            _try(facts, one, about, found)
            if intent.kind == "both":
                _both_or_neither(facts, one, about, found)
        ids = {str(one.body["id"]) for one in intent.accepted_tries if one.status != 202}
        if len(ids) > 1:
            found.add("one key, one resource", f"{intent.key}: {sorted(ids)}", about)
        for one in intent.accepted_tries:
            _promise(facts, shop, intent, one, about, found)
        _not_found(facts, shop, intent, about, found)
    _reads(shop, found)


def judge_money(facts: Facts, found: Findings) -> None:
    """By the rows alone: for a gateway whose bank's books are not accessible."""
    paid: dict[str, list[str]] = defaultdict(list)
    returned: dict[str, int] = defaultdict(int)
    for resource_id, row in facts.rows.items():
        if resource_id.startswith("pay_") and row["status"] == "SUCCESS":
            paid[row["order_id"]].append(resource_id)
        if resource_id.startswith("rfnd_") and row["status"] != "FAILED":
            returned[row["payment_id"]] += row["amount"]
    for order_id, ids in paid.items():
        if len(ids) > 1:
            found.add("one success an order", " ".join(ids), order_id)
    for payment_id, amount in returned.items():
        payment = facts.rows[payment_id]
        if amount > payment["amount"] + payment["amount_owed"]:
            found.add("never more back than paid", f"{payment_id}: {amount} of {payment['amount']}", payment_id)


def _try(facts: Facts, one: Try, about: str, found: Findings) -> None:
    if one.status == 500:
        found.add("no request meets a defect", f"{one.request_id} was told {one.shown}", about)
    effects = facts.effects.get(one.request_id, ())
    if one.refused and effects:
        message = f"{one.request_id} was told {one.shown}; done: {effects}"
        found.add("what was refused had no effect", message, about)
    decided = facts.decision(one.request_id)
    if facts.prompt and one.status in (202, 409) and decided is not None and decided.refused:
        ago = one.ended_at - decided.at
        if ago > LATE_SECONDS:
            found.add("a refusal is told", f"{one.request_id} was told {one.status} {ago:.1f} s after it", about)


def _both_or_neither(facts: Facts, one: Try, about: str, found: Findings) -> None:
    effects = tuple(facts.effects.get(one.request_id, ()))
    if effects and effects[: len(BOTH)] != BOTH:
        found.add("both or neither", f"{one.request_id} led to {effects}", about)


def _promise(facts: Facts, shop: Shop, intent: Intent, one: Try, about: str, found: Findings) -> None:
    """A resource returned with 200 or 201 exists, and keeps its level."""
    resource_id = str(one.body["id"])
    row = facts.rows.get(resource_id)
    if one.status == 202 and intent.kind not in ("capture", "cancel", "void", "leave", "resend"):
        return  # reading back finds it, decided or refused
    if one.status == 202 and row is None and not _known_before(facts, shop, resource_id, one.ended_at):
        return  # about something that was itself only promised, and was refused
    if intent.kind != "capture" and intent.fields.get("amount", one.body["amount"]) != one.body["amount"]:
        message = f"{one.request_id} wanted {intent.fields['amount']}, was told {one.shown} of {one.body['amount']}"
        found.add("the answer is about the request", message, about)
    for name in PAYER_FIELDS & intent.fields.keys():
        if one.body.get(name) != intent.fields[name]:
            found.add("the answer is about the request", f"{one.request_id} has another {name}", about)
    if row is None or not intent.names(one) <= facts.rows.keys():
        found.add("every 2xx exists", f"{one.request_id} was told {one.shown}", about)
    elif not _stays(one.body, row):
        found.add("every 2xx stays", f"{resource_id} was {one.body['status']}, is {row['status']}", about)
    elif intent.kind == "resend" and one.status == 200 and not one.body["resent"]:
        found.add("the answer is about the request", f"{resource_id} was to be sent again", about)
    elif intent.kind == "cancel" and one.status == 200 and one.body["status"] not in ENDED:
        found.add("the answer is about the request", f"{resource_id} was to be cancelled, is {one.shown}", about)
    elif intent.kind == "capture" and one.status == 200 and row["amount_captured"] != one.body["amount_captured"]:
        found.add("every 2xx stays", f"{one.body['amount_captured']} of {resource_id} was captured", about)
    elif intent.kind == "leave" and one.status == 200 and not _is_leaving(one.body):
        found.add("the answer is about the request", f"{resource_id} was to be left, is {one.shown}", about)
    elif intent.kind == "void" and one.status == 200 and not (one.body["voided"] and row["voided"]):
        found.add("every 2xx stays", f"{resource_id} was voided", about)


def _is_leaving(payment: Mapping[str, Any]) -> bool:
    return payment["status"] in ("SUCCESS", "FAILED") or payment["cancellation"] is not None


def _stays(response: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    if response["status"] in ENDED and row["status"] != response["status"]:
        return False
    return LEVEL[row["status"]] >= LEVEL[response["status"]] and bool(row["amount"] == response["amount"])


def _not_found(facts: Facts, shop: Shop, intent: Intent, about: str, found: Findings) -> None:
    """No 404 about a resource that a client had seen before this request was sent."""
    subject = str(intent.body.get("payment_id") or intent.about)
    for one in intent.tries:
        if one.status == 404 and _known_before(facts, shop, subject, one.sent_at):
            found.add("what is known is found", f"{one.request_id} was told {one.shown}: {subject}", about)


def _known_before(facts: Facts, shop: Shop, resource_id: str, at: float) -> bool:
    """Answered with 200 or 201; or with 202, and that request was not refused in the end."""
    for intent in shop.intents:
        for one in intent.accepted_tries:
            if resource_id not in intent.names(one) or one.ended_at > at:
                continue
            decided = facts.decision(one.request_id)
            if one.status != 202 or (decided is not None and not decided.refused):
                return True
    return False


def _reads(shop: Shop, found: Findings) -> None:
    """A later GET of a promised resource never returns 404."""
    for resource_id, one in shop.reads:
        if one.status == 500:
            found.add("no request meets a defect", f"{one.request_id} was told {one.shown}", resource_id)
        if one.status == 404:
            found.add("what was promised is found", f"{one.request_id} GET {resource_id}: {one.shown}", resource_id)
