"""Listening to a bank for as long as a role lives, whatever happens to the bank's adapter meanwhile.

A word that was not confirmed comes again, so an adapter that breaks costs a pause. What the listener itself does with a
word is not caught here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agents.bank.port import Bank, Report
from runtime.logs import get_logger

log = get_logger("bank")

PAUSE_SECONDS = 1.0


async def words_of(bank: Bank) -> AsyncIterator[Report]:
    """The bank's notifications, for ever."""
    while True:
        words = bank.notifications()
        while (word := await _next(words)) is not None:
            yield word
        await asyncio.sleep(PAUSE_SECONDS)


async def confirm(bank: Bank, word: Report) -> None:
    """Tell the bank that its word was received; where that fails, the bank repeats it."""
    try:
        await bank.confirm(word)
    except Exception:
        log.error("bank_adapter_broken", attempt_id=word.attempt_id, exc_info=True)


async def _next(words: AsyncIterator[Report]) -> Report | None:
    """None where the notifications ended or broke off."""
    try:
        return await anext(words, None)
    except Exception:
        log.error("bank_adapter_broken", exc_info=True)
        return None
