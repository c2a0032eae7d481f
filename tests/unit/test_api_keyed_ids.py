"""The id of a resource that is requested under a key: the same for repeats, another one after its hour."""

from __future__ import annotations

import hashlib

from api.answers.idempotency import REPEATED_WITHIN_MS, is_same_for_repeats
from domain.ids import EPOCH_MS, PAYMENT, TICK_MS, is_id, keyed_id

HOUR_MS = TICK_MS * 62**3
NOW_MS = EPOCH_MS + 700 * HOUR_MS
DIGEST = hashlib.sha256(b"a key").digest()[:16]


def test_a_repeat_within_the_hour_makes_the_same_id() -> None:
    first = keyed_id(PAYMENT, now_ms=NOW_MS, digest=DIGEST)
    assert is_id(PAYMENT, first)
    assert keyed_id(PAYMENT, now_ms=NOW_MS + HOUR_MS - 1, digest=DIGEST) == first


def test_another_key_and_another_hour_make_another_id() -> None:
    made = {
        keyed_id(PAYMENT, now_ms=NOW_MS + hours * HOUR_MS, digest=hashlib.sha256(name).digest()[:16])
        for hours in range(20)
        for name in (b"a", b"b", b"c")
    }
    assert len(made) == 60


def test_ids_of_later_hours_sort_later() -> None:
    ids = [keyed_id(PAYMENT, now_ms=NOW_MS + hours * HOUR_MS, digest=DIGEST) for hours in range(50)]
    assert ids == sorted(ids)


def test_no_id_is_promised_while_an_earlier_request_may_use_the_previous_hours_id() -> None:
    assert not is_same_for_repeats(NOW_MS)
    assert not is_same_for_repeats(NOW_MS + REPEATED_WITHIN_MS - 1)
    assert is_same_for_repeats(NOW_MS + REPEATED_WITHIN_MS)
    assert is_same_for_repeats(NOW_MS - 1)
