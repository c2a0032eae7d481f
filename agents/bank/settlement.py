"""From the bank's answer to the command that tells the actor. Used by the processor and by the sweeper alike.

The command's id is derived from the attempt, its outcome and the turn of the bank's word: the same answer twice is
one command, an answer that contradicts an earlier one is another, and so is a word that turns back. `again` sets apart
what is repeated on purpose, because an earlier command had no effect or money did not go back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.bank.port import BankAnswer
from domain.decision import Command
from domain.ids import REFUND
from domain.payment import SettlePayment
from domain.refund import SettleRefund
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.settings import Settings
from topics.commands import command_record
from topics.producer import Record


def settle_record(
    answer: BankAnswer,
    *,
    order_id: str,
    caused_by: str | None,
    request_id: str | None,
    settings: Settings,
    again: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> Record:
    """The settle command for this answer, ready for the commands topic."""
    at = clock.now()
    return command_record(
        _settle_command(answer, order_id, at + timedelta(seconds=settings.payment_deadline_seconds)),
        command_id=_command_id(answer, again),
        at=at,
        partitions=settings.topic_partitions,
        request_id=request_id,
        caused_by=caused_by,
    )


def _command_id(answer: BankAnswer, again: str) -> str:
    turned = f"_turn{answer.turn}" if answer.turn else ""
    repeated = f"_{again}" if again else ""
    return f"stl_{answer.attempt_id}_{answer.outcome}{turned}{repeated}"


def _settle_command(answer: BankAnswer, order_id: str, late_deadline_at: datetime) -> Command:
    if answer.attempt_id.startswith(REFUND):
        return SettleRefund(
            order_id=order_id,
            refund_id=answer.attempt_id,
            outcome=answer.outcome,
            error_code=answer.error_code,
            error_description=answer.error_description,
            bank_reference=answer.reference,
            turn=answer.turn,
        )
    return SettlePayment(
        order_id=order_id,
        payment_id=answer.attempt_id,
        outcome=answer.outcome,
        error_code=answer.error_code,
        error_description=answer.error_description,
        bank_reference=answer.reference,
        late_deadline_at=late_deadline_at,
        turn=answer.turn,
    )
