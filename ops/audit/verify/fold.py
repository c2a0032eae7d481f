"""One order's events -> the rows that must exist, and every rule that was broken on the way. Pure; works on the JSON.

    fold(order_id, events) -> Book(order, payments, refunds, causes, findings)

Each event carries its resource as the event left it, so the fold does not compute states: it checks that each step
was legal given the step before, and keeps the last of each resource.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from ops.audit.verify.findings import Check, Finding

Json = dict[str, Any]

PAYMENT_STEPS: dict[str, tuple[str | None, str]] = {
    "payment.created": (None, "CREATED"),
    "payment.processing": ("CREATED", "PROCESSING"),
    "payment.action_required": ("PROCESSING", "PROCESSING"),
    "payment.success": ("PROCESSING", "SUCCESS"),
    "payment.failed": ("PROCESSING", "FAILED"),
    "payment.captured": ("SUCCESS", "SUCCESS"),
}
"""Event type -> status before and after."""
TURNS: dict[str, tuple[tuple[str, ...], bool]] = {
    "payment.late_success": (("FAILED",), True),
    "payment.reinstated": (("SUCCESS",), True),
    "payment.reversed": (("SUCCESS", "FAILED"), False),
}
"""Event type -> the status it finds and leaves, and whether the bank has the payer's money from then on."""
REFUND_STEPS: dict[str, tuple[tuple[str | None, ...], str, int]] = {
    "refund.created": ((None,), "PENDING", 1),
    "refund.processed": (("PENDING",), "PROCESSED", 0),
    "refund.failed": (("PENDING", "PROCESSED"), "FAILED", -1),
    "refund.late_success": (("FAILED",), "PROCESSED", 1),
}
"""Event type -> status before and after, and what happens to the amount: taken, kept, given back."""
ORDER_STEPS: dict[str, tuple[str, str]] = {
    "order.paid": ("PAID", "PAID"),
    "order.cancelled": ("CREATED", "CANCELLED"),
    "order.expired": ("CREATED", "EXPIRED"),
}
"""Event type -> status before and after. A payment's success has made the order PAID by the time it is announced."""
OPEN_STATES = frozenset({"CREATED", "PROCESSING"})
SETTLING = timedelta(minutes=1)
"""How long past its deadline an undecided payment holds an order open whose time is over."""
FIXED_OF_ORDER = ("id", "merchant_id", "amount", "currency", "receipt", "notes", "created_at")
FIXED = ("order_id", "merchant_id", "amount", "currency", "method", "created_at")
FIXED_OF_OWNER = (*FIXED, "status", "captured")
FIXED_REFUND = ("payment_id", "merchant_id", "amount", "currency", "reason", "automatic", "created_at")
LATER_FIXED_REFUND = ("receipt", "notes")
"""Events of earlier versions lack them."""
_OF: dict[tuple[str, ...], Callable[[Json], tuple[Any, ...]]] = {
    names: itemgetter(*names) for names in (FIXED, FIXED_OF_OWNER, FIXED_REFUND, FIXED_OF_ORDER)
}
"""Each list of names as one call: these run for every event, the loop over the names only for a difference."""


@dataclass(slots=True)
class Part:
    """A payment or refund as the events left it. `version`: sequence of the last event that changed it.

    `charged`: the bank has the payer's money, by the last of its words. `taken`: the payment's pending and processed
    refunds.
    """

    resource: Json
    bank: Json
    version: int
    charged: bool = False
    taken: int = 0


@dataclass(slots=True)
class Book:
    """Everything that follows from one order's events."""

    order: Json | None = None
    order_version: int = 0
    order_changed_at: str = ""
    announced: bool = False
    """That the order is paid."""
    payments: dict[str, Part] = field(default_factory=dict)
    refunds: dict[str, Part] = field(default_factory=dict)
    causes: list[tuple[str, int, int]] = field(default_factory=list)
    """(command id, first sequence, number of events), in sequence."""
    findings: list[Finding] = field(default_factory=list)
    last_at: str = ""


def fold(order_id: str, events: Sequence[Json]) -> Book:
    """Fold the decoded payloads of one order, in sequence. Never raises: what cannot be read is a finding."""
    book = Book()
    event_ids = f"evt_{order_id[-16:]}_"
    for position, event in enumerate(events, 1):
        try:
            _step(book, order_id, event_ids, position, event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _wrong(book, Check.HISTORY, str(event.get("id")), f"cannot be read: {error!r}")
    _money(book, order_id)
    return book


def _step(book: Book, order_id: str, event_ids: str, position: int, event: Json) -> None:
    body, kind, at = event["body"], event["type"], event["at"]
    sequence = body["sequence"]
    if sequence != position or event["id"] != f"{event_ids}{position}":
        _wrong(book, Check.HISTORY, event["id"], f"stands where number {position} of {order_id} belongs")
    if event["key"] != order_id or body["order_id"] != order_id:
        _wrong(book, Check.HISTORY, event["id"], f"is about {body['order_id']}, not {order_id}")
    if at < book.last_at and _instant(at) < _instant(book.last_at):
        _wrong(book, Check.HISTORY, event["id"], "happened before the event before it")
    book.last_at = at
    _cause(book.causes, event["caused_by"], sequence)
    if kind in PAYMENT_STEPS:
        _payment_step(book, event, kind, body)
    elif kind in TURNS:
        _turn(book, event, kind, body)
    elif kind in REFUND_STEPS:
        _refund_step(book, event, kind, body)
    elif kind == "order.created" and book.order is None and position == 1:
        book.order, book.order_version, book.order_changed_at = dict(body["order"]), sequence, at
        if body["order"]["id"] != order_id or body["order"]["status"] != "CREATED":
            _wrong(book, Check.HISTORY, event["id"], "carries another order")
    elif kind in ORDER_STEPS and book.order is not None:
        _order_step(book, event, kind, book.order)
    else:
        _wrong(book, Check.HISTORY, event["id"], f"{kind} cannot happen here")


def _cause(causes: list[tuple[str, int, int]], command_id: str, sequence: int) -> None:
    if causes and causes[-1][0] == command_id:
        _, first, count = causes[-1]
        causes[-1] = (command_id, first, count + 1)
    else:
        causes.append((command_id, sequence, 1))


def _order_step(book: Book, event: Json, kind: str, was: Json) -> None:
    """What happens to the order itself. No money may come to an order that ends, nor be under way to it for long."""
    order, at = event["body"]["order"], event["at"]
    came_from, leads_to = ORDER_STEPS[kind]
    if (was["status"], order["status"]) != (came_from, leads_to) or book.announced:
        _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was['status']} to {order['status']}")
    _unchanged(book, event, was, order, FIXED_OF_ORDER)
    if order.get("expires_at") != was.get("expires_at"):
        _wrong(book, Check.HISTORY, event["id"], "expires_at changed")
    if order["amount_paid"] != (order["amount"] if kind == "order.paid" else 0):
        _wrong(book, Check.MONEY, event["id"], "amount_paid does not follow from the events")
    undecided = [part for part in book.payments.values() if part.resource["status"] in OPEN_STATES]
    if kind == "order.cancelled" and undecided:
        _wrong(book, Check.MONEY, event["id"], "is cancelled with a payment under way")
    if kind == "order.expired" and not _is_over(order, at):
        _wrong(book, Check.HISTORY, event["id"], "expires before its time")
    if kind == "order.expired" and any(
        _instant(at) < _instant(part.bank["deadline_at"]) + SETTLING for part in undecided
    ):
        _wrong(book, Check.MONEY, event["id"], "expires with a payment under way whose outcome is still awaited")
    book.announced = kind == "order.paid"
    book.order, book.order_version, book.order_changed_at = dict(order), event["body"]["sequence"], at


def _is_over(order: Json, at: str) -> bool:
    expires_at = order.get("expires_at")
    return expires_at is not None and _instant(at) >= _instant(expires_at)


def _payment_step(book: Book, event: Json, kind: str, body: Json) -> None:
    payment, order = body["payment"], book.order
    payment_id, status = payment["id"], payment["status"]
    part = book.payments.get(payment_id)
    came_from, leads_to = PAYMENT_STEPS[kind]
    _action(book, event, kind, None if part is None else part.resource)
    if part is None:
        if came_from is not None or status != leads_to:
            _wrong(book, Check.HISTORY, event["id"], f"{kind} from None to {status}")
        money = (payment["amount_refunded"], _owed(payment), payment["captured"], _captured(payment))
        if any(money) or _is_reversed(payment):
            _wrong(book, Check.MONEY, event["id"], "a new payment is refunded, captured or reversed already")
        if order is None or order["status"] != "CREATED" or _is_over(order, event["at"]):
            _wrong(book, Check.MONEY, event["id"], "begins although its order is paid, has ended, or its time is over")
        book.payments[payment_id] = Part(payment, body["bank"], body["sequence"])
    else:
        was = part.resource
        if was["status"] != came_from or status != leads_to:
            _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was['status']} to {status}")
        _unchanged(book, event, was, payment, FIXED)
        if payment["amount_refunded"] != was["amount_refunded"] or _owed(payment) != _owed(was):
            _wrong(book, Check.MONEY, event["id"], "amount_refunded or amount_owed moved without a refund")
        if _is_reversed(payment) != _is_reversed(was) or (kind == "payment.captured" and _is_reversed(was)):
            _wrong(book, Check.MONEY, event["id"], "reversed does not follow from the events")
        if payment["captured"] != (was["captured"] or kind == "payment.captured"):
            _wrong(book, Check.MONEY, event["id"], "captured does not follow from the events")
        if _captured(payment) != (_capturable(was) if kind == "payment.captured" else _captured(was)):
            _wrong(book, Check.MONEY, event["id"], "amount_captured does not follow from the events")
        part.resource, part.bank, part.version = payment, body["bank"], body["sequence"]
        part.charged = part.charged or kind == "payment.success"
    if order is None or payment["amount"] != order["amount"] or payment["currency"] != order["currency"]:
        _wrong(book, Check.MONEY, event["id"], "amount or currency is not the order's")
    if kind == "payment.success" and order is not None:
        if order["status"] != "CREATED":
            _wrong(book, Check.MONEY, event["id"], f"pays an order that is {order['status']}")
        order["status"], order["updated_at"] = "PAID", event["at"]
        book.order_version, book.order_changed_at = body["sequence"], event["at"]


def _turn(book: Book, event: Json, kind: str, body: Json) -> None:
    """A word of the bank that changes its last one."""
    payment, part = body["payment"], book.payments.get(body["payment"]["id"])
    found, charged = TURNS[kind]
    if part is None or part.resource["status"] not in found:
        was_before = part.resource["status"] if part is not None else None
        _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was_before} to {payment['status']}")
        return
    was = part.resource
    _action(book, event, kind, was)
    if charged is part.charged:
        _wrong(book, Check.HISTORY, event["id"], f"{kind}, but the bank's word was the same before")
    _unchanged(book, event, was, payment, FIXED_OF_OWNER)
    _captured_stays(book, event, was)
    if _is_reversed(payment) is charged:
        _wrong(book, Check.MONEY, event["id"], "reversed does not follow from the events")
    part.resource, part.bank, part.version, part.charged = payment, body["bank"], body["sequence"], charged
    _weigh(book, event, part)


def _action(book: Book, event: Json, kind: str, was: Json | None) -> None:
    """The payer has a step to take from the event that says so to the next one, which is a newer step or an outcome."""
    action, before = event["body"]["payment"].get("next_action"), (was or {}).get("next_action")
    if (action is not None) is not (kind == "payment.action_required"):
        _wrong(book, Check.HISTORY, event["id"], "next_action does not follow from the events")
    elif action is not None and before is not None and _instant(action["expires_at"]) < _instant(before["expires_at"]):
        _wrong(book, Check.HISTORY, event["id"], "an older step of the payer takes the place of a newer one")


def _weigh(book: Book, event: Json, part: Part) -> None:
    """What the refunds take must be there, or be owed: it is all owed while the bank has taken the payment back."""
    payment = part.resource
    there = 0 if _is_reversed(payment) else payment["amount"]
    if payment["amount_refunded"] != min(part.taken, payment["amount"]):
        _wrong(book, Check.MONEY, event["id"], "amount_refunded does not follow from the refunds")
    if _owed(payment) != max(part.taken - there, 0):
        _wrong(book, Check.MONEY, event["id"], f"amount_owed is {_owed(payment)}, the refunds take {part.taken}")


def _owed(payment: Json) -> int:
    """Events of earlier versions carry neither `amount_owed` nor `reversed`."""
    owed: int = payment.get("amount_owed", 0)
    return owed


def _captured_stays(book: Book, event: Json, was: Json) -> None:
    if _captured(event["body"]["payment"]) != _captured(was):
        _wrong(book, Check.MONEY, event["id"], "amount_captured moved without a capture")


def _captured(payment: Json) -> int:
    """Earlier versions captured nothing but the whole payment, and their events do not carry it."""
    whole: int = payment["amount"] if payment["captured"] else 0
    captured: int = payment.get("amount_captured", whole)
    return captured


def _capturable(payment: Json) -> int:
    """What refunds have left of the payment. A capture that finds nothing must not be."""
    left: int = payment["amount"] - payment["amount_refunded"]
    return left if left > 0 else -1


def _is_reversed(payment: Json) -> bool:
    return payment.get("reversed", False) is True


def _refund_step(book: Book, event: Json, kind: str, body: Json) -> None:
    refund, payment = body["refund"], body["payment"]
    before, owner = book.refunds.get(refund["id"]), book.payments.get(refund["payment_id"])
    came_from, leads_to, direction = REFUND_STEPS[kind]
    was = before.resource if before is not None else None
    if (was["status"] if was is not None else None) not in came_from or refund["status"] != leads_to:
        _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was and was['status']} to {refund['status']}")
    if was is not None:
        _unchanged(book, event, was, refund, FIXED_REFUND)
        if any(name in was and refund.get(name) != was[name] for name in LATER_FIXED_REFUND):
            _wrong(book, Check.HISTORY, event["id"], "receipt or notes changed")
    book.refunds[refund["id"]] = Part(refund, body["bank"], body["sequence"])
    if owner is None or payment["id"] != refund["payment_id"]:
        _wrong(book, Check.HISTORY, event["id"], f"refund of {refund['payment_id']}, which this order has not")
        return
    _action(book, event, kind, owner.resource)
    _unchanged(book, event, owner.resource, payment, FIXED_OF_OWNER)
    _captured_stays(book, event, owner.resource)
    if _is_reversed(payment) != _is_reversed(owner.resource):
        _wrong(book, Check.MONEY, event["id"], "reversed moved with a refund")
    if kind == "refund.created" and payment["status"] == "SUCCESS" and not _is_allowed(refund, owner):
        _wrong(book, Check.MONEY, event["id"], "refunds more than there is")
    owner.resource = payment
    owner.taken += direction * refund["amount"]
    _weigh(book, event, owner)
    if direction:
        owner.version = body["sequence"]


def _is_allowed(refund: Json, owner: Part) -> bool:
    """A refund is only made of money that is there; what the bank does against its word later is another thing."""
    return not _is_reversed(owner.resource) and owner.taken + refund["amount"] <= owner.resource["amount"]


def _unchanged(book: Book, event: Json, before: Json, after: Json, names: tuple[str, ...]) -> None:
    of = _OF[names]
    if of(before) == of(after):
        return
    for name in names:
        if before[name] != after[name]:
            _wrong(book, Check.HISTORY, event["id"], f"{name} changed from {before[name]!r} to {after[name]!r}")


def _money(book: Book, order_id: str) -> None:
    successes = 0
    for part in book.payments.values():
        if part.resource["status"] == "SUCCESS":
            successes += 1
    if successes > 1:
        _wrong(book, Check.MONEY, order_id, f"has {successes} successful payments")
    if book.order is not None and (book.order["status"] == "PAID") != (successes > 0):
        _wrong(book, Check.MONEY, order_id, f"is {book.order['status']} with {successes} successful payments")
    if not book.refunds:
        return
    for payment_id, part in book.payments.items():
        of_it = [one.resource for one in book.refunds.values() if one.resource["payment_id"] == payment_id]
        taken = sum(refund["amount"] for refund in of_it if refund["status"] != "FAILED")
        if taken != part.taken or taken - _owed(part.resource) > part.resource["amount"]:
            _wrong(book, Check.MONEY, payment_id, f"refunds hold {taken} of {part.resource['amount']}")
        if part.resource["status"] != "SUCCESS" and any(not refund["automatic"] for refund in of_it):
            _wrong(book, Check.MONEY, payment_id, "was refunded without a success")


def _wrong(book: Book, check: Check, subject: str, says: str) -> None:
    book.findings.append(Finding(check, subject, says))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
