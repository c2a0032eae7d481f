"""Which event a record is, by its first bytes alone."""

from __future__ import annotations

import pytest

from topics.identity import event_identity

BODY = "0Ab3xZQwErTyUiOp"


def test_the_identity_is_read_from_the_records_beginning() -> None:
    assert event_identity(b'{"id":"evt_%b_12","type":"payment.success"}' % BODY.encode()) == (f"order_{BODY}", 12)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b'{"id":"cmd_1","type":"x"}', b'{"id":"evt_short_1","type":"x"}',
     b'{"id":"evt_%b_0","type":"x"}' % BODY.encode(), b'{"id": "evt_%b_1","type":"x"}' % BODY.encode()],
)  # fmt: skip
def test_what_is_not_an_event_of_ours_has_none(value: bytes | None) -> None:
    assert event_identity(value) is None
