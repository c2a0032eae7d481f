"""The tree of keys, sealed texts, and what is left of both after an erasure."""

from __future__ import annotations

from datetime import date

import orjson
import pytest

from domain.ids import ORDER, keyed_id, made_at_ms, new_id
from runtime.order_keys import (
    ERASED,
    LEVELS,
    MARK,
    NOTES,
    SEALED_TEXT_MAX,
    OrderKey,
    key_below,
    opened,
    opened_notes,
    opened_text,
    orders_in,
    path_of,
    without,
)
from store.order_keys import day_of, row_ids

ROOT = bytes(range(32))
FIRST, OTHER = "order_0Ab3xZQwErTyUiOp", "order_0Ab3xZQwErTyUiOq"
NOW_MS = 1_796_000_000_000


def key_of(order_id: str, root: bytes = ROOT) -> OrderKey:
    return key_below(root, path_of(order_id), order_id)


def test_a_sealed_text_opens_with_its_orders_key_alone() -> None:
    sealed = key_of(FIRST).seal("asha@upi")
    assert "asha" not in sealed
    assert opened_text(sealed, {FIRST: key_of(FIRST)}) == "asha@upi"
    assert opened_text(sealed, {FIRST: key_below(ROOT, path_of(OTHER), FIRST)}) == ERASED
    assert opened_text(sealed, {FIRST: None}) == ERASED
    moved = sealed.replace(FIRST, OTHER)
    assert opened_text(moved, {OTHER: key_of(OTHER), FIRST: key_of(FIRST)}) == ERASED
    of_the_same_leaf = key_below(ROOT, path_of(FIRST), OTHER)
    assert opened_text(moved, {OTHER: of_the_same_leaf}) == ERASED


def test_the_same_text_is_sealed_the_same_and_a_sealed_one_stays_as_it_is() -> None:
    key = key_of(FIRST)
    assert key.seal("asha@upi") == key.seal("asha@upi") != key.seal("asha@bank")
    assert key.seal(key.seal("asha@upi")) == key.seal("asha@upi")
    assert key.seal_notes(key.seal_notes({"seat": "4"})) == key.seal_notes({"seat": "4"})


@pytest.mark.parametrize("text", ["x" * 255, "अ" * 255, "\U0001f600" * 255, '"quoted"\n', "\0"])
def test_the_longest_text_fits_and_can_be_opened(text: str) -> None:
    sealed = key_of(FIRST).seal(text)
    assert len(sealed) <= SEALED_TEXT_MAX
    assert opened_text(sealed, {FIRST: key_of(FIRST)}) == text
    assert orjson.loads(opened(orjson.dumps({"name": sealed}), {FIRST: key_of(FIRST)})) == {"name": text}


def test_every_order_but_the_erased_one_keeps_its_key() -> None:
    others = [new_id(ORDER, now_ms=NOW_MS + 16 * number, random=number) for number in range(300)]
    nodes = without(ROOT, "", path_of(FIRST))
    assert len(nodes) == LEVELS * 15
    assert not any(path_of(FIRST).startswith(way) for way in nodes)
    for other in others:
        (way,) = (way for way in nodes if path_of(other).startswith(way))
        again = key_below(nodes[way], path_of(other)[len(way) :], other)
        assert again.seal("asha@upi") == key_of(other).seal("asha@upi")


def test_a_second_erasure_below_a_node_takes_only_its_own() -> None:
    nodes = without(ROOT, "", path_of(FIRST))
    (way,) = (way for way in nodes if path_of(OTHER).startswith(way))
    below = without(nodes[way], way, path_of(OTHER))
    assert not any(path_of(OTHER).startswith(one) for one in below)
    assert all(one.startswith(way) for one in below)


def test_a_json_text_is_opened_in_place_and_the_rest_stays_byte_for_byte() -> None:
    key = key_of(FIRST)
    plain = {"id": FIRST, "notes": {"seat": "4"}, "customer": {"name": 'A "B"', "email": None}, "list": ["asha@upi"]}
    sealed = {
        **plain,
        "notes": key.seal_notes({"seat": "4"}),
        "customer": {"name": key.seal('A "B"'), "email": None},
        "list": [key.seal("asha@upi")],
    }
    content = orjson.dumps(sealed)
    assert orders_in(content) == {FIRST}
    assert opened(content, {FIRST: key}) == orjson.dumps(plain)
    assert opened(orjson.dumps(plain), {}) == orjson.dumps(plain)


def test_an_erased_field_is_null_and_its_object_is_marked() -> None:
    key, other = key_of(FIRST), key_of(OTHER)
    content = orjson.dumps(
        {"data": [{"id": 1, "notes": key.seal_notes({"a": "b"}), "vpa": key.seal("x@y")}, {"vpa": other.seal("z@y")}]}
    )
    assert orjson.loads(opened(content, {FIRST: None, OTHER: other})) == {
        "data": [{"id": 1, "notes": {}, "vpa": None, ERASED: True}, {"vpa": "z@y"}]
    }


def test_a_server_sent_event_is_opened_and_erased_too() -> None:
    key = key_of(FIRST)
    frame = b"event: status\nid: 3\ndata: " + orjson.dumps({"vpa": key.seal("x@y")}) + b"\n\n"
    assert opened(frame, {FIRST: key}) == b'event: status\nid: 3\ndata: {"vpa":"x@y"}\n\n'
    assert opened(frame, {FIRST: None}) == b'event: status\nid: 3\ndata: {"vpa":null,"erased":true}\n\n'


def test_what_looks_like_sealed_but_is_not_is_erased_rather_than_shown() -> None:
    for text in (f"sealed:1:{FIRST}:AAAA", f"sealed:1:{FIRST}:A", f"sealed:1:{OTHER}:AAAA"):
        content = orjson.dumps({"name": text})
        assert orjson.loads(opened(content, {FIRST: key_of(FIRST)})) == {"name": None, ERASED: True}


def test_notes_are_sealed_whole() -> None:
    key = key_of(FIRST)
    sealed = key.seal_notes({"customer": "Asha"})
    assert list(sealed) == [NOTES]
    assert MARK in orjson.dumps(sealed)
    assert opened_notes(sealed, {FIRST: key}) == {"customer": "Asha"}
    assert opened_notes(sealed, {FIRST: None}) == {ERASED: "true"}
    assert opened_notes({NOTES: "a word"}, {}) == {NOTES: "a word"}


def test_an_orders_day_is_that_of_its_id() -> None:
    made = new_id(ORDER, now_ms=NOW_MS, random=7)
    assert NOW_MS - 16 < made_at_ms(made) <= NOW_MS
    keyed = keyed_id(ORDER, now_ms=NOW_MS, digest=bytes(16))
    assert 0 <= NOW_MS - made_at_ms(keyed) < 62**3 * 16
    assert day_of(made) == date(2026, 11, 30)
    assert row_ids(made)[0] == "20261130/"
    assert len(row_ids(made)) == LEVELS + 1
    assert row_ids("of another form") == []
