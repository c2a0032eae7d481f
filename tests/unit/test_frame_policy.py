"""The policy of a page: nothing that a merchant writes into its origins can become a directive of ours."""

from __future__ import annotations

import pytest

from pages.frame_policy import Framing
from pages.headers import content_security_policy, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/path?x#y", "https://shop.example"),
        ("http://localhost:4000/", "http://localhost:4000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://*.shop.example", "https://*.shop.example"),
    ],
)
def test_an_address_becomes_its_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example; script-src *",
        "https://shop.example script-src",
        "https://shop;x",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "*",
        "",
        "https://",
        "https://'unsafe-inline'",
    ],
)
def test_invalid_origins_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        origin_of(url)


@pytest.mark.parametrize(
    ("framed_by", "expected"),
    [((), "frame-ancestors 'none'"), (("'self'", "https://a.example"), "frame-ancestors 'self' https://a.example")],
)
def test_the_policy_names_who_may_frame(framed_by: tuple[str, ...], expected: str) -> None:
    assert expected in content_security_policy(api_url="http://localhost:8000", framed_by=framed_by).split("; ")


@pytest.mark.parametrize(("test_mode", "framers"), [(True, None), (False, ())])
async def test_an_api_that_does_not_respond_closes_the_frame_outside_test_mode(
    test_mode: bool, framers: tuple[str, ...] | None
) -> None:
    framing = Framing("http://127.0.0.1:9", test_mode=test_mode)
    assert await framing.framers("order_0000000000000000") == framers
    await framing.close()


@pytest.mark.parametrize("order_id", ["", "order_x", "../../x", "order_0000000000000000/../x"])
async def test_an_id_that_cannot_exist_is_framed_by_ourselves_alone(order_id: str) -> None:
    framing = Framing("http://127.0.0.1:9", test_mode=False)
    assert await framing.framers(order_id) == ("'self'",)
    await framing.close()
