"""The identity and merchant of an event, from the record's bytes: no decoding, for readers of every record.

    b'{"id":"evt_5HqK…_3",…'                                            ─► ("order_5HqK…", 3)
    b'…,"body":{"order_id":"order_5HqK…","merchant_id":"mrc_1",…'       ─► "mrc_1"

A quotation mark inside a text is written with a backslash before it, so no text can resemble the second form.
"""

from __future__ import annotations

import hashlib
import re

from domain.ids import ORDER

_IDENTITY = re.compile(rb'\{"id":"evt_([0-9A-Za-z]{16})_([1-9][0-9]{0,8})",')


_MERCHANT = re.compile(rb',"body":\{"order_id":"[0-9A-Za-z_]+","merchant_id":"([!#-\[\]-~]{1,255})",')


def event_identity(value: bytes | None) -> tuple[str, int] | None:
    """(order id, sequence); None if the record is not an event."""
    found = _IDENTITY.match(value or b"")
    return None if found is None else (ORDER + found[1].decode(), int(found[2]))


def event_merchant(value: bytes | None) -> str | None:
    """The event's merchant; None if that requires decoding: the record does not have the form in which events are
    written."""
    found = _MERCHANT.search(value or b"")
    return None if found is None else found[1].decode()


def event_digest(value: bytes) -> str:
    """Hash to compare two copies of one event: md5 in hex, as PostgreSQL computes it too."""
    return hashlib.md5(value, usedforsecurity=False).hexdigest()
