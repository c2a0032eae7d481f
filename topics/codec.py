"""Converts between the domain's values and the bodies of records. The only place where `Any` enters and is checked.

    CreatePayment ⇄ {"type": "payment.create", "body": {...}}        commands, both ways
    PaymentEvent  → {"type": "payment.success", "body": {...}}       events, out (listeners read the body's resources)

A command's body has the fields of its dataclass; its type determines how each is read. A field with its default value
is omitted: records of earlier versions lack it too. A command made of two others contains both of their bodies.

An event's body: `order_id, merchant_id, sequence`, the public resource(s) as the event left them, and `bank`
(token, reference, deadline, turn): only our own roles need it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, asdict, fields
from datetime import datetime
from typing import Any, TypeVar, assert_never, get_type_hints

from domain.action import ActionType, NextAction, action_form
from domain.decision import Command
from domain.event import Event, OrderEvent, PaymentEvent, RefundEvent
from domain.event_kind import LINK_EVENTS
from domain.ids import event_id
from domain.instrument import FORM_FIELDS, Instrument, Method, instrument_of, public_form
from domain.link import PaymentLink, ResendLink
from domain.order import CancelOrder, CaptureMode, CreateOrder, ExpireOrder
from domain.outcome import Outcome
from domain.payment import (
    CancelPayment,
    CapturePayment,
    CreatePayment,
    ExpirePayment,
    Payment,
    RefuseCancel,
    RequireAction,
    SettlePayment,
    VoidPayment,
)
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, Refund, SettleRefund
from domain.resource import link_resource, order_resource, payment_resource, refund_resource
from runtime.order_keys import SEALED_NOTES_MAX, SEALED_TEXT_MAX, is_sealed_notes
from topics.envelope import (
    ERROR_CHARACTERS_MAX,
    FIRST_VERSION,
    Envelope,
    UndecodableError,
    checked_text,
    encode_json,
    with_version,
)

Body = dict[str, Any]
AnyCommand = TypeVar("AnyCommand", bound=Command)
NOTES_MAX, NOTE_CHARACTERS_MAX = 64, 1_000
"""Well above what the API accepts (15 notes of 256 characters), so that a later API may accept more."""

ORDER_CREATE = "order.create"
ORDER_CANCEL = "order.cancel"
ORDER_EXPIRE = "order.expire"
LINK_RESEND = "payment_link.resend"
PAYMENT_CREATE = "payment.create"
PAYMENT_CREATE_WITH_ORDER = "payment.create_with_order"
PAYMENT_REQUIRE_ACTION = "payment.require_action"
PAYMENT_CANCEL = "payment.cancel"
PAYMENT_REFUSE_CANCEL = "payment.refuse_cancel"
PAYMENT_SETTLE = "payment.settle"
PAYMENT_CAPTURE = "payment.capture"
PAYMENT_VOID = "payment.void"
PAYMENT_EXPIRE = "payment.expire"
REFUND_CREATE = "refund.create"
REFUND_SETTLE = "refund.settle"

NO_INSTRUMENT: Body = {"vpa": None, "card_network": None, "card_last4": None}
"""Fields that a payment.create of this version always has, null if they belong to another method. Fields of later
methods are present only for that method."""
_FORM_FIELDS = tuple(name for names in FORM_FIELDS.values() for name in names)

ALL_THAT_IS_LEFT: Body = {"amount": 0, "rest": True}
"""Fields of a refund.create without an amount. The amount has always been an integer, and an actor of an earlier
version refuses 0."""
ALWAYS_WRITTEN = frozenset({"turn"})
"""Fields with a default that every record of this version has."""

URL_CHARACTERS_MAX = 2_000
"""The schemes that every browser opens."""
TURN_MAX = 1_000_000
"""Far above what a bank can do, far below the column's limit."""

COMMAND_TYPES: dict[type[Command], str] = {
    CreateOrder: ORDER_CREATE,
    CancelOrder: ORDER_CANCEL,
    ExpireOrder: ORDER_EXPIRE,
    ResendLink: LINK_RESEND,
    PayNewOrder: PAYMENT_CREATE_WITH_ORDER,
    CreatePayment: PAYMENT_CREATE,
    RequireAction: PAYMENT_REQUIRE_ACTION,
    CancelPayment: PAYMENT_CANCEL,
    RefuseCancel: PAYMENT_REFUSE_CANCEL,
    SettlePayment: PAYMENT_SETTLE,
    CapturePayment: PAYMENT_CAPTURE,
    VoidPayment: PAYMENT_VOID,
    ExpirePayment: PAYMENT_EXPIRE,
    CreateRefund: REFUND_CREATE,
    SettleRefund: REFUND_SETTLE,
}
ORDER_MAKING = frozenset({ORDER_CREATE, PAYMENT_CREATE_WITH_ORDER})
"""Commands that create their order."""
_VERSIONS = {PAYMENT_CREATE_WITH_ORDER: 2}
"""Commands that the first version lacks: it would set them aside instead of deciding them."""


def command_envelope(
    command: Command,
    *,
    command_id: str,
    at: datetime,
    request_id: str | None,
    caused_by: str | None = None,
    nonce: str = "",
    fingerprint: dict[str, str] | None = None,
) -> Envelope:
    """Envelope of a command. `nonce` is new for every request that carries an Idempotency-Key."""
    kind = COMMAND_TYPES[type(command)]
    return Envelope(
        id=command_id,
        type=kind,
        version=_VERSIONS.get(kind, FIRST_VERSION),
        key=command.order_id,
        at=at,
        request_id=request_id,
        caused_by=caused_by,
        body=_command_body(command),
        nonce=nonce,
        fingerprint=fingerprint,
    )


def _command_body(command: Command) -> Body:
    if isinstance(command, PayNewOrder):
        return {"order": _command_body(command.order), "payment": _command_body(command.payment)}
    body: Body = {}
    for name, default in _DEFAULTS[type(command)]:
        value = getattr(command, name)
        if value is None and isinstance(command, CreateRefund) and name == "amount":
            body |= ALL_THAT_IS_LEFT
        elif value == default and name not in ALWAYS_WRITTEN:
            continue
        elif name == "instrument":
            body |= {"method": value.method, **NO_INSTRUMENT, **public_form(value)}
        elif isinstance(value, NextAction):
            body[name] = action_form(value)
        elif isinstance(value, PaymentLink):
            body[name] = asdict(value)
        else:
            body[name] = value
    return body


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


_DEFAULTS: dict[type[Command], tuple[tuple[str, object], ...]] = {
    kind: tuple((field.name, _default(field)) for field in fields(kind) if field.name != "order_id")
    for kind in COMMAND_TYPES
}
"""Name and default of each field of a command's body; MISSING, which no value equals, if it has none."""


def command_of(envelope: Envelope) -> Command:
    """The domain's command in an envelope. Raises UndecodableError for an unknown type or a body of another shape."""
    read = _READERS.get(envelope.type)
    if read is None:
        raise UndecodableError(f"unknown command type {envelope.type!r}")
    try:
        return read(envelope.key, envelope.body)
    except UndecodableError:
        raise
    except Exception as error:
        raise UndecodableError(f"body of {envelope.type}: {error!r}"[:ERROR_CHARACTERS_MAX]) from error


def _text(body: Body, name: str) -> str:
    return checked_text(body[name], name, nul=True, sealed_max=SEALED_TEXT_MAX)


def _text_or_none(body: Body, name: str) -> str | None:
    return None if body[name] is None else _text(body, name)


def _amount(body: Body, name: str) -> int:
    value = body[name]
    if type(value) is not int:
        raise TypeError(f"{name} must be an integer")
    return value


def _amount_or_none(body: Body, name: str) -> int | None:
    return None if body[name] is None else _amount(body, name)


def _amount_or_rest(body: Body, name: str) -> int | None:
    rest = body.get("rest", False)
    if type(rest) is not bool:
        raise TypeError("rest must be a boolean")
    return None if rest else _amount(body, name)


def _turn(body: Body, name: str) -> int:
    turn = _amount(body, name)
    if not 0 <= turn <= TURN_MAX:
        raise ValueError(f"{name} must be between 0 and {TURN_MAX}")
    return turn


def _instant(body: Body, name: str) -> datetime:
    value = datetime.fromisoformat(_text(body, name))
    if value.tzinfo is None:
        raise ValueError(f"{name} must have a time zone")
    return value


def _instant_or_none(body: Body, name: str) -> datetime | None:
    return None if body[name] is None else _instant(body, name)


def _outcome(body: Body, name: str) -> Outcome:
    return Outcome(body[name])


def _capture_mode(body: Body, name: str) -> CaptureMode:
    return CaptureMode(body[name])


def _notes(body: Body, name: str) -> dict[str, str]:
    notes = body[name]
    if not isinstance(notes, dict):
        raise TypeError(f"{name} must be an object")
    if is_sealed_notes(notes):
        return {
            inside: checked_text(value, f"sealed {name}", sealed_max=SEALED_NOTES_MAX)
            for inside, value in notes.items()
        }
    if len(notes) > NOTES_MAX:
        raise ValueError(f"notes has {len(notes)} entries; {NOTES_MAX} are allowed")
    return {
        checked_text(name, "a name in notes", characters_max=NOTE_CHARACTERS_MAX): checked_text(
            value, f"notes.{name}", characters_max=NOTE_CHARACTERS_MAX
        )
        for name, value in notes.items()
    }


def _notes_or_none(body: Body, name: str) -> dict[str, str] | None:
    return None if body[name] is None else _notes(body, name)


def _instrument(body: Body, _name: str) -> Instrument:
    """Its fields are in the body itself."""
    given = {name for name in _FORM_FIELDS if name in body}
    form = {name: _text_or_none(body, name) for name in given | set(NO_INSTRUMENT)}
    instrument = instrument_of(Method(body["method"]), form)
    if NO_INSTRUMENT | public_form(instrument) != form:
        raise ValueError("fields of another method")
    return instrument


def _action(body: Body, name: str) -> NextAction:
    action = body[name]
    return NextAction(
        type=ActionType(action["type"]),
        url=checked_text(action["url"], f"{name}.url", characters_max=URL_CHARACTERS_MAX),
        expires_at=_instant(action, "expires_at"),
    )


def _link_or_none(body: Body, name: str) -> PaymentLink | None:
    link = body[name]
    if link is None:
        return None
    return PaymentLink(
        url=checked_text(link["url"], f"{name}.url", characters_max=URL_CHARACTERS_MAX),
        description=_text_or_none(link, "description"),
        name=_text_or_none(link, "name"),
        email=_text_or_none(link, "email"),
        contact=_text_or_none(link, "contact"),
    )


def _url_or_none(body: Body, name: str) -> str | None:
    return None if body[name] is None else checked_text(body[name], name, characters_max=URL_CHARACTERS_MAX)


_READ: dict[object, Callable[[Body, str], Any]] = {
    str: _text,
    str | None: _text_or_none,
    int: _amount,
    int | None: _amount_or_none,
    datetime: _instant,
    datetime | None: _instant_or_none,
    Outcome: _outcome,
    CaptureMode: _capture_mode,
    Instrument: _instrument,
    NextAction: _action,
    PaymentLink | None: _link_or_none,
    dict[str, str]: _notes,
    dict[str, str] | None: _notes_or_none,
}
"""The reader of a field of this type."""
_READ_OF: dict[tuple[type[object], str], Callable[[Body, str], Any]] = {
    (CreateOrder, "return_url"): _url_or_none,
    (CreateRefund, "amount"): _amount_or_rest,
    (SettlePayment, "turn"): _turn,
    (SettleRefund, "turn"): _turn,
}
"""Fields with a special form."""


def _reader(kind: type[AnyCommand]) -> Callable[[str, Body], AnyCommand]:
    """A reader of this command's body, made from the types of its fields. Those without a default
    are required."""
    types = get_type_hints(kind)
    required: list[tuple[str, Callable[[Body, str], Any]]] = []
    optional: list[tuple[str, Callable[[Body, str], Any]]] = []
    for field in fields(kind)[1:]:
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        take = _READ_OF.get((kind, field.name)) or _READ[types[field.name]]
        (optional if has_default else required).append((field.name, take))

    make: Callable[..., AnyCommand] = kind

    def read(order_id: str, body: Body) -> AnyCommand:
        given = {name: take(body, name) for name, take in optional if name in body}
        return make(order_id, *[take(body, name) for name, take in required], **given)

    return read


def _read_new_order(order_id: str, body: Body) -> Command:
    return PayNewOrder(_read_order(order_id, body["order"]), _read_payment(order_id, body["payment"]))


_read_order, _read_payment = _reader(CreateOrder), _reader(CreatePayment)
_READERS: dict[str, Callable[[str, Body], Command]] = {
    name: _read_new_order if kind is PayNewOrder else _reader(kind) for kind, name in COMMAND_TYPES.items()
}


def encode_event(event: Event, *, caused_by: str, request_id: str | None) -> bytes:
    """Value of an event's record, and its `payload` in the events table: the same bytes."""
    order_id, merchant_id, resources = _event_body(event)
    value = encode_json(
        {
            "id": event_id(order_id, event.sequence),
            "type": event.type,
            "v": FIRST_VERSION,
            "key": order_id,
            "at": event.at,
            "request_id": request_id,
            "caused_by": caused_by,
            "body": {"order_id": order_id, "merchant_id": merchant_id, "sequence": event.sequence, **resources},
        }
    )
    return with_version(value)


def _event_body(event: Event) -> tuple[str, str, Body]:
    match event:
        case OrderEvent():
            order = order_resource(event.order)
            parts = {"payment_link": link_resource(order)} if event.type in LINK_EVENTS else {}
            return event.order.id, event.order.merchant_id, {**parts, "order": order}
        case PaymentEvent():
            payment = event.payment
            return (
                payment.order_id,
                payment.merchant_id,
                {"payment": payment_resource(payment), "bank": _bank(payment)},
            )
        case RefundEvent():
            refund = event.refund
            resources = {
                "refund": refund_resource(refund),
                "payment": payment_resource(event.payment),
                "bank": _bank(refund),
            }
            return refund.order_id, refund.merchant_id, resources
    assert_never(event)


def _bank(subject: Payment | Refund) -> Body:
    shape: Body = {
        "reference": subject.bank_reference,
        "deadline_at": subject.deadline_at,
        "turn": subject.bank_turn,
    }
    if isinstance(subject, Payment):
        shape["token"] = subject.token
    return shape
