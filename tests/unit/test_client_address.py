"""Whose request it is behind proxies: only what trusted proxies wrote counts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.access.client_address import TrustedProxies, is_within, network_of, parse_networks
from runtime.settings import Settings

PROXIES = TrustedProxies(parse_networks("10.0.0.0/8, 192.0.2.7, fd00::/8"))


def client(peer: str, *message: str) -> str:
    return PROXIES.client_of(peer, [(b"host", b"x"), *((b"x-forwarded-for", line.encode()) for line in message)])


@pytest.mark.parametrize(
    ("peer", "message", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1, 192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_x_forwarded_for_is_read_from_the_right_up_to_the_first_untrusted(
    peer: str, message: list[str], expected: str
) -> None:
    assert client(peer, *message) == expected


def test_an_endless_header_is_read_from_its_end_only() -> None:
    assert client("10.0.0.1", ", ".join(["1.2.3.4", *["10.9.9.9"] * 100])) == "10.9.9.9"


def test_without_trusted_proxies_nothing_is_believed() -> None:
    none = TrustedProxies()
    assert not none
    assert none.client_of("10.0.0.1", [(b"x-forwarded-for", b"198.51.100.1")]) == "10.0.0.1"


def test_an_ipv6_client_is_its_64_bits_and_an_ipv4_client_its_address() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:198.51.100.1") == "198.51.100.1"
    assert network_of("198.51.100.1") != network_of("198.51.100.2")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy", "10.0.0.1/8"])
def test_a_bad_trusted_proxy_ends_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match=r"such as 10\.0\.0\.0/8"):
        Settings(test_mode=True, trusted_proxies=text)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("::ffff:203.0.113.7", True),
        ("10.200.0.1", True),
        ("2001:db8::ffff", True),
        ("2001:db9::1", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_an_address_is_within_a_list_of_networks_or_not(address: str, inside: bool) -> None:
    assert is_within(address, ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]) is inside
