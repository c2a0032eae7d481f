"""The bank: a port, and the adapters behind it. Nothing else in the gateway knows which bank it is."""

from __future__ import annotations

from agents.bank.door import Door
from agents.bank.port import Bank
from agents.bank.simulated import SimulatedBank
from runtime.settings import Settings

__all__ = ["Bank", "Door", "make_bank"]


def make_bank(settings: Settings) -> Bank:
    """The bank of this deployment. The only place that names an adapter. It connects when it is first used."""
    return SimulatedBank(settings)
