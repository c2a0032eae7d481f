"""Which event a record of the events topic is, from its first bytes: no decoding, for readers of every record.

b'{"id":"evt_5HqK…_3",…' ─► ("order_5HqK…", 3)
"""

from __future__ import annotations

import hashlib
import re

from domain.ids import ORDER

_IDENTITY = re.compile(rb'\{"id":"evt_([0-9A-Za-z]{16})_([1-9][0-9]{0,8})",')


def event_identity(value: bytes | None) -> tuple[str, int] | None:
    """(order id, sequence); None where the record is not an event."""
    found = _IDENTITY.match(value or b"")
    return None if found is None else (ORDER + found[1].decode(), int(found[2]))


def event_digest(value: bytes) -> str:
    """What two copies of one event are compared by: md5 in hex, as PostgreSQL computes it too."""
    return hashlib.md5(value, usedforsecurity=False).hexdigest()
