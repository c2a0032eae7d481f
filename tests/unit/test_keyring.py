"""The gateway's own keys: which are accepted, how a ring is read, and that keys of different purposes have nothing in
common."""

from __future__ import annotations

import secrets

import pytest
from pydantic import SecretStr, ValidationError

from runtime.keyring import KEYS_MAX, derived_key, first_key, parse_ring, tag_of, weakness_of
from runtime.settings import DEFAULT_SECRET_KEY, Settings

GOOD, OTHER = "Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq", "x9Tq-4mVbN7wR2zLc8_dYf6hKs1gPj3E"


@pytest.mark.parametrize(
    "weak",
    [
        "a",
        "short but different",
        "a" * 64,
        "passwordpasswordpasswordpassword",
        "0123456789abcdef" * 4,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "ab" * 20 + "c",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz1",
    ],
)
def test_outside_test_mode_a_weak_key_is_refused_with_a_sentence_that_helps(weak: str) -> None:
    for given in ({"secret_key": weak}, {"secret_keys": f"first:{GOOD},second:{weak}"}):
        with pytest.raises(ValidationError) as refused:
            Settings(test_mode=False, **given)
        (problem,) = refused.value.errors()
        assert "gateway keys make" in problem["msg"]
        assert weak == "a" or weak not in problem["msg"], "the sentence does not quote the key"


def test_outside_test_mode_the_default_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="SECRET_KEY must be set outside TEST_MODE"):
        Settings(test_mode=False)


def test_in_test_mode_any_key_will_do() -> None:
    assert Settings(test_mode=True, secret_key=SecretStr("a")).keys.newest.get_secret_value() == "a"


@pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex])
def test_a_random_key_is_accepted_however_it_is_written(make: object) -> None:
    assert callable(make)
    assert [one for one in (make(32) for _ in range(500)) if weakness_of(one)] == []
    assert [one for one in (secrets.token_hex(16) for _ in range(500)) if weakness_of(one)] == []


def test_the_ring_is_newest_first_and_secret_key_is_its_oldest() -> None:
    settings = Settings(test_mode=False, secret_key=SecretStr(OTHER), secret_keys=SecretStr(f"2027-01:{GOOD}"))
    assert [key.id for key in settings.keys.keys] == ["2027-01", "SECRET_KEY"]
    assert settings.keys.newest.get_secret_value() == GOOD
    assert settings.keys.oldest.get_secret_value() == OTHER


def test_a_secret_key_that_is_in_the_ring_too_counts_once() -> None:
    settings = Settings(secret_key=SecretStr(GOOD), secret_keys=SecretStr(f"new:{OTHER},old:{GOOD}"))
    assert [key.id for key in settings.keys.keys] == ["new", "old"]


def test_the_default_key_opens_nothing_outside_test_mode() -> None:
    """It is published, so whatever is sealed with it is not."""
    ring = Settings(test_mode=False, secret_keys=SecretStr(f"only:{GOOD}")).keys
    assert DEFAULT_SECRET_KEY not in [key.secret.get_secret_value() for key in ring.keys]


@pytest.mark.parametrize(
    "text", ["no colon", ":secret", "id:", "i d:secret", f"a:{GOOD},a:{OTHER}", f"a:{GOOD},b:{GOOD}", "x" * 33 + ":s"]
)
def test_a_ring_that_cannot_be_read_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_ring(text)
    assert GOOD not in str(refused.value)


def test_a_ring_has_a_bound() -> None:
    with pytest.raises(ValueError, match=f"{KEYS_MAX} are allowed"):
        parse_ring(",".join(f"k{place}:{secrets.token_hex(16)}" for place in range(KEYS_MAX + 1)))


def test_purposes_never_share_a_key() -> None:
    purposes = ("sessions", "settlements", "tag", "seal webhooks.secret", "seal webhooks.headers")
    made = [derived_key(SecretStr(key), purpose) for key in (GOOD, OTHER) for purpose in purposes]
    made += [first_key(SecretStr(key), purpose) for key in (GOOD, OTHER) for purpose in ("api-secret", "idempotency")]
    assert len(set(made)) == len(made)


def test_a_tag_follows_from_the_secret_alone() -> None:
    assert tag_of(SecretStr(GOOD)) == tag_of(SecretStr(GOOD)) != tag_of(SecretStr(OTHER))


def test_derived_keys_never_change_between_releases() -> None:
    """Vectors: with another derivation, nothing that was sealed or signed could be read."""
    assert (
        derived_key(SecretStr(GOOD), "sessions").hex()
        == "bc250513c9c124f270ac116f2a4c49b1c87e61cb4b9dd3f636f3b97b4bbdb4ee"
    )
    assert tag_of(SecretStr(GOOD)).hex() == "4a0f7da4"
