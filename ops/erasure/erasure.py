"""Erasing orders: what each holds, whether it may be erased now, and the erasure.

    order ─► Planned(state) ─► record on payments.erasures.v1 (acked) ─► key deleted ─► no process has it

The record comes first: whatever happens to the database later, `gateway recover` and `gateway erase --again` read it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.order import Order, OrderStatus
from domain.payer import is_email, normalized_contact
from domain.payment import UNDECIDED
from domain.personal import changed
from domain.refund import Refund, RefundStatus
from runtime.clock import now
from runtime.order_keys import is_sealed, is_sealed_notes, opened_text, order_of
from runtime.settings import Settings
from store.driver import Pool
from store.operations.erasure import contacts, count_responses, erased_among, forgotten, has_key
from store.order_keys import OrderKeys
from store.orders import find_whole_order
from topics.erasures import erased_orders, erasure_record
from topics.producer import LogProducer

PUBLISH_SECONDS = 30.0


class State(StrEnum):
    """Whether an order can be erased."""

    READY = "ready"
    ERASED = "erased"
    """Nothing of it can be opened: it was erased, or holds no personal data."""
    OPEN = "open"
    """Money still moves: a query of the bank may need the payer's address."""
    PAYABLE = "payable"
    """It can still be paid: a payment that begins in between would lack the address that its bank needs."""
    PLAIN = "plain"
    """Some of it was written before PERSONAL_FIELDS was sealed, and is on the log in plain text."""


LEFT = frozenset({State.OPEN, State.PAYABLE, State.PLAIN})
"""What `gateway erase` does not erase."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One order. `sealed`, `plain`: personal fields of its rows; `answers`: stored responses of the merchant's
    servers."""

    order_id: str
    state: State
    sealed: int
    plain: int
    answers: int


async def plan(pool: Pool, order_id: str) -> Planned | None:
    """None if there is no such order. Raises DatabaseError."""
    order = await find_whole_order(pool, order_id)
    if order is None:
        return None
    sealed, plain = _counted(order)
    answers = await count_responses(pool, order_id)
    return Planned(order_id, _state(order, plain, answers, await has_key(pool, order_id)), sealed, plain, answers)


async def orders_reached(pool: Pool, settings: Settings, *, contact: str) -> AsyncIterator[tuple[int, list[str]]]:
    """(read so far, orders whose payer has this e-mail address or telephone number) after each page. Raises
    DatabaseError."""
    normalized = contact.lower() if is_email(contact) else normalized_contact(contact)
    keys = OrderKeys.of(pool, settings)
    read = 0
    async for page in contacts(pool):
        texts = [text for one in page for text in (one.email, one.contact) if text is not None]
        known = await keys.keys_of({order_of(text) for text in texts if is_sealed(text)})
        found = []
        for one in page:
            open_texts = {opened_text(text, known).lower() for text in (one.email, one.contact) if text is not None}
            if normalized in open_texts:
                found.append(one.order_id)
        read += len(page)
        yield read, found


async def erase(settings: Settings, pool: Pool, order_ids: Sequence[str]) -> AsyncIterator[str]:
    """Each order after it was erased. Can be repeated. Raises LogUnavailableError and DatabaseError."""
    at = now()
    async with LogProducer(settings) as producer:
        await producer.publish([erasure_record(order_id, at=at) for order_id in order_ids], timeout=PUBLISH_SECONDS)
    for order_id in order_ids:
        found = await plan(pool, order_id)  # again: the plan may be minutes old
        if found is None or found.state not in LEFT:
            await forgotten(pool, settings.keys, order_id)
            yield order_id


async def erase_again(settings: Settings, pool: Pool, *, apply: bool = True) -> list[str]:
    """Orders that were erased by the log and that this database does not remember, or still has a key of; they are
    erased again.

    Raises as `erase`. An order that was paid since, because an erasure was interrupted, is skipped.
    """
    known = await erased_orders(settings)
    done = await erased_among(pool, known)
    missing = [order_id for order_id in known if order_id not in done or await has_key(pool, order_id)]
    states = {order_id: await plan(pool, order_id) for order_id in missing}
    missing = [one for one in missing if (found := states[one]) is None or found.state is not State.OPEN]
    for order_id in missing if apply else ():
        await forgotten(pool, settings.keys, order_id)
    return missing


def _state(order: Order, plain: int, answers: int, keyed: bool) -> State:
    if any(payment.status in UNDECIDED for payment in order.payments) or any(
        refund.status is RefundStatus.PENDING for refund in order.refunds
    ):
        return State.OPEN
    if plain:
        return State.PLAIN
    if not (keyed or answers):
        return State.ERASED
    return State.PAYABLE if keyed and order.status is OrderStatus.CREATED else State.READY


def _counted(order: Order) -> tuple[int, int]:
    """(sealed, plain) personal fields of the order's rows."""
    counts = [0, 0]

    def text(value: str) -> str:
        counts[0 if is_sealed(value) else 1] += 1
        return value

    def notes(value: dict[str, str]) -> dict[str, str]:
        counts[0 if is_sealed_notes(value) else 1] += 1
        return value

    for part in (order, *order.payments, *(one for one in order.refunds if not _is_our_own(one))):
        changed(part, text=text, notes=notes)
    return counts[0], counts[1]


def _is_our_own(refund: Refund) -> bool:
    """Made by the gateway, with its own reason."""
    return refund.automatic
