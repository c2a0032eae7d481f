"""The bank: a port, and the adapters behind it. Nothing else in the gateway knows which bank it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agents.bank.door import Door
from agents.bank.opened import OpenedBank
from agents.bank.page import BankPage
from agents.bank.port import Bank
from agents.bank.simulated import SimulatedBank
from runtime.settings import Settings
from store.driver import Pool
from store.order_keys import OrderKeys

__all__ = ["Bank", "Door", "make_bank", "make_opened_bank", "make_pages"]


def make_bank(settings: Settings) -> Bank:
    """The bank of this deployment. The only place that names an adapter. It connects when it is first used."""
    return SimulatedBank(settings)


def make_opened_bank(settings: Settings, pool: Pool) -> Bank:
    """The same, for whoever asks it about what stands on the log or in the tables, where it may be sealed."""
    return OpenedBank(make_bank(settings), OrderKeys.of(pool, settings))


def make_pages(
    bank: Bank, settings: Settings, door: Door, order_of: Callable[[str], Awaitable[str | None]]
) -> BankPage | None:
    """Pages that this bank has in our processes; None: it has its own, as a real one does."""
    if not isinstance(bank, SimulatedBank) or not settings.test_mode:
        return None
    return BankPage(bank, settings, door, order_of=order_of)
