"""One attempt at the bank, carried to an outcome: charge, query if no response arrives, never charge twice.

sent before? ── yes ─► query ─► response
     │ no                │ unknown to the bank ─► decided by now? ── yes ─► AlreadyDecidedError
     ▼                   ▼ no
   charge ◄──────────────┘
     └ no response ─► query … (backoff, at most `tries`) ─► response | None: left to the sweeper

Cancelling needs no query first: it is idempotent. If the bank has not seen the attempt, another process may be about to
make it: then the cancellation is repeated, or the attempt is made first.

A bank need not remember an attempt without limit. What it does not know is therefore sent only while there is no
outcome: then it was either never sent, or so recently that the bank still knows it.

An adapter that fails counts as no response: money may have moved before it failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from agents.bank.port import Bank, Cancel, Charge, NoResponseError, Report, Request, Return
from runtime.logs import get_logger

log = get_logger("attempt")

RESOLVE_TRIES = 10
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0


IsDecided = Callable[[str], Awaitable[bool]]
"""Whether this attempt has its outcome. Raises NoResponseError if that cannot be found out now."""


class AlreadyDecidedError(Exception):
    """The bank does not know the attempt, or no longer, and the gateway has its outcome: it was not sent."""


async def attempt(
    bank: Bank,
    request: Request,
    *,
    maybe_requested_before: bool,
    is_decided: IsDecided,
    tries: int = RESOLVE_TRIES,
) -> Report | None:
    """What the bank reports about the attempt; None if it does not respond within `tries`.

    Raises AlreadyDecidedError.
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
                await _check_undecided(request.attempt_id, is_decided)
            requested = True
            return await _send(bank, request, is_decided)
        except AlreadyDecidedError:
            raise
        except NoResponseError as error:
            log.info("bank_did_not_respond", attempt_id=request.attempt_id, error=str(error))
        except Exception:
            log.error("bank_adapter_broken", attempt_id=request.attempt_id, exc_info=True)
    return None


async def _check_undecided(attempt_id: str, is_decided: IsDecided) -> None:
    if await is_decided(attempt_id):
        raise AlreadyDecidedError(attempt_id)


async def _send(bank: Bank, request: Request, is_decided: IsDecided) -> Report:
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
            await _check_undecided(request.attempt_id, is_decided)
            return await bank.charge(request.unseen)
    assert_never(request)
