"""The reply that an accepted command must have in the inbox, from the events alone. Pure; works on the JSON.

    the command led to events     the resource in the first of them that has it
    it led to none                the resource as an earlier event left it (a repeat of what was done already)
    a report of the bank          nothing: no request waits for its reply

Compared as digests: the inbox's side is computed by PostgreSQL, so replies do not travel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

Json = dict[str, Any]
RESOURCES = {
    "order.create": "order",
    "order.cancel": "order",
    "order.expire": "order",
    "payment_link.resend": "order",
    "payment.create": "payment",
    "payment.create_with_order": "payment",
    "payment.cancel": "payment",
    "payment.capture": "payment",
    "payment.void": "payment",
    "payment.expire": "payment",
    "refund.create": "refund",
}
"""Command -> the resource in its reply. The bank's reports are not included."""
BANKS = frozenset({"payment.settle", "refund.settle", "payment.require_action", "payment.refuse_cancel"})
"""The bank's reports: no request waits for a reply to them."""
NOTHING = hashlib.md5(b"", usedforsecurity=False).digest()


def reply_fits(kind: str, first: int, count: int, events: Sequence[Json], digest: bytes) -> bool:
    """True if the digest is that of the reply given by the order's events. A command of an unknown kind matches."""
    name = RESOURCES.get(kind)
    if name is None:
        return digest == NOTHING or kind not in BANKS
    if count:
        return digest == _digest(_first(name, events[first - 1 : first - 1 + count]))
    return any(digest == _digest(resource) for resource in standing(name, events[: first - 1]))


def reply_of(kind: str, first: int, count: int, events: Sequence[Json]) -> bytes | None:
    """The reply itself; None if the events leave more than one possibility, or none."""
    name = RESOURCES.get(kind)
    if name is None:
        return b"" if kind in BANKS else None
    if count:
        found = _first(name, events[first - 1 : first - 1 + count])
        return None if found is None else orjson.dumps(found)
    resources = standing(name, events[: first - 1])
    return orjson.dumps(resources[0]) if len(resources) == 1 else None


def _first(name: str, events: Sequence[Json]) -> Json | None:
    return next((event["body"][name] for event in events if name in event["body"]), None)


def standing(name: str, events: Sequence[Json]) -> list[Json]:
    """Each resource of this name as these events left it."""
    found: dict[str, Json] = {}
    for event in events:
        resource = event["body"].get(name)
        if resource is not None:
            found[resource["id"]] = resource
        elif name == "order" and event["type"] == "payment.success":
            found = {key: {**order, "status": "PAID", "updated_at": event["at"]} for key, order in found.items()}
    return list(found.values())


def _digest(resource: Json | None) -> bytes | None:
    return None if resource is None else hashlib.md5(orjson.dumps(resource), usedforsecurity=False).digest()
