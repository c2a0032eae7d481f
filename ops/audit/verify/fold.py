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
    "payment.cancel_requested": ("PROCESSING", "PROCESSING"),
    "payment.cancel_refused": ("PROCESSING", "PROCESSING"),
    "payment.success": ("PROCESSING", "SUCCESS"),
    "payment.failed": ("PROCESSING", "FAILED"),
    "payment.captured": ("SUCCESS", "SUCCESS"),
    "payment.voided": ("SUCCESS", "SUCCESS"),
    "payment.expired": ("SUCCESS", "SUCCESS"),
}
"""Event type -> status before and after."""
TURNS: dict[str, tuple[tuple[str, ...], bool]] = {
    "payment.late_success": (("FAILED",), True),
    "payment.reinstated": (("SUCCESS",), True),
    "payment.reversed": (("SUCCESS", "FAILED"), False),
}
"""Event type -> the status it finds and leaves, and whether the bank has the payer's money after it."""
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
    "payment_link.resent": ("CREATED", "CREATED"),
    "payment_link.paid": ("PAID", "PAID"),
}
"""Event type -> status before and after. A payment's success has already made the order PAID when its event is
written."""
CANCELLATIONS: dict[str, tuple[str | None, str]] = {
    "payment.cancel_requested": (None, "requested"),
    "payment.cancel_refused": ("requested", "refused"),
}
"""Event type -> `cancellation` before and after. Another event of an undecided payment keeps it, an outcome ends it."""
OPEN_STATES = frozenset({"CREATED", "PROCESSING"})
SETTLING = timedelta(minutes=1)
AUTOMATIC_REFUNDS_MAX = 40
"""Of one payment. If the bank has refused all of them, nothing gives the money back by itself."""
"""How long past its deadline an undecided payment keeps an expired order open."""
RELEASE = ("amount_captured", "amount_released", "voided", "void_reason", "capture_before")
"""Fields that only a capture, a void and an expiry change. Events of earlier versions lack them."""
TAKEN = ("amount_refunded", "amount_owed")
"""What a refund changes in its payment. A refused automatic refund changes nothing there, and writes no row of it."""
FIXED_OF_ORDER = ("id", "merchant_id", "amount", "currency", "receipt", "notes", "created_at")
LATER_FIXED_OF_ORDER = ("expires_at", "capture", "capture_within_minutes", "return_url")
"""Events of earlier versions lack them, also those that an earlier version wrote later, beside this one."""
FIXED = ("order_id", "merchant_id", "amount", "currency", "method", "created_at")
FIXED_OF_OWNER = (*FIXED, "status", "captured")
FIXED_REFUND = ("payment_id", "merchant_id", "amount", "currency", "reason", "automatic", "created_at")
LATER_FIXED_REFUND = ("receipt", "notes")
"""Events of earlier versions lack them."""
LATER_FIXED = ("name", "email", "contact", "description", "receipt", "notes")
"""Fields of a payment, from its first event on. Events of earlier versions lack them."""
_OF: dict[tuple[str, ...], Callable[[Json], tuple[Any, ...]]] = {
    names: itemgetter(*names) for names in (FIXED, FIXED_OF_OWNER, FIXED_REFUND, FIXED_OF_ORDER)
}
"""Each list of names as one call: these run for every event, the loop over the names only for a difference."""


@dataclass(slots=True)
class Part:
    """A payment or refund as the events left it. `version`: sequence of the last event that changed it.

    `charged`: the bank has the payer's money, by its last report. `taken`: the payment's pending and processed refunds;
    `by_itself`: those of them that the gateway made automatically.
    """

    resource: Json
    bank: Json
    version: int
    charged: bool = False
    taken: int = 0
    by_itself: int = 0


@dataclass(slots=True)
class Book:
    """Everything derived from one order's events."""

    order: Json | None = None
    order_version: int = 0
    order_changed_at: str = ""
    announced: bool = False
    """That the order is paid."""
    announced_link: bool = False
    """And that its link is."""
    awaited: list[tuple[str, str]] = field(default_factory=list)
    """(event type, command id) of the events that must complete the last decision."""
    payments: dict[str, Part] = field(default_factory=dict)
    refunds: dict[str, Part] = field(default_factory=dict)
    causes: list[tuple[str, int, int]] = field(default_factory=list)
    """(command id, first sequence, number of events), in sequence."""
    findings: list[Finding] = field(default_factory=list)
    last_at: str = ""


def fold(order_id: str, events: Sequence[Json]) -> Book:
    """Fold the decoded payloads of one order, in sequence. Never raises: an unreadable payload is a finding."""
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
    if book.awaited:
        _follows(book, event, kind)
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


def _follows(book: Book, event: Json, kind: str) -> None:
    expected = book.awaited.pop(0)
    if (kind, event["caused_by"]) != expected:
        book.awaited.clear()
        _wrong(book, Check.HISTORY, event["id"], f"{expected[0]} does not follow the payment's success")


def _part_of_success(order: Json) -> tuple[str, ...]:
    """Event types that the decision about a success adds to it. Orders of versions that did not add any have no
    `capture`."""
    if "capture" not in order:
        return ()
    captured = ("payment.captured",) if order["capture"] == "automatic" else ()
    return (*captured, "order.paid", *(("payment_link.paid",) if "payment_link" in order else ()))


def _order_step(book: Book, event: Json, kind: str, was: Json) -> None:
    """The events of the order itself. An order that ends must not receive money, nor have a payment under way for
    long."""
    order, at = event["body"]["order"], event["at"]
    came_from, leads_to = ORDER_STEPS[kind]
    twice = book.announced is not (kind == "payment_link.paid")
    if (was["status"], order["status"]) != (came_from, leads_to) or twice or book.announced_link:
        _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was['status']} to {order['status']}")
    _unchanged(book, event, was, order, FIXED_OF_ORDER)
    order = _with_omitted(book, event, was, order, LATER_FIXED_OF_ORDER)
    _link_stays(book, event, was)
    if order["amount_paid"] != (order["amount"] if leads_to == "PAID" else 0):
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
    book.announced, book.announced_link = leads_to == "PAID", kind == "payment_link.paid"
    book.order, book.order_version, book.order_changed_at = dict(order), event["body"]["sequence"], at


def _link_stays(book: Book, event: Json, was: Json) -> None:
    """An order is a link from its creation on or never; the link's data changes only when it is resent."""
    link, before, kind = event["body"]["order"].get("payment_link"), was.get("payment_link"), event["type"]
    if before is None:
        if link is not None or kind.startswith("payment_link."):
            _wrong(book, Check.HISTORY, event["id"], "is about a payment link that the order is not")
        return
    if link != before | {"resent": before["resent"] + (kind == "payment_link.resent")}:
        _wrong(book, Check.HISTORY, event["id"], "its payment link does not follow from the events")
    if kind.startswith("payment_link.") and not _is_link_of(event["body"]["payment_link"], event["body"]["order"]):
        _wrong(book, Check.HISTORY, event["id"], "tells another link than its order is")
    if kind == "payment_link.resent" and _is_over(was, event["at"]):
        _wrong(book, Check.HISTORY, event["id"], "is sent again although its time is over")


def _is_link_of(link: Json, order: Json) -> bool:
    """The link in webhooks must match the order."""
    own, same = order["payment_link"], ("merchant_id", "amount", "currency", "notes", "status", "expires_at")
    return (
        all(link[name] == own[name] for name in own)
        and all(link[name] == order[name] for name in same)
        and (link["order_id"], link["reference"]) == (order["id"], order["receipt"])
    )


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
        money = (
            payment["amount_refunded"],
            _owed(payment),
            _captured(payment),
            _released(payment),
            payment["captured"],
        )
        if any(money) or _is_reversed(payment):
            _wrong(book, Check.MONEY, event["id"], "a new payment is refunded, captured or reversed already")
        if order is not None and payment.get("receipt", order["receipt"]) != order["receipt"]:
            _wrong(book, Check.HISTORY, event["id"], "receipt is not the order's")
        if order is None or order["status"] != "CREATED" or _is_over(order, event["at"]):
            _wrong(book, Check.MONEY, event["id"], "begins although its order is paid, has ended, or its time is over")
        book.payments[payment_id] = Part(payment, body["bank"], body["sequence"])
    else:
        was = part.resource
        if was["status"] != came_from or status != leads_to:
            _wrong(book, Check.HISTORY, event["id"], f"{kind} from {was['status']} to {status}")
        _unchanged(book, event, was, payment, FIXED)
        payment = _with_omitted(book, event, was, payment, LATER_FIXED)
        if payment["amount_refunded"] != was["amount_refunded"] or _owed(payment) != _owed(was):
            _wrong(book, Check.MONEY, event["id"], "amount_refunded or amount_owed moved without a refund")
        if _is_reversed(payment) != _is_reversed(was) or (kind == "payment.captured" and _is_reversed(was)):
            _wrong(book, Check.MONEY, event["id"], "reversed does not follow from the events")
        if payment["captured"] != (was["captured"] or kind == "payment.captured"):
            _wrong(book, Check.MONEY, event["id"], "captured does not follow from the events")
        _release(book, event, kind, was)
        part.resource, part.bank, part.version = payment, body["bank"], body["sequence"]
        part.charged = part.charged or kind == "payment.success"
    if order is None or payment["amount"] != order["amount"] or payment["currency"] != order["currency"]:
        _wrong(book, Check.MONEY, event["id"], "amount or currency is not the order's")
    if kind == "payment.success" and order is not None:
        if order["status"] != "CREATED":
            _wrong(book, Check.MONEY, event["id"], f"pays an order that is {order['status']}")
        order["status"], order["updated_at"] = "PAID", event["at"]
        book.order_version, book.order_changed_at = body["sequence"], event["at"]
        book.awaited = [(follows, event["caused_by"]) for follows in _part_of_success(order)]


def _turn(book: Book, event: Json, kind: str, body: Json) -> None:
    """A report of the bank that reverses its last one."""
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
    payment = _with_omitted(book, event, was, payment, LATER_FIXED)
    _released_stays(book, event, was)
    if _is_reversed(payment) is charged:
        _wrong(book, Check.MONEY, event["id"], "reversed does not follow from the events")
    part.resource, part.bank, part.version, part.charged = payment, body["bank"], body["sequence"], charged
    _weigh(book, event, part)


def _action(book: Book, event: Json, kind: str, was: Json | None) -> None:
    """The payer has a step from the event with it, until a newer one or an outcome; a requested cancellation waits for
    the bank's outcome."""
    action, before = event["body"]["payment"].get("next_action"), (was or {}).get("next_action")
    _cancellation(book, event, kind, was or {})
    if kind in CANCELLATIONS:
        if action != before:
            _wrong(book, Check.HISTORY, event["id"], "next_action moved with a cancellation")
    elif (action is not None) is not (kind == "payment.action_required"):
        _wrong(book, Check.HISTORY, event["id"], "next_action does not follow from the events")
    elif action is not None and before is not None and _instant(action["expires_at"]) < _instant(before["expires_at"]):
        _wrong(book, Check.HISTORY, event["id"], "an older step of the payer takes the place of a newer one")


def _cancellation(book: Book, event: Json, kind: str, was: Json) -> None:
    found, before = event["body"]["payment"].get("cancellation"), was.get("cancellation")
    came_from, leads_to = CANCELLATIONS.get(kind, (before, before if kind == "payment.action_required" else None))
    if (before, found) != (came_from, leads_to):
        _wrong(book, Check.HISTORY, event["id"], "cancellation does not follow from the events")


def _weigh(book: Book, event: Json, part: Part) -> None:
    """The amount of the refunds must be covered, or be owed: all of it is owed while the payment is reversed."""
    payment = part.resource
    there, released = 0 if _is_reversed(payment) else payment["amount"], _released(payment)
    refunded = max(part.taken - part.by_itself, part.taken - released)
    if payment["amount_refunded"] != min(refunded, payment["amount"] - released):
        _wrong(book, Check.MONEY, event["id"], "amount_refunded does not follow from the refunds")
    if _owed(payment) != max(part.taken - there, 0):
        _wrong(book, Check.MONEY, event["id"], f"amount_owed is {_owed(payment)}, the refunds take {part.taken}")


def _owed(payment: Json) -> int:
    """Events of earlier versions carry neither `amount_owed` nor `reversed`."""
    owed: int = payment.get("amount_owed", 0)
    return owed


def _release(book: Book, event: Json, kind: str, was: Json) -> None:
    """A capture takes some of what is left and releases the rest; a void and an expiry release all of it."""
    payment, order = event["body"]["payment"], book.order or {}
    if kind == "payment.success":
        until = payment.get("capture_before")
        if (None if until is None else _instant(until)) != _time_to_capture(order, event["at"]):
            _wrong(book, Check.MONEY, event["id"], "capture_before does not follow from the order")
        return
    if kind not in ("payment.captured", "payment.voided", "payment.expired"):
        _released_stays(book, event, was)
        return
    left = was["amount"] - was["amount_refunded"] - _released(was)
    captured, released = _captured(payment), _released(payment) - _released(was)
    capture = kind == "payment.captured"
    if captured + released != left or left <= 0 or (captured > 0) is not capture or min(captured, released) < 0:
        _wrong(book, Check.MONEY, event["id"], f"{captured} captured and {released} released of {left} that were left")
    if was["captured"] or was.get("voided") or _is_reversed(was):
        _wrong(book, Check.MONEY, event["id"], f"{kind} of a payment whose money was captured, voided or taken back")
    reason = {"payment.voided": "requested", "payment.expired": "expired"}.get(kind)
    if (payment.get("voided", False), payment.get("void_reason")) != (reason is not None, reason):
        _wrong(book, Check.MONEY, event["id"], "voided and void_reason do not follow from the events")
    until = was.get("capture_before")
    if payment.get("capture_before") is not None or (kind == "payment.voided" and was["amount_refunded"]):
        _wrong(book, Check.MONEY, event["id"], "is captured or voided, yet it waits for a capture or was refunded")
    if until is None:
        if kind == "payment.expired":
            _wrong(book, Check.MONEY, event["id"], "expires, but has no time to be captured in")
    elif kind != "payment.voided" and (_instant(event["at"]) >= _instant(until)) is capture:
        _wrong(book, Check.MONEY, event["id"], f"{kind} on the wrong side of capture_before")


def _time_to_capture(order: Json, at: str) -> datetime | None:
    minutes = order.get("capture_within_minutes")
    return None if minutes is None or order.get("capture") == "automatic" else _instant(at) + timedelta(minutes=minutes)


def _released_stays(book: Book, event: Json, was: Json) -> None:
    payment = event["body"]["payment"]
    # Of a payment of an earlier version, the first event of this one fills in what was not there.
    if any(name in was and payment.get(name) != was[name] for name in RELEASE) or _captured(payment) != _captured(was):
        _wrong(book, Check.MONEY, event["id"], "what is captured or released moved without a capture, void or expiry")


def _captured(payment: Json) -> int:
    """Earlier versions captured nothing but the whole payment, and their events do not carry it."""
    whole: int = payment["amount"] if payment["captured"] else 0
    captured: int = payment.get("amount_captured", whole)
    return captured


def _released(payment: Json) -> int:
    released: int = payment.get("amount_released", 0)
    return released


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
        refund = _with_omitted(book, event, was, refund, LATER_FIXED_REFUND)
    book.refunds[refund["id"]] = Part(refund, body["bank"], body["sequence"])
    if owner is None or payment["id"] != refund["payment_id"]:
        _wrong(book, Check.HISTORY, event["id"], f"refund of {refund['payment_id']}, which this order has not")
        return
    _action(book, event, kind, owner.resource)
    _unchanged(book, event, owner.resource, payment, FIXED_OF_OWNER)
    payment = _with_omitted(book, event, owner.resource, payment, LATER_FIXED)
    was = owner.resource
    _released_stays(book, event, was)
    if _is_reversed(payment) != _is_reversed(was):
        _wrong(book, Check.MONEY, event["id"], "reversed moved with a refund")
    if kind == "refund.created" and payment["status"] == "SUCCESS" and not _is_allowed(refund, owner):
        _wrong(book, Check.MONEY, event["id"], "refunds more than there is")
    if kind == "refund.created" and refund["automatic"] and refund["amount"] != _to_return(owner):
        _wrong(book, Check.MONEY, event["id"], f"returns {refund['amount']} of {_to_return(owner)}")
    owner.resource = payment
    owner.taken += direction * refund["amount"]
    if refund["automatic"]:
        owner.by_itself += direction * refund["amount"]
    _weigh(book, event, owner)
    if kind == "refund.created" or any(payment.get(name, 0) != was.get(name, 0) for name in TAKEN):
        owner.version = body["sequence"]


def _is_allowed(refund: Json, owner: Part) -> bool:
    """A refund is made only of available money; later reversals by the bank are another matter."""
    payment = owner.resource
    if _is_reversed(payment) or owner.taken + refund["amount"] > payment["amount"]:
        return False
    if refund["automatic"]:
        return bool(owner.by_itself + refund["amount"] <= _released(payment))
    return bool(payment["amount_refunded"] + refund["amount"] <= payment["amount"] - _released(payment))


def _to_return(owner: Part) -> int:
    """The gateway's automatic refunds: all that was released of a success, or charged after a failure, unless other
    refunds took it."""
    payment = owner.resource
    whole: int = payment["amount"]
    return min(whole if payment["status"] == "FAILED" else _released(payment), whole - owner.taken)


def _unchanged(book: Book, event: Json, before: Json, after: Json, names: tuple[str, ...]) -> None:
    of = _OF[names]
    if of(before) == of(after):
        return
    for name in names:
        if before[name] != after[name]:
            _wrong(book, Check.HISTORY, event["id"], f"{name} changed from {before[name]!r} to {after[name]!r}")


def _with_omitted(book: Book, event: Json, was: Json, now: Json, names: tuple[str, ...]) -> Json:
    """Fields that never change after the first event with them: a payment's data about its payer and its order, and the
    like.

    An earlier version that runs beside this one, or again, omits what it lacks: the resource keeps it. Personal data:
    only the name of a changed field is reported.
    """
    omitted = {}
    for name in names:
        if name not in was:
            continue
        if name not in now:
            omitted[name] = was[name]
        elif now[name] != was[name]:
            _wrong(book, Check.HISTORY, event["id"], f"{name} changed")
    return now | omitted if omitted else now


def _money(book: Book, order_id: str) -> None:
    if book.awaited:
        _wrong(book, Check.HISTORY, order_id, f"{book.awaited[0][0]} does not follow the payment's success")
    successes = 0
    for part in book.payments.values():
        if part.resource["status"] == "SUCCESS":
            successes += 1
    if successes > 1:
        _wrong(book, Check.MONEY, order_id, f"has {successes} successful payments")
    if book.order is not None and (book.order["status"] == "PAID") != (successes > 0):
        _wrong(book, Check.MONEY, order_id, f"is {book.order['status']} with {successes} successful payments")
    for payment_id, part in book.payments.items():
        if _released(part.resource) and not _is_returned(book, payment_id):
            _wrong(book, Check.MONEY, payment_id, "released money and no refund returns it")
        if part.charged and part.resource["status"] == "FAILED" and not _is_returned(book, payment_id):
            _wrong(book, Check.MONEY, payment_id, "was charged after it failed and no refund returns it")
    if not book.refunds:
        return
    for payment_id, part in book.payments.items():
        of_it = [one.resource for one in book.refunds.values() if one.resource["payment_id"] == payment_id]
        taken = sum(refund["amount"] for refund in of_it if refund["status"] != "FAILED")
        if taken != part.taken or taken - _owed(part.resource) > part.resource["amount"]:
            _wrong(book, Check.MONEY, payment_id, f"refunds hold {taken} of {part.resource['amount']}")
        if part.resource["status"] != "SUCCESS" and any(not refund["automatic"] for refund in of_it):
            _wrong(book, Check.MONEY, payment_id, "was refunded without a success")


def _is_returned(book: Book, payment_id: str) -> bool:
    """Whether the payment's money is back or on its way, or another automatic refund follows the refused ones."""
    refunds = [part.resource for part in book.refunds.values() if part.resource["payment_id"] == payment_id]
    statuses = [refund["status"] for refund in refunds if refund["automatic"]]
    return 0 < len(statuses) < AUTOMATIC_REFUNDS_MAX or any(status != "FAILED" for status in statuses)


def _wrong(book: Book, check: Check, subject: str, message: str) -> None:
    book.findings.append(Finding(check, subject, message))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
