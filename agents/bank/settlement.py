"""Turns a bank's report into the command that informs the actor, whichever process received the report.

    BankResult     ─► payment.settle, refund.settle
    ActionRequired ─► payment.require_action
    CancelRefused  ─► payment.refuse_cancel

The command's id is derived from the attempt, its outcome and its turn: the same report twice is one command; a report
that contradicts an earlier one is another command, and so is one that restores the earlier outcome. `again`
distinguishes a deliberate repetition, sent because an earlier command had no effect or money was not returned. The same
payer step is one command, however often the bank reports it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from agents.bank.port import ActionRequired, BankResult, CancelRefused, Report
from domain.decision import Command
from domain.ids import REFUND
from domain.payment import RefuseCancel, RequireAction, SettlePayment
from domain.refund import SettleRefund
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.settings import Settings
from topics.commands import command_record
from topics.producer import Record
from topics.proof import signed


def settle_record(
    report: Report,
    *,
    order_id: str,
    caused_by: str | None,
    request_id: str | None,
    settings: Settings,
    again: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> Record:
    """The command for this report, signed, ready for the commands topic."""
    at = clock.now()
    record = command_record(
        _command(report, order_id, at + timedelta(seconds=settings.payment_deadline_seconds)),
        command_id=_command_id(report, again),
        at=at,
        partitions=settings.topic_partitions,
        request_id=request_id,
        caused_by=caused_by,
    )
    return signed(record, settings.keys)


def name_of(report: Report) -> str:
    """The kind of report, in one word: for metrics and logs."""
    match report:
        case ActionRequired():
            return "action_required"
        case CancelRefused():
            return "cancel_refused"
        case BankResult():
            return report.outcome
    assert_never(report)


def _command_id(report: Report, again: str) -> str:
    match report:
        case ActionRequired(attempt_id, action):
            text = f"{action.type} {action.url} {action.expires_at.timestamp()}"
            return f"act_{attempt_id}_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
        case CancelRefused(attempt_id):
            return f"rfc_{attempt_id}_{again}" if again else f"rfc_{attempt_id}"
        case BankResult():
            turned = f"_turn{report.turn}" if report.turn else ""
            repeated = f"_{again}" if again else ""
            return f"stl_{report.attempt_id}_{report.outcome}{turned}{repeated}"
    assert_never(report)


def _command(report: Report, order_id: str, late_deadline_at: datetime) -> Command:
    match report:
        case ActionRequired(attempt_id, action):
            # Never a whole second: every rendered instant has six fractional digits.
            expires_at = action.expires_at
            shown = replace(action, expires_at=expires_at.replace(microsecond=expires_at.microsecond or 1))
            return RequireAction(order_id=order_id, payment_id=attempt_id, action=shown)
        case CancelRefused(attempt_id):
            return RefuseCancel(order_id=order_id, payment_id=attempt_id)
        case BankResult():
            return _settle_command(report, order_id, late_deadline_at)
    assert_never(report)


def _settle_command(result: BankResult, order_id: str, late_deadline_at: datetime) -> Command:
    if result.attempt_id.startswith(REFUND):
        return SettleRefund(
            order_id=order_id,
            refund_id=result.attempt_id,
            outcome=result.outcome,
            error_code=result.error_code,
            error_description=result.error_description,
            bank_reference=result.reference,
            turn=result.turn,
        )
    return SettlePayment(
        order_id=order_id,
        payment_id=result.attempt_id,
        outcome=result.outcome,
        error_code=result.error_code,
        error_description=result.error_description,
        bank_reference=result.reference,
        late_deadline_at=late_deadline_at,
        turn=result.turn,
    )
