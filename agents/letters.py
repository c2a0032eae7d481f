"""What every consumer does with a record: read it if it is relevant, and write a dead letter if it cannot be read.

    for message in messages:
        try:
            event = read_event(message.value)
        except Exception as error:                      whatever it is, the record caused it
            letters += letters_of(message, error, at=at)    published before the offset is committed

A reader does no I/O, so the record causes any exception in it, and the partition continues.
"""

from __future__ import annotations

import traceback
from collections.abc import Container
from datetime import datetime
from typing import Any

from prometheus_client import Counter

from runtime.logs import get_logger
from topics.batches import UnreadableBatch
from topics.deadletter import REASON_UNDECODABLE, letter_about
from topics.envelope import HEADER_TYPE, NewerRecordError
from topics.producer import Record

log = get_logger("reading")

DEAD_LETTERS = Counter("gateway_dead_letters", "Records given up, by topic and reason", ["topic", "reason"])


def has_type(message: Any, types: Container[bytes | None]) -> bool:
    """True if one of the record's `type` headers is among `types`, or the type is unreadable. A null header is
    not."""
    if isinstance(message, UnreadableBatch):
        return True
    return any(name == HEADER_TYPE and content in types for name, content in message.headers or ())


def letters_of(message: Any, error: Exception, *, at: datetime, reason: str = REASON_UNDECODABLE) -> list[Record]:
    """The dead letter of a record, while its exception is handled; none for a record that is a letter itself.

    Raises the error itself where a newer version has written the record: the worker ends rather than skip it.
    """
    if isinstance(error, NewerRecordError):
        raise error
    log.error(
        "record_dead_lettered",
        place=f"{message.topic}/{message.partition}/{message.offset}",
        reason=reason,
        error=repr(error)[:300],
    )
    DEAD_LETTERS.labels(message.topic, reason).inc()
    letter = letter_about(message, reason=reason, error=repr(error), trace=traceback.format_exc(), at=at)
    return [] if letter is None else [letter]
