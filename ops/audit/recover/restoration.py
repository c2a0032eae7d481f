"""Events whose commands are no longer on the log: written into the table as the log has them, with what follows from
them.

    stored events + missing ones ─► fold ─► a possible history? ─► events, inbox rows, state of the order, in one
                                        └► no: nothing is written, the order is reported

An inbox row restored like this has no fingerprint: a repeat of its request gets its result, whatever its body.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from ops.audit.verify.fold import Book, fold
from ops.audit.verify.replies import reply_of
from ops.audit.verify.rows import COLUMNS, order_row, payment_row, refund_row
from store.operations.recover import Recovery, RestoredCommand, RestoredEvent
from topics.codec import PAYMENT_CREATE_WITH_ORDER

Json = dict[str, Any]
RESTORED_NONCE = "restored"
"""Nonce of an inbox row whose request is no longer known. Not empty, so that repeats find an acceptance by its id
alone."""
COMMAND_OF = {
    "order.created": "order.create",
    "order.cancelled": "order.cancel",
    "order.expired": "order.expire",
    "payment_link.resent": "payment_link.resend",
    "payment.created": "payment.create",
    "payment.action_required": "payment.require_action",
    "payment.cancel_requested": "payment.cancel",
    "payment.cancel_refused": "payment.refuse_cancel",
    "payment.captured": "payment.capture",
    "payment.voided": "payment.void",
    "payment.expired": "payment.expire",
    "refund.created": "refund.create",
    "payment.success": "payment.settle",
    "payment.failed": "payment.settle",
    "payment.late_success": "payment.settle",
    "payment.reversed": "payment.settle",
    "payment.reinstated": "payment.settle",
    "refund.processed": "refund.settle",
    "refund.failed": "refund.settle",
    "refund.late_success": "refund.settle",
}
"""The first event that a command leads to -> the command's type."""


async def restore_gone(recovery: Recovery) -> tuple[int, dict[str, str]]:
    """(events restored, order -> why nothing was written for it)."""
    restored, refused = 0, {}
    async for order_id, stored, missing in recovery.gone():
        why = await _restore(recovery, order_id, stored, missing)
        if why is None:
            restored += len(missing)
        else:
            refused[order_id] = why
    return restored, refused


async def _restore(recovery: Recovery, order_id: str, stored: Sequence[str], missing: Sequence[str]) -> str | None:
    history = [orjson.loads(payload) for payload in (*stored, *missing)]
    book = fold(order_id, history)
    if book.findings:
        first = book.findings[0]
        return f"its history on the log is not a possible one: {first.subject} {first.message}"
    first_sequence = len(stored) + 1
    events = [
        restored_event(order_id, sequence, event, payload)
        for sequence, (event, payload) in enumerate(zip(history[len(stored) :], missing, strict=True), first_sequence)
    ]
    commands = [one for one in proved_commands(order_id, book, history) if one.first >= first_sequence]
    await recovery.restore(order_id, events, commands, state_of(order_id, book))
    return None


def restored_event(order_id: str, sequence: int, event: Json, payload: str) -> RestoredEvent:
    at = datetime.fromisoformat(event["at"])
    return RestoredEvent(order_id, sequence, event["body"]["merchant_id"], event["type"], at, payload)


def proved_commands(order_id: str, book: Book, history: Sequence[Json]) -> list[RestoredCommand]:
    """The acceptances that an order's events prove, in sequence."""
    rows = []
    for command_id, first, count in book.causes:
        kind = _command_of(history[first - 1]["type"], count)
        reply = None if kind is None else reply_of(kind, first, count, history)
        if kind is not None and reply is not None:
            at = datetime.fromisoformat(history[first - 1]["at"])
            rows.append(RestoredCommand(command_id, order_id, kind, RESTORED_NONCE, reply.decode(), first, count, at))
    return rows


def _command_of(first_event: str, count: int) -> str | None:
    """Only an order that is paid at once has more events of one command than its creation."""
    if first_event == "order.created" and count > 1:
        return PAYMENT_CREATE_WITH_ORDER
    return COMMAND_OF.get(first_event)


def state_of(order_id: str, book: Book) -> dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """Table -> (columns, rows) of what follows from an order's events."""
    return {
        "orders": (COLUMNS["orders"], [order_row(book)]),
        "payments": (COLUMNS["payments"], [payment_row(part) for part in book.payments.values()]),
        "refunds": (COLUMNS["refunds"], [refund_row(part, order_id) for part in book.refunds.values()]),
    }
