"""A merchant's own headers: what may be added to a webhook, and what could break or forge one."""

from __future__ import annotations

import pytest

from domain.custom_headers import (
    CHARACTERS_MAX,
    HEADERS_MAX,
    NAME_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    check_headers,
)
from domain.signature import Secrets, signature_headers


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer a.b-c"}, {"X-Shop": "a b", "x-other": "!"}, {"Cookie": "a=1; b=2"}]
)
def test_ordinary_headers_are_allowed(headers: dict[str, str]) -> None:
    assert check_headers(headers) is None


@pytest.mark.parametrize(
    "name",
    ["", " ", "X Y", "X:Y", "X\r\nY", "Xé", "X" * (NAME_CHARACTERS_MAX + 1), "Host", "content-LENGTH",
     "Transfer-Encoding", "Connection", "webhook-id", "Webhook-Signature", "X-Webhook-Signature", "Proxy-Authorization",
     "User-Agent", "Expect"],
)  # fmt: skip
def test_a_malformed_or_reserved_name_is_refused(name: str) -> None:
    bad = check_headers({name: "value"})
    assert bad is not None and bad.name == name


@pytest.mark.parametrize("value", ["", " ", "a\r\nX: 1", "a\nb", "a\0b", "é", " a", "a ", "\t", "y" * 1_025])
def test_a_value_that_could_end_the_header_is_refused_without_repeating_it(value: str) -> None:
    bad = check_headers({"X-Shop": value})
    assert bad is not None and "'X-Shop'" in bad.description
    assert len(value) < 3 or value not in bad.description


def test_the_same_name_in_another_case_is_refused() -> None:
    assert check_headers({"X-Shop": "a", "x-shop": "b"}) is not None


def test_number_and_size_are_bounded() -> None:
    assert check_headers({f"X-{number}": "v" for number in range(HEADERS_MAX + 1)}) is not None
    size = CHARACTERS_MAX // VALUE_CHARACTERS_MAX
    assert check_headers({f"X-{number}": "v" * VALUE_CHARACTERS_MAX for number in range(size)}) is not None


def test_everything_that_we_send_ourselves_is_reserved() -> None:
    ours = signature_headers(Secrets("whsec_", ("whsec_",)), message_id="evt_1", timestamp=1, body=b"")
    for name in (*ours, "webhook-attempt", "webhook-replay", "Content-Type", "User-Agent", "Accept-Encoding"):
        assert check_headers({name: "forged"}) is not None, name
