"""An event as its readers use it: the merchant and the resources it left, checked when read.

    value ─► read_event     ─► PaymentRecord | RefundRecord, which is also about a payment
          ─► read_any_event ─► OrderRecord, LinkRecord as well
                 └► UndecodableError: the record belongs in a dead-letter topic

A resource stays the original JSON, because webhooks pass it on unchanged; a field is checked when it is read. The
records are not frozen, which saves a microsecond per event; no code changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from domain.event_kind import LINK_EVENTS, ORDER_EVENTS
from runtime.order_keys import SEALED_TEXT_MAX
from topics.envelope import ERROR_CHARACTERS_MAX, Envelope, UndecodableError, checked_text, decode

SEQUENCE_MAX = 2**31 - 1
"""PostgreSQL's integer; an order has a few dozen events."""


@dataclass(slots=True)
class Resource:
    """An order, payment or refund as the event left it, in its public form."""

    id: str
    json: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Raises UndecodableError."""
        return checked_text(self.field(name), name)

    def words(self, name: str) -> str:
        """A merchant's or payer's text, which may be sealed. Raises UndecodableError."""
        return checked_text(self.field(name), name, sealed_max=SEALED_TEXT_MAX)

    def field(self, name: str) -> Any:
        """Any value. Raises UndecodableError if the field is absent."""
        try:
            return self.json[name]
        except KeyError:
            raise UndecodableError(f"{self.id} has no {name}") from None


@dataclass(slots=True)
class EventRecord:
    """An event."""

    envelope: Envelope
    order_id: str
    merchant_id: str
    sequence: int

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

    def subject(self) -> Mapping[str, Any]:
        """The resources of the event by name, as webhooks carry them."""
        raise NotImplementedError


@dataclass(slots=True)
class OrderRecord(EventRecord):
    """An event of an order itself."""

    order: Resource

    def subject(self) -> Mapping[str, Any]:
        return {"order": self.order.json}


@dataclass(slots=True)
class LinkRecord(OrderRecord):
    """An event of an order that is a payment link."""

    link: Resource

    def subject(self) -> Mapping[str, Any]:
        return {"payment_link": self.link.json}


@dataclass(slots=True)
class PaymentRecord(EventRecord):
    """An event of a payment."""

    payment: Resource

    def subject(self) -> Mapping[str, Any]:
        return {"payment": self.payment.json}

    def token(self) -> str:
        """The amount that the bank charges. Raises UndecodableError."""
        bank = self.envelope.body.get("bank")
        token = bank.get("token") if isinstance(bank, dict) else None
        return checked_text(token, "bank.token", sealed_max=SEALED_TEXT_MAX)


@dataclass(slots=True)
class RefundRecord(PaymentRecord):
    """An event of a refund. `payment`: the refunded one, as the refund left it."""

    refund: Resource

    def subject(self) -> Mapping[str, Any]:
        return {"refund": self.refund.json}


Kind = TypeVar("Kind", bound=EventRecord)
PARTS: dict[type[EventRecord], tuple[str, ...]] = {
    OrderRecord: ("order",),
    LinkRecord: ("order", "payment_link"),
    PaymentRecord: ("payment",),
    RefundRecord: ("payment", "refund"),
}
"""The resources that each kind of record carries, in the order of its fields."""


def read_any_event(value: bytes | None) -> EventRecord:
    """The event in a record's value, including one about an order. Raises UndecodableError, never anything else."""
    return any_event_of(decode(value))


def any_event_of(envelope: Envelope) -> EventRecord:
    """The event in an envelope, including one about an order. Raises UndecodableError, never anything else."""
    if envelope.type in LINK_EVENTS:
        return _read(envelope, LinkRecord)
    return _read(envelope, OrderRecord) if envelope.type in ORDER_EVENTS else event_of(envelope)


def read_event(value: bytes | None) -> PaymentRecord:
    """The event in a record's value. Raises UndecodableError, never anything else."""
    return event_of(decode(value))


def event_of(envelope: Envelope) -> PaymentRecord:
    """The event about a payment in an envelope. Raises UndecodableError, never anything else."""
    return _read(envelope, RefundRecord if "refund" in envelope.body else PaymentRecord)


def _read(envelope: Envelope, kind: type[Kind]) -> Kind:
    body = envelope.body
    try:
        sequence, order_id, merchant_id = body["sequence"], body["order_id"], body["merchant_id"]
        if type(sequence) is not int or not 1 <= sequence <= SEQUENCE_MAX:
            raise UndecodableError(f"sequence must be an integer from 1 to {SEQUENCE_MAX}")
        checked_text(order_id, "order_id")
        checked_text(merchant_id, "merchant_id")
        return kind(envelope, order_id, merchant_id, sequence, *[_resource(body, name) for name in PARTS[kind]])
    except UndecodableError:
        raise
    except Exception as error:
        raise UndecodableError(f"body of {envelope.type}: {error!r}"[:ERROR_CHARACTERS_MAX]) from error


def _resource(body: Mapping[str, Any], name: str) -> Resource:
    json = body[name]
    return Resource(checked_text(json["id"], f"{name}.id"), json)
