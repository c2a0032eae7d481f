"""Listens to a bank for as long as a role lives, even if the bank's adapter fails.

The bank repeats a notification that was not confirmed, so a failing adapter costs only a pause. Errors of the code that
handles a notification are not caught here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agents.bank.port import Bank, Report
from runtime.logs import get_logger

log = get_logger("bank")

PAUSE_SECONDS = 1.0


async def words_of(bank: Bank) -> AsyncIterator[Report]:
    """The bank's notifications, without end."""
    while True:
        words = bank.notifications()
        while (word := await _next(words)) is not None:
            yield word
        await asyncio.sleep(PAUSE_SECONDS)


async def confirm(bank: Bank, word: Report) -> None:
    """Confirm a notification to the bank; if that fails, the bank repeats it."""
    try:
        await bank.confirm(word)
    except Exception:
        log.error("bank_adapter_broken", attempt_id=word.attempt_id, exc_info=True)


async def _next(words: AsyncIterator[Report]) -> Report | None:
    """None if the notifications ended or the connection broke."""
    try:
        return await anext(words, None)
    except Exception:
        log.error("bank_adapter_broken", exc_info=True)
        return None
