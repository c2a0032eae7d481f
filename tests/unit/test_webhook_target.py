"""Where webhooks may go: URLs as merchants and attackers write them, and the addresses behind them."""

from __future__ import annotations

import pytest

from domain.target import address_is_public, check_url

PUBLIC = [
    "https://shop.example/hooks",
    "http://shop.example:8080/hooks?a=b",
    "https://8.8.8.8/hooks",
    "https://[2606:4700:4700::1111]/hooks",
]
PRIVATE = [
    "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://printer.local/", "http://db.internal/",
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://0177.0.0.1/", "http://017700000001/", "http://0/", "http://0.0.0.0/", "http://10.0.0.1/",
    "http://172.16.5.4/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/",
    "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[fe80::1]/",
    "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::7f00:1]/",
    "http://[fec0::1]/", "http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/", "http://198.18.0.1/",
    "http://[64:ff9b:1::1]/", "http://[2001:db8::1]/", "http://[2001::1]/", "http://[::ffff:0:7f00:1]/",
    "http://224.0.0.1/", "http://255.255.255.255/", "https://shop.example:22/", "https://shop.example:25/",
]  # fmt: skip
MALFORMED = [
    "", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "gopher://shop.example/", "javascript:alert(1)",
    "http://", "http:///path", "https://user@shop.example/", "https://user:pass@shop.example/", "http://shop.example#x",
    "http://shop.example:0/", "http://shop.example:99999/", "http://shop.example:port/", "http://shop .example/",
    "http://shop.example/\r\nX-Injected: 1", "http://shop.example/\n", "http://shop.example/\t", "http://shöp.example/",
    "http://127.0.0.%31/", "http://shop%2eexample/", "http://sh{op.example/", "http://a,b.example/",
    "http://shop.example\\@127.0.0.1/", "http://[::1/", "https://shop.example/" + "a" * 2_100,
]  # fmt: skip


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_target_is_allowed(url: str) -> None:
    assert check_url(url, private_allowed=False) is None


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_target_is_refused_however_it_is_written(url: str) -> None:
    assert check_url(url, private_allowed=False) is not None


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("private_allowed", [False, True])
def test_a_malformed_target_is_refused_in_every_mode(url: str, private_allowed: bool) -> None:
    assert check_url(url, private_allowed=private_allowed) is not None


def test_test_mode_allows_a_receiver_on_the_same_machine() -> None:
    assert check_url("http://127.0.0.1:9000/hooks", private_allowed=True) is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("169.254.169.254", False),
        ("fd00:ec2::254", False),
        ("fec0::1", False),
        ("feff:ffff::1", False),
        ("168.63.129.16", False),
        ("168.63.129.17", True),
        ("100.63.255.255", True),
        ("100.64.0.0", False),
        ("100.100.100.200", False),
        ("192.0.0.192", False),
        ("198.19.255.255", False),
        ("240.0.0.1", False),
        ("166.11.255.255", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a83f:8110", False),
        ("64:ff9b:1::808:808", False),
        ("2002:a83f:8110::1", False),
        ("2001:0:a83f:8110::1", False),
        ("::ffff:0:a00:1", False),
        ("::8.8.8.8", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("ff02::1", False),
    ],
)
def test_the_guard_judges_the_address_that_a_name_resolved_to(address: str, public: bool) -> None:
    assert address_is_public(address) is public
