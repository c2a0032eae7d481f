"""Records: what is written can be read, and what cannot be read raises UndecodableError, never anything else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.envelope import VERSION, Envelope, UndecodableError, decode, encode

AT = datetime(2030, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
# JSON has no lone surrogates and PostgreSQL no NUL; whatever else a text can hold must come through.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
bodies = st.dictionaries(texts, st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans(), st.none()), max_size=4)
fingerprints = st.one_of(st.none(), st.dictionaries(texts, texts, max_size=3))


@given(texts, texts, texts, bodies, texts, fingerprints)
def test_round_trip(
    record_id: str, kind: str, key: str, body: dict[str, Any], nonce: str, fingerprint: dict[str, str] | None
) -> None:
    envelope = Envelope(record_id, kind, 1, key, AT, None, "cmd_1", body, nonce, fingerprint)
    assert decode(encode(envelope)) == envelope


def test_the_bytes_are_compact_and_the_instant_ends_in_z() -> None:
    envelope = Envelope("a", "t", 1, "k", AT, None, None, {"ü": 1})
    expected = (
        '{"id":"a","type":"t","v":1,"key":"k","at":"2030-01-31T12:00:00.123456Z","request_id":null,"caused_by":null,'
    )
    assert encode(envelope).decode() == expected + '"body":{"ü":1}}'


GOOD: dict[str, Any] = {
    "id": "a", "type": "t", "v": 1, "key": "k", "at": "2030-01-31T12:00:00Z", "request_id": None, "caused_by": None,
    "body": {},
}  # fmt: skip
BAD_VALUES = [None, b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b"\x00", b"{}", b"not json", b"[" * 5_000]
BAD_FIELDS = [
    ("id", 1), ("id", None), ("type", []), ("key", {}), ("v", VERSION + 1), ("v", 0), ("v", "1"), ("v", None),
    ("at", "yesterday"), ("at", 5), ("at", "2030-01-31T12:00:00"), ("body", []), ("body", None), ("body", "x"),
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_is_not_an_envelope_is_undecodable(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        decode(value)


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
def test_a_wrong_field_is_undecodable(name: str, value: object) -> None:
    decode(orjson.dumps(GOOD))
    with pytest.raises(UndecodableError):
        decode(orjson.dumps({**GOOD, name: value}))


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"v"}))
def test_a_missing_field_is_undecodable(name: str) -> None:
    with pytest.raises(UndecodableError):
        decode(orjson.dumps({key: value for key, value in GOOD.items() if key != name}))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_undecodable(value: bytes) -> None:
    try:
        decode(value)
    except UndecodableError:
        return
