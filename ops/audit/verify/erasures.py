"""Whether erased orders stay erased: nothing that the log says was erased can be read any more.

    payments.erasures.v1 ─► remembered in the database, and the order's key is gone
    each erased order    ─► every personal field of its events is sealed

Rows, replies and the bodies of webhooks follow from the events (checks state, commands and webhooks), and the topic
has the same bytes (check topic): so what is sealed in the events is sealed everywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson

from domain.ids import event_id
from ops.audit.verify.findings import Check, Finding
from ops.erasure.erasure import erase_again
from runtime.order_keys import is_sealed, is_sealed_notes
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Pool
from store.operations.erasure import erased_events, erased_pages, keyed_among

AGAIN_SECONDS = 0.5
RESOURCES = frozenset({"order", "payment", "refund", "payment_link"})
"""Of an event's body; the rest is ours or the bank's."""
TEXTS = frozenset({"receipt", "vpa", "name", "email", "contact", "description", "reason", "reference"})
"""Fields of resources with a payer's words, by the names that events have for them."""


async def compare_erasures(settings: Settings, settle_seconds: float) -> tuple[int, list[Finding]]:
    """How many orders are erased, and what can still be read of them.

    `settle_seconds`: how long an erasure may be under way. Raises DatabaseError, or aiokafka's errors.
    """
    pool = await make_pool(settings, size=1)
    try:
        found = [_not_erased(one, "the log says") for one in await _forgotten_by_nobody(settings, pool, settle_seconds)]
        known = {one.subject for one in found}
        count = 0
        async for order_ids in erased_pages(pool):
            count += len(order_ids)
            keyed = await keyed_among(pool, order_ids)
            found += [_not_erased(one, "the database says") for one in sorted(keyed - known)]
            for row in await erased_events(pool, order_ids):
                names = sorted(set(readable(orjson.loads(row["payload"])["body"])))
                if names:
                    subject, fields = event_id(row["order_id"], row["sequence"]), ", ".join(names)
                    found.append(Finding(Check.ERASURES, subject, f"is of an erased order, and shows {fields}"))
        return count, found
    finally:
        await pool.close()


async def _forgotten_by_nobody(settings: Settings, pool: Pool, settle_seconds: float) -> list[str]:
    """Orders that the log says were erased, and that this database has not erased."""
    ends_at = time.monotonic() + settle_seconds
    while True:
        missing = await erase_again(settings, pool, apply=False)
        if not missing or time.monotonic() > ends_at:
            return missing
        await asyncio.sleep(AGAIN_SECONDS)


def _not_erased(order_id: str, whose: str) -> Finding:
    return Finding(Check.ERASURES, order_id, f"was erased, {whose}, and its fields can be opened or are not marked")


def readable(body: Any) -> Iterator[str]:
    """Names of the personal fields of an event's resources that are not sealed. A reason of ours is not personal."""
    for name in RESOURCES & body.keys():
        yield from _readable(body[name])


def _readable(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, part in value.items():
        ours = name == "reason" and value.get("automatic")
        if name == "notes":
            if part and not is_sealed_notes(part):
                yield name
        elif name in TEXTS and isinstance(part, str) and part and not is_sealed(part) and not ours:
            yield name
        else:
            yield from _readable(part)
