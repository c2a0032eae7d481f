"""`gateway settle`: the outcome of an attempt that only a person can know, as the bank would have reported it.

    a payment or refund without an outcome ─► success | failed
    a refund that the bank has refused     ─► success: its money went back in another way

The command is signed and goes to the order's actor like a report of the bank. The operator's chain of the audit log
has it first.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from agents.bank.port import BankResult
from agents.bank.settlement import settle_record
from domain.ids import PAYMENT, REFUND, is_id
from domain.outcome import DECLINES, Outcome
from domain.payment import UNDECIDED, Payment
from domain.refund import Refund, RefundStatus
from ops.console.errors import GatewayError
from ops.console.exit_codes import UsageError, run
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Pool
from store.payments import find_payment
from store.refunds import find_refund
from topics.producer import LogProducer

NOTE_MAX = 500
REFERENCE_MAX = 64
DECIDED_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2
BY_HAND = "by_hand"


def settle(
    attempt_id: Annotated[str, typer.Argument(help="The payment or refund.")],
    outcome: Annotated[str, typer.Option(metavar="success|failed", help="The outcome, by the bank's statement.")],
    note: Annotated[str, typer.Option(help="How that is known, for the record.")],
    reference: Annotated[str, typer.Option(help="The bank's reference of the transfer; needed for a success.")] = "",
    as_json: Json = False,
) -> None:
    """Settle a payment or refund by hand, after the bank can no longer be asked about it."""
    if not (is_id(PAYMENT, attempt_id) or is_id(REFUND, attempt_id)):
        raise UsageError(f"{attempt_id!r} is not a valid payment or refund id (pay_… or rfnd_…).")
    if outcome not in set(Outcome):
        raise UsageError(f"{outcome!r} is not a valid outcome: success or failed.")
    if not note.strip() or len(note) > NOTE_MAX:
        raise UsageError(f"The note must have 1 to {NOTE_MAX} characters.")
    if len(reference) > REFERENCE_MAX or (outcome == Outcome.SUCCESS and not reference.strip()):
        raise UsageError(f"A success needs the bank's reference of 1 to {REFERENCE_MAX} characters (--reference).")
    known = Outcome(outcome)
    status = run(lambda settings: _settle(settings, attempt_id, known, reference.strip() or BY_HAND, note.strip()))
    if as_json:
        print_json({"id": attempt_id, "status": status})
    else:
        console.print(f"{attempt_id} is {status}")


async def _settle(settings: Settings, attempt_id: str, outcome: Outcome, reference: str, note: str) -> str:
    pool = await make_pool(settings, size=1)
    try:
        attempt = await _found(pool, attempt_id)
        result = _result(attempt, outcome, reference)
        record = settle_record(
            result, order_id=attempt.order_id, caused_by=None, request_id=None, settings=settings, again=BY_HAND
        )
        details = {"attempt_id": attempt_id, "outcome": outcome.value, "reference": reference, "note": note}
        await note_command(settings, "settle", details, pool)
        async with LogProducer(settings) as producer:
            await producer.publish([record])
        return await _decided(pool, attempt)
    finally:
        await pool.close()


async def _decided(pool: Pool, before: Payment | Refund) -> str:
    """The status once it has changed. Raises GatewayError after DECIDED_SECONDS."""
    ends_at = time.monotonic() + DECIDED_SECONDS
    while time.monotonic() < ends_at:
        attempt = await _found(pool, before.id)
        if attempt.status != before.status:
            return attempt.status
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    raise GatewayError(
        f"The report is on the log, and was not decided within {DECIDED_SECONDS:.0f} s. "
        "Check that the payments role works: `gateway status`."
    )


async def _found(pool: Pool, attempt_id: str) -> Payment | Refund:
    one = await (find_payment if attempt_id.startswith(PAYMENT) else find_refund)(pool, attempt_id)
    if one is None:
        raise UsageError(f"No payment or refund {attempt_id} exists.")
    return one


def _result(attempt: Payment | Refund, outcome: Outcome, reference: str) -> BankResult:
    """The report. One that contradicts an earlier one has the next turn, as if the bank had reversed itself.

    Raises UsageError if the attempt cannot be settled like this.
    """
    refused = attempt.status == RefundStatus.FAILED and attempt.id.startswith(REFUND)
    if attempt.status in {*UNDECIDED, RefundStatus.PENDING}:
        turn = attempt.bank_turn
    elif refused and outcome is Outcome.SUCCESS:
        turn = attempt.bank_turn + 1
    else:
        raise UsageError(f"{attempt.id} is {attempt.status} already; only the bank can change that.")
    code = None
    if outcome is Outcome.FAILED:
        code = "PAYMENT_FAILED" if attempt.id.startswith(PAYMENT) else "REFUND_FAILED"
    return BankResult(attempt.id, outcome, code, DECLINES[code] if code else None, reference, turn)
