"""A command as a record: how the API, the bank's reports and the tests submit a command to an order's actor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain.decision import Command
from topics.catalogue import COMMANDS, partition_of
from topics.codec import COMMAND_TYPES, command_envelope
from topics.envelope import HEADER_REPLY_TO, HEADER_TYPE, encode
from topics.producer import Record


def command_record(
    command: Command,
    *,
    command_id: str,
    at: datetime,
    partitions: int,
    request_id: str | None,
    caused_by: str | None = None,
    nonce: str = "",
    fingerprint: Mapping[str, str] | None = None,
    reply_to: bytes | None = None,
) -> Record:
    """Record for the commands topic. `partitions`: of that topic; `reply_to`: the process that waits for the reply.

    `nonce` is new for every request that carries an Idempotency-Key; `fingerprint`: what that request contained.
    """
    envelope = command_envelope(
        command,
        command_id=command_id,
        at=at,
        request_id=request_id,
        caused_by=caused_by,
        nonce=nonce,
        fingerprint=None if fingerprint is None else dict(fingerprint),
    )
    key = command.order_id.encode()
    headers = [(HEADER_TYPE, COMMAND_TYPES[type(command)].encode())]
    if reply_to is not None:
        headers.append((HEADER_REPLY_TO, reply_to))
    return Record(COMMANDS, partition_of(key, partitions), key, encode(envelope), headers)
