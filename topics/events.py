"""An event about a payment or refund as its readers take it: whom it concerns and what it left, checked at the door.

    value ─► read_event ─► PaymentRecord | RefundRecord, which is about a payment, too
                 └► UndecodableError: the record belongs into a dead-letter topic

A resource stays the JSON that it was, for webhooks pass it on as it is; a field of it is checked when it is taken. The
records are not frozen, which is a microsecond an event; nobody changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from topics.envelope import ERROR_CHARACTERS_MAX, Envelope, UndecodableError, checked_text, decode

SEQUENCE_MAX = 2**31 - 1
"""PostgreSQL's integer; an order has a few dozen events."""


@dataclass(slots=True)
class Resource:
    """A payment or refund as the event left it, in its public form."""

    id: str
    json: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Raises UndecodableError."""
        return checked_text(self.field(name), name)

    def field(self, name: str) -> Any:
        """Whatever stands there. Raises UndecodableError where nothing does."""
        try:
            return self.json[name]
        except KeyError:
            raise UndecodableError(f"{self.id} has no {name}") from None


@dataclass(slots=True)
class PaymentRecord:
    """Something happened to a payment."""

    envelope: Envelope
    order_id: str
    merchant_id: str
    sequence: int
    payment: Resource

    @property
    def id(self) -> str:
        return self.envelope.id

    @property
    def type(self) -> str:
        return self.envelope.type

    @property
    def at(self) -> datetime:
        return self.envelope.at

    @property
    def request_id(self) -> str | None:
        return self.envelope.request_id

    def token(self) -> str:
        """What the bank charges. Raises UndecodableError."""
        bank = self.envelope.body.get("bank")
        return checked_text(bank.get("token") if isinstance(bank, dict) else None, "bank.token")


@dataclass(slots=True)
class RefundRecord(PaymentRecord):
    """Something happened to a refund. `payment`: the one it gives back, as the refund left it."""

    refund: Resource


def read_event(value: bytes | None) -> PaymentRecord:
    """The event in a record's value. Raises UndecodableError, never anything else."""
    return event_of(decode(value))


def event_of(envelope: Envelope) -> PaymentRecord:
    """The event in an envelope. Raises UndecodableError, never anything else."""
    body = envelope.body
    try:
        sequence, order_id, merchant_id = body["sequence"], body["order_id"], body["merchant_id"]
        if type(sequence) is not int or not 1 <= sequence <= SEQUENCE_MAX:
            raise UndecodableError(f"sequence must be an integer from 1 to {SEQUENCE_MAX}")
        checked_text(order_id, "order_id")
        checked_text(merchant_id, "merchant_id")
        payment = _resource(body, "payment")
        if "refund" not in body:
            return PaymentRecord(envelope, order_id, merchant_id, sequence, payment)
        return RefundRecord(envelope, order_id, merchant_id, sequence, payment, _resource(body, "refund"))
    except UndecodableError:
        raise
    except Exception as error:
        raise UndecodableError(f"body of {envelope.type}: {error!r}"[:ERROR_CHARACTERS_MAX]) from error


def _resource(body: Mapping[str, Any], name: str) -> Resource:
    json = body[name]
    return Resource(checked_text(json["id"], f"{name}.id"), json)
