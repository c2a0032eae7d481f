"""The form of keys and secrets: a scanner recognises one, and a typing error is not one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ops.console.environment import REPOSITORY
from runtime.api_token import ALPHABET, KEY_CHARACTERS, SECRET, SECRET_CHARACTERS, is_mistyped, token

randoms = st.integers(0, len(ALPHABET) ** SECRET_CHARACTERS - 1)


def secret_of(random: int) -> str:
    return token("secret_live_", random, characters=SECRET_CHARACTERS)


def test_the_form_never_changes() -> None:
    """Vectors: scanners know this form."""
    assert secret_of(0) == "secret_live_0000000000000000000000000000000000000dRhLd"
    assert token("key_test_", 62**KEY_CHARACTERS - 1, characters=KEY_CHARACTERS) == "key_test_zzzzzzzzzzzzzzzzzz0qXp03"


@given(randoms)
def test_every_secret_has_the_documented_form_and_its_checksum(random: int) -> None:
    secret = secret_of(random)
    assert SECRET.fullmatch(secret)
    assert not is_mistyped(secret)


@given(randoms, st.integers(len("secret_live_"), len("secret_live_") + 41), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(random: int, at: int, character: str) -> None:
    secret = secret_of(random)
    wrong = secret[:at] + character + secret[at + 1 :]
    assert is_mistyped(wrong) is (wrong != secret)


def test_secrets_of_another_form_are_nobodys_typing_errors() -> None:
    for other in ("secret_test_xyz789", "secret_live_" + "0123456789abcdef" * 3, "", "whsec_abc", "secret_live_"):
        assert not is_mistyped(other)


def test_the_documented_pattern_finds_secrets_in_a_text_and_nothing_else() -> None:
    (documented,) = re.findall(r"`(secret_\(live\|test\)_[^`]+)`", (REPOSITORY / "SECURITY.md").read_text("utf-8"))
    text = f"curl -u key_live_x:{secret_of(4711)} https://api.example; secret_test_xyz789"
    assert [found.group() for found in re.finditer(documented, text)] == [secret_of(4711)]
