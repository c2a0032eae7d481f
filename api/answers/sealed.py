"""Seals a request's personal data before its command is on the log or promised.

    CreatePayment(name="Asha") ─► CreatePayment(name="sealed:1:order_…:…")         where PERSONAL_FIELDS is sealed

Everything after this step works on the sealed texts. They are opened again in three places: the API's responses
(api/edge.py), the dispatcher's requests, and the bank's port.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from api.http.errors import refused
from api.process.bus import INBOX_SECONDS, Key
from api.process.services import Services
from domain.decision import Command
from domain.order import Order
from domain.payment import Payment
from domain.personal import changed, is_personal
from domain.refund import CreateRefund, Refund
from domain.rejection import PERSONAL_DATA_ERASED
from runtime.order_keys import (
    KEY_BYTES,
    NOTES,
    OrderKey,
    is_sealed,
    is_sealed_notes,
    opened_notes,
    opened_text,
    order_of,
)
from store.commands import find_accepted
from store.order_keys import OrderKeys

Resource = TypeVar("Resource", Order, Payment, Refund)


async def sealed(services: Services, command: Command, key: Key | None = None) -> Command:
    """The command as it may be kept. `key`: its Idempotency-Key.

    If the order's key was erased, a refund continues without its texts. A repeated request continues, sealed so that it
    can never be opened: the actor replies to it from the inbox. Any other is refused with ApiError 400. Raises
    DatabaseError.
    """
    if services.settings.personal_fields != "sealed" or not is_personal(command):
        return command
    found = await services.order_keys.key_to_seal(command.order_id)
    if found is None:
        if isinstance(command, CreateRefund):
            return replace(command, reason=None, receipt=None, notes={})
        if not await _was_accepted(services, key):
            raise refused(PERSONAL_DATA_ERASED)
        found = OrderKey(command.order_id, os.urandom(KEY_BYTES))
    return changed(command, text=found.seal, notes=found.seal_notes)


async def _was_accepted(services: Services, key: Key | None) -> bool:
    if key is None:
        return False
    return await find_accepted(services.pool, key.command_id, timeout=INBOX_SECONDS) is not None


async def opened_all(resources: Sequence[Resource], keys: OrderKeys) -> list[Resource]:
    """The resources with their sealed fields opened, or `erased`: for a file, whose cells are not JSON.

    Raises DatabaseError.
    """
    found: set[str] = set()
    for one in resources:
        changed(one, text=lambda text: _noted(text, found), notes=lambda notes: _noted_notes(notes, found))
    known = await keys.keys_of(found)
    return [
        changed(one, text=lambda text: opened_text(text, known), notes=lambda notes: opened_notes(notes, known))
        for one in resources
    ]


def _noted(text: str, found: set[str]) -> str:
    """The text; the order whose key opens it is added to `found`."""
    if is_sealed(text):
        found.add(order_of(text))
    return text


def _noted_notes(notes: dict[str, str], found: set[str]) -> dict[str, str]:
    if is_sealed_notes(notes):
        _noted(notes[NOTES], found)
    return notes
