"""A bank that receives plaintext: fields that are sealed on the log and in the tables are opened on the way to it.

    Charge(token="sealed:1:…") ─► Charge(token="asha@upi") ─► the adapter

The key of an attempt that is still open is never erased (`gateway erase` refuses); if it is missing anyway, no charge
is sent, and the attempt stays open until an operator resolves it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from agents.bank.port import Bank, BankResult, Booking, CancelRefused, Charge, NoResponseError, Report, Return
from domain.card import CardDetails
from runtime.order_keys import ERASED, is_sealed
from store.order_keys import OrderKeys


class OpenedBank:
    """Wraps `bank` with the keys of the orders. Raises DatabaseError if they cannot be read: nothing was sent then."""

    def __init__(self, bank: Bank, keys: OrderKeys) -> None:
        self._bank = bank
        self._keys = keys

    @property
    def remembers(self) -> timedelta | None:
        return self._bank.remembers

    async def tokenize(self, card: CardDetails) -> str:
        return await self._bank.tokenize(card)

    async def charge(self, charge: Charge) -> Report:
        if is_sealed(charge.token):
            token = await self._keys.opened_text(charge.token)
            if token == ERASED:
                raise NoResponseError("the payer's address was erased, so the bank was not asked")
            charge = replace(charge, token=token)
        return await self._bank.charge(charge)

    async def refund(self, refund: Return) -> BankResult:
        if refund.reason is not None and is_sealed(refund.reason):
            reason = await self._keys.opened_text(refund.reason)
            refund = replace(refund, reason=None if reason == ERASED else reason)
        return await self._bank.refund(refund)

    async def query(self, attempt_id: str) -> Report | None:
        return await self._bank.query(attempt_id)

    async def cancel(self, attempt_id: str) -> BankResult | CancelRefused | None:
        return await self._bank.cancel(attempt_id)

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Report:
        return self._bank.read_notification(headers, body)

    def notifications(self) -> AsyncIterator[Report]:
        return self._bank.notifications()

    def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        return self._bank.books(attempt_ids)

    async def confirm(self, report: Report) -> None:
        await self._bank.confirm(report)
