"""Idempotency keys: valid keys, their identities, and the message of a mismatch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.idempotency import by_oldest, compare, derived_command_id, fingerprint, is_key
from domain.rejection import ErrorCode

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "key", ["a", "x" * 255, "a key with spaces", "~!@#$%^&*()", "550e8400-e29b-41d4-a716-446655440000"]
)
def test_printable_ascii_is_a_key(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a\nb", "a\x00", "\x7f", "é", "a\tb"])
def test_everything_else_is_not(key: str) -> None:
    assert not is_key(key)


def test_the_identity_never_changes_between_releases() -> None:
    # A vector: with another derivation, a repeat after an upgrade would be a second payment.
    found = derived_command_id(scope="test_merchant", route="POST /payments", key="order-1")
    assert found == "idk_b3578a2ba93fd1b11fcc1c4e05de6bb0"


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@given(texts, texts, texts, texts, texts, texts)
def test_another_scope_route_or_key_is_another_identity(a: str, b: str, c: str, d: str, e: str, f: str) -> None:
    same = (a, b, c) == (d, e, f)
    first = derived_command_id(scope=a, route=b, key=c)
    assert (first == derived_command_id(scope=d, route=e, key=f)) is same


@pytest.mark.parametrize("shifted", [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("", "abc", "d")])
def test_the_parts_cannot_run_into_each_other(shifted: tuple[str, str, str]) -> None:
    scope, route, key = shifted
    assert derived_command_id(scope=scope, route=route, key=key) != derived_command_id(scope="abcd", route="", key="")


def test_a_mismatch_names_the_fields_that_differ_in_order() -> None:
    stored = fingerprint({"amount": 100, "currency": "INR", "gone": 1}, secrets=[SECRET])
    sent = fingerprint({"amount": 101, "currency": "INR", "new": 1}, secrets=[SECRET])
    refused = compare(stored, sent)
    assert refused is not None
    assert refused.code is ErrorCode.IDEMPOTENCY_MISMATCH
    assert refused.description.endswith("these fields differ: amount, gone, new")


def test_the_same_request_matches_whatever_the_order_of_its_keys() -> None:
    one = fingerprint({"notes": {"a": 1, "b": 2}, "amount": 1}, secrets=[SECRET])
    other = fingerprint({"amount": 1, "notes": {"b": 2, "a": 1}}, secrets=[SECRET])
    assert compare(one, other) is None


@pytest.mark.parametrize(("left", "right"), [(1, "1"), (1, 1.5), (True, 1.5), (None, "null"), ([1], ["1"])])
def test_values_of_another_type_differ(left: object, right: object) -> None:
    assert compare(fingerprint({"v": left}, secrets=[SECRET]), fingerprint({"v": right}, secrets=[SECRET])) is not None


def test_a_fingerprint_keeps_nothing_of_the_request_and_depends_on_the_secret() -> None:
    card = {"number": "4111111111111111", "cvv": "123"}
    mine = fingerprint({"card": card}, secrets=[SECRET])
    assert "4111" not in mine["card"]
    assert len(mine["card"]) == 12
    assert mine != fingerprint({"card": card}, secrets=[SECRET[::-1]])


OLD, NEW = b"the key before", b"the key of now"


def test_a_repeat_matches_across_a_rotation_of_the_secret() -> None:
    fields = {"amount": 100, "card": "4111"}
    before, during, after = (fingerprint(fields, secrets=keys) for keys in ([OLD], [NEW, OLD], [NEW]))
    assert compare(before, during) is None
    assert compare(during, after) is None
    assert by_oldest(during) == before, "what a repeat is promised stays the same, too"


def test_another_request_differs_across_a_rotation_of_the_secret() -> None:
    before = fingerprint({"amount": 100}, secrets=[OLD])
    refused = compare(before, fingerprint({"amount": 101}, secrets=[NEW, OLD]))
    assert refused is not None
    assert refused.description.endswith("these fields differ: amount")
