"""One-time codes: RFC 6238's own examples, the steps around, and unguessable recovery codes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from runtime.one_time_codes import (
    hash_of_recovery_code,
    is_app_code,
    make_recovery_codes,
    make_seed,
    plain_code,
    setup_uri,
    step_of,
)

SEED = base64.b32encode(b"12345678901234567890").decode()
"""Of RFC 6238, appendix B; its codes have eight digits, of which an app shows the last six."""
EXAMPLES = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]


@pytest.mark.parametrize(("seconds", "code"), EXAMPLES)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert step_of(SEED, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


@pytest.mark.parametrize("away", [-30, 0, 30])
def test_a_code_counts_one_step_around_its_own_and_names_its_own(away: int) -> None:
    at = datetime.fromtimestamp(1111111111 + away, UTC)
    assert step_of(SEED, "050471", at) == 1111111111 // 30


@pytest.mark.parametrize("away", [-60, 60])
def test_a_code_does_not_count_two_steps_away(away: int) -> None:
    assert step_of(SEED, "050471", datetime.fromtimestamp(1111111111, UTC) + timedelta(seconds=away)) is None


def test_another_seed_has_other_codes() -> None:
    at = datetime.fromtimestamp(59, UTC)
    assert step_of(base64.b32encode(b"another seed of tests").decode(), "287082", at) is None


def test_an_app_reads_seed_user_and_issuer_from_the_link() -> None:
    link = setup_uri(SEED, account="asha@example.com", issuer="Payment gateway")
    assert link == f"otpauth://totp/Payment%20gateway:asha%40example.com?secret={SEED}&issuer=Payment%20gateway"


def test_seeds_have_160_bits_and_differ() -> None:
    seeds = {make_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert {len(base64.b32decode(seed)) for seed in seeds} == {20}


@pytest.mark.parametrize(
    ("typed", "is_apps"),
    [("123456", True), ("123 456", True), ("12345", False), ("1234567", False), ("١٢٣٤٥٦", False), ("", False)],
)
def test_six_digits_are_an_apps_code_and_nothing_else_is(typed: str, is_apps: bool) -> None:
    assert is_app_code(plain_code(typed)) is is_apps


def test_recovery_codes_differ_and_are_found_in_any_spelling() -> None:
    codes = make_recovery_codes()
    assert len(set(codes)) == 10
    assert all(not is_app_code(plain_code(code)) for code in codes)
    spelt = codes[0].upper().replace("-", " ")
    assert hash_of_recovery_code("user_1", spelt) == hash_of_recovery_code("user_1", codes[0])
    assert hash_of_recovery_code("user_2", codes[0]) != hash_of_recovery_code("user_1", codes[0])
