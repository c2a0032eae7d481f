"""Identifiers: their form, their order, and the way back from an event's id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    ALPHABET,
    ENDPOINT,
    EPOCH_MS,
    MERCHANT,
    ORDER,
    PAYMENT,
    RANDOM_SPACE,
    REFUND,
    TICK_MS,
    _base62,
    event_id,
    is_id,
    late_refund_id,
    new_id,
    parse_event_id,
)

PREFIXES = st.sampled_from([ORDER, PAYMENT, REFUND, MERCHANT, ENDPOINT])
TIMES = st.integers(EPOCH_MS, EPOCH_MS + TICK_MS * 62**6 - 1)
RANDOMS = st.integers(0, RANDOM_SPACE - 1)


@given(PREFIXES, TIMES, RANDOMS)
def test_prefix_and_exactly_sixteen_characters(prefix: str, now_ms: int, random: int) -> None:
    made = new_id(prefix, now_ms=now_ms, random=random)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{16}", made)
    assert is_id(prefix, made)


@given(TIMES, TIMES, RANDOMS, RANDOMS)
def test_byte_order_is_order_of_time(earlier: int, later: int, one: int, other: int) -> None:
    earlier, later = sorted((earlier, later))
    if later - earlier >= TICK_MS:
        assert new_id(ORDER, now_ms=earlier, random=one) < new_id(ORDER, now_ms=later, random=other)


@given(RANDOMS, RANDOMS)
def test_no_random_bit_is_lost(one: int, other: int) -> None:
    assert (new_id(ORDER, now_ms=EPOCH_MS, random=one) == new_id(ORDER, now_ms=EPOCH_MS, random=other)) is (
        one == other
    )


def test_there_are_at_least_59_random_bits() -> None:
    assert RANDOM_SPACE.bit_length() >= 60


@pytest.mark.parametrize(
    "value",
    ["", "order_", "order_123", "order_" + "a" * 15, "order_" + "a" * 17, "pay_" + "a" * 16, "order_" + "a" * 15 + "-",
     "order_" + "a" * 16 + "\n", "ORDER_" + "a" * 16, "order_" + "é" * 16, "order_" + "a" * 15 + "\x00"],
)  # fmt: skip
def test_invalid_order_ids(value: str) -> None:
    assert not is_id(ORDER, value)


@given(TIMES, RANDOMS, st.integers(1, 999_999_999))
def test_an_event_id_leads_back_to_its_order_and_number(now_ms: int, random: int, sequence: int) -> None:
    order_id = new_id(ORDER, now_ms=now_ms, random=random)
    assert parse_event_id(event_id(order_id, sequence)) == (order_id, sequence)


@pytest.mark.parametrize(
    "value",
    ["", "evt", "evt_", "evt_" + "a" * 16, "evt_" + "a" * 16 + "_", "evt_" + "a" * 16 + "_-1", "evt_" + "a" * 16 + "_x",
     "evt_" + "a" * 15 + "_1", "pay_" + "a" * 16 + "_1", "evt_" + "a" * 16 + "_1234567890", "evt_" + "a" * 16 + "_١"],
)  # fmt: skip
def test_invalid_event_ids(value: str) -> None:
    assert parse_event_id(value) is None


def test_each_automatic_refund_of_a_payment_has_one_id() -> None:
    ids = [late_refund_id("pay_ABCDEFGHIJKLMNOP", number) for number in range(1, 6)]
    assert ids[0] == late_refund_id("pay_ABCDEFGHIJKLMNOP") == "rfnd_ABCDEFGHIJKLMNOP"
    assert len(set(ids)) == 5
    assert all(is_id(REFUND, one) for one in ids)
    assert late_refund_id("pay_ABCDEFGHIJKLMNOP", 2) == ids[1] != late_refund_id("pay_ABCDEFGHIJKLMNOQ", 2)


@given(number=st.integers(0, 62**13 - 1), width=st.integers(1, 13))
def test_digits_are_those_of_base_62(number: int, width: int) -> None:
    digits = _base62(number, width)
    assert sum(ALPHABET.index(digit) * 62**place for place, digit in enumerate(reversed(digits))) == number % 62**width
    assert len(digits) == width
