"""The bank: a port and its adapters. No other part of the gateway depends on which bank it is."""

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
    """The bank of this deployment. The only place that names an adapter. It connects on first use."""
    return SimulatedBank(settings)


def make_opened_bank(settings: Settings, pool: Pool) -> Bank:
    """The same bank, for data from the log or the tables, which may be sealed."""
    return OpenedBank(make_bank(settings), OrderKeys.of(pool, settings))


def make_pages(
    bank: Bank, settings: Settings, door: Door, order_of: Callable[[str], Awaitable[str | None]]
) -> BankPage | None:
    """The pages that this bank serves from our processes; None: it serves its own, as a real bank does."""
    if not isinstance(bank, SimulatedBank) or not settings.test_mode:
        return None
    return BankPage(bank, settings, door, order_of=order_of)
