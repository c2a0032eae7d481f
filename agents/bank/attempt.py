"""One attempt at the bank, carried to an outcome: ask, and when no answer comes, query; never charge twice.

asked before? ── yes ─► query ─► answer
     │ no                 │ never seen
     ▼                    ▼
   charge ── no answer ─► query … (backoff, at most `tries`) ─► answer | None: left to the sweeper

A bank's adapter that breaks gives no answer either: money may have moved before it broke.
"""

from __future__ import annotations

import asyncio

from agents.bank.port import Bank, Charge, NoAnswerError, Report, Return
from runtime.logs import get_logger

log = get_logger("attempt")

RESOLVE_TRIES = 10
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0


async def attempt(
    bank: Bank, request: Charge | Return, *, maybe_asked_before: bool, tries: int = RESOLVE_TRIES
) -> Report | None:
    """What the bank reports about the attempt; None where the bank does not answer in so many tries."""
    asked = maybe_asked_before
    pause = BACKOFF_FIRST_SECONDS
    for number in range(tries):
        if number:
            await asyncio.sleep(pause)
            pause = min(BACKOFF_MAX_SECONDS, pause * 2)
        try:
            if asked:
                known = await bank.query(request.attempt_id)
                if known is not None:
                    return known
            asked = True
            return await _ask(bank, request)
        except NoAnswerError as error:
            log.info("bank_gave_no_answer", attempt_id=request.attempt_id, error=str(error))
        except Exception:
            log.error("bank_adapter_broken", attempt_id=request.attempt_id, exc_info=True)
    return None


async def _ask(bank: Bank, request: Charge | Return) -> Report:
    if isinstance(request, Charge):
        return await bank.charge(request)
    return await bank.refund(request)
