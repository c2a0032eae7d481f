"""Sealed values: opened by every key of the ring, in their own row and column only, and never lost by an upgrade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runtime.keyring import GatewayKey, KeyRing
from runtime.secrets import (
    Sealed,
    SealError,
    api_secret_matches,
    hash_api_secret,
    seal,
    sealed_header,
    unseal,
)

OLD = GatewayKey("old", SecretStr("first-release-0123456789abcdefghijkl"))
NEW = GatewayKey("new", SecretStr("Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq"))
BEFORE, DURING, AFTER = KeyRing((OLD,)), KeyRing((NEW, OLD)), KeyRing((NEW,))
SECRET, ROW = Sealed.WEBHOOK_SECRET, "whe_0000000000000001"
FIRST_RELEASE = bytes.fromhex(
    "d8b8a77158ef33517d02faee7725fd010fa88565da28fdbb3ad303230c02335e390f896138aa52ddde842bce837d55456fca13390f3e"
)
"""Sealed with OLD by the first release."""
FIRST_HASH = bytes.fromhex("d26504cc9e7c6281a6b9bfb39fc4e020488a349b8d0c2c85170526a0a4d735fd")
"""Of `secret_live_4711`, by the same."""


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_what_is_sealed_opens_again(plain: str) -> None:
    assert unseal(seal(plain, BEFORE, SECRET, ROW), BEFORE, SECRET, ROW) == plain


def test_every_key_of_the_ring_opens_and_the_newest_seals() -> None:
    assert unseal(seal("s", BEFORE, SECRET, ROW), DURING, SECRET, ROW) == "s"
    assert unseal(seal("s", DURING, SECRET, ROW), AFTER, SECRET, ROW) == "s"
    assert seal("s", DURING, SECRET, ROW).startswith(sealed_header(AFTER))


@pytest.mark.parametrize(("kind", "row"), [(SECRET, "whe_0000000000000002"), (Sealed.WEBHOOK_HEADERS, ROW)])
def test_a_value_that_was_moved_does_not_open(kind: Sealed, row: str) -> None:
    with pytest.raises(SealError):
        unseal(seal("s", BEFORE, SECRET, ROW), BEFORE, kind, row)


def test_a_value_of_the_first_release_opens_with_any_ring_that_has_its_key() -> None:
    for ring in (BEFORE, DURING):
        assert unseal(FIRST_RELEASE, ring, SECRET, ROW) == "whsec_of_the_first_release"
    with pytest.raises(SealError):
        unseal(FIRST_RELEASE, AFTER, SECRET, ROW)


def test_an_api_secret_of_the_first_release_still_matches() -> None:
    secret = SecretStr("secret_live_4711")
    assert hash_api_secret(secret, OLD.secret) == FIRST_HASH
    assert api_secret_matches(secret, FIRST_HASH, DURING)
    assert not api_secret_matches(secret, FIRST_HASH, AFTER)
    assert not api_secret_matches(SecretStr("secret_live_4712"), FIRST_HASH, DURING)


@pytest.mark.parametrize("length", [0, 1, 8, 12, 19, 20, 27])
def test_a_value_that_was_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(SealError):
        unseal(seal("s", BEFORE, SECRET, ROW)[:length], BEFORE, SECRET, ROW)


@given(st.integers(0, 400))
def test_no_bit_can_be_turned(bit: int) -> None:
    sealed = bytearray(seal("a secret of some length", BEFORE, SECRET, ROW))
    sealed[bit // 8 % len(sealed)] ^= 1 << bit % 8
    with pytest.raises(SealError):
        unseal(bytes(sealed), BEFORE, SECRET, ROW)
