"""Brings the simulated bank's books to what the log proves: they are in the same database, and as old as the rest.

    events                      ─► what the bank said of each recovered attempt
    commands not acknowledged   ─► what it said last: such a settle command is decided after the recovery

A real bank's books are not in our database, and nothing happens to them here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.payment import SettlePayment
from domain.refund import SettleRefund
from ops.audit.verify.commands import committed_offsets
from runtime.settings import Settings
from store.errors import MissingTableError
from store.operations.recover import BankWord, Recovery
from topics.catalogue import COMMANDS
from topics.codec import command_of
from topics.envelope import UndecodableError, decode
from topics.proof import Proofs, proofs_of
from topics.reader import Start, from_positions, log_reader
from topics.records import LogRecord

AT_ONCE = 1_000


async def rebook(settings: Settings, recovery: Recovery) -> int:
    """How many entries were written; 0 if there is no simulated bank. Raises KafkaError, DatabaseError, OSError."""
    orders = await recovery.orders()
    try:
        rebooked = [await recovery.rebook(orders[first : first + AT_ONCE]) for first in range(0, len(orders), AT_ONCE)]
        rebooked += [await recovery.rebook_words(words) async for words in undecided_words(settings)]
    except MissingTableError:
        return 0
    return sum(rebooked)


async def undecided_words(settings: Settings) -> AsyncIterator[list[BankWord]]:
    """The words among the commands that the actors have not acknowledged, at most AT_ONCE at a time: one for each
    attempt, its last one so far. A later portion's word of the same attempt is newer or does not change the books."""
    committed, proofs = await committed_offsets(settings), proofs_of(settings)
    words: dict[str, BankWord] = {}
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        async for record in reader.merged(from_positions(spans, committed)):
            word = _word_of(record, proofs)
            if word is not None and (word.attempt_id not in words or words[word.attempt_id].turn <= word.turn):
                words[word.attempt_id] = word
            if len(words) >= AT_ONCE:
                yield list(words.values())
                words = {}
    if words:
        yield list(words.values())


def _word_of(record: LogRecord, proofs: Proofs) -> BankWord | None:
    """None if an actor would not accept it as a settlement either."""
    try:
        command = command_of(decode(record.value))
    except UndecodableError:
        return None
    if not isinstance(command, SettlePayment | SettleRefund):
        return None
    if proofs.fault_of(record.key, record.value, record.headers) is not None:
        return None
    attempt_id = command.payment_id if isinstance(command, SettlePayment) else command.refund_id
    return BankWord(attempt_id, command.outcome, command.error_code, command.bank_reference, command.turn)
