"""One attempt at the bank, carried to an outcome: charge, query if no response arrives, never charge twice.

sent before? ── yes ─► query ─► response
     │ no                │ unknown to the bank ─► decided by now, or older than its memory? ── yes ─► NotSentError
     ▼                   ▼ no
   charge ◄──────────────┘
     └ no response ─► query … (backoff, at most `tries`) ─► response | None: left to the sweeper

Cancelling needs no query first: it is idempotent. If the bank has not seen the attempt, another process may be about to
make it: then the cancellation is repeated, or the attempt is made first.

A bank need not remember an attempt without limit. What it does not know is therefore sent only while there is no
outcome, and only within the time for which the bank remembers. Otherwise a person must find out what happened.

An adapter that fails counts as no response: money may have moved before it failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from agents.bank.port import Bank, Cancel, Charge, NoResponseError, Report, Request, Return
from runtime.logs import get_logger
from store.attempts import AttemptState

log = get_logger("attempt")

RESOLVE_TRIES = 10
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0


LookUp = Callable[[str], Awaitable[AttemptState | None]]
"""The attempt as the database has it; None: it has none. Raises NoResponseError if that cannot be found out now."""


class NotSentError(Exception):
    """The bank does not know the attempt, or no longer, and it may have been carried out: it was not sent."""


async def attempt(
    bank: Bank,
    request: Request,
    *,
    maybe_requested_before: bool,
    look_up: LookUp,
    tries: int = RESOLVE_TRIES,
) -> Report | None:
    """What the bank reports about the attempt; None if it does not respond within `tries`.

    Raises NotSentError.
    """
    requested = maybe_requested_before
    pause = BACKOFF_FIRST_SECONDS
    for number in range(tries):
        if number:
            await asyncio.sleep(pause)
            pause = min(BACKOFF_MAX_SECONDS, pause * 2)
        try:
            if requested and not isinstance(request, Cancel):
                known = await bank.query(request.attempt_id)
                if known is not None:
                    return known
                await _check_unsent(bank, request.attempt_id, look_up)
            requested = True
            return await _send(bank, request, look_up)
        except NotSentError:
            raise
        except NoResponseError as error:
            log.info("bank_did_not_respond", attempt_id=request.attempt_id, error=str(error))
        except Exception:
            log.error("bank_adapter_broken", attempt_id=request.attempt_id, exc_info=True)
    return None


async def _check_unsent(bank: Bank, attempt_id: str, look_up: LookUp) -> None:
    """Raises NotSentError unless an attempt that the bank does not know cannot have been sent."""
    state = await look_up(attempt_id)
    if state is None:
        return
    if state.decided:
        raise NotSentError(f"{attempt_id} has its outcome")
    if bank.remembers is not None and state.age > bank.remembers:
        raise NotSentError(f"{attempt_id} is older than what the bank remembers ({bank.remembers})")


async def _send(bank: Bank, request: Request, look_up: LookUp) -> Report:
    match request:
        case Charge():
            return await bank.charge(request)
        case Return():
            return await bank.refund(request)
        case Cancel():
            result = await bank.cancel(request.attempt_id)
            if result is not None:
                return result
            if request.unseen is None:
                raise NoResponseError("the bank has not seen the attempt")
            await _check_unsent(bank, request.attempt_id, look_up)
            return await bank.charge(request.unseen)
    assert_never(request)
