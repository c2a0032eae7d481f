"""The way back to the shop: which addresses a payer may be sent to, and a proof that the documented lines accept."""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.process.way_back import way_back
from api.schemas.orders import NewOrder, NewPublicOrder
from domain.order import Order
from domain.signature import Secrets
from domain.way_back import Outcome, address_of, origin_of, signature_of, taken_names
from tests.unit.orders import ORDER, after, create_order, pay, settle

PAID = Outcome("order_AAAAAAAAAAAAAAAA", "pay_1111111111111111", "SUCCESS")
SECRET = "retsec_0123456789"
PAGE = Path(__file__).parents[2] / "docs/PAYMENTS.md"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/thanks?cart=7#top", "https://shop.example"),
        ("https://SHOP.example:443", "https://shop.example"),
        ("http://localhost:8080/a", "http://localhost:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"),
    ],
)
def test_an_address_has_the_origin_that_a_browser_sends(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "", "/thanks", "shop.example/thanks", "javascript:alert(1)", "ftp://shop.example/", "https://", "https:///thanks",
        "https://shop.example@evil.example/", "https://shop.example:x/", "https://shop.example\\@evil.example/",
        "https://shop.example/a b", "https://shop.example/\t", "https://bücher.example/", 'https://shop.example/"',
        "https://shop.example/" + "a" * 2_000, "data:text/html,x", "https://[::1/",
    ],
)  # fmt: skip
def test_no_payer_is_sent_to_an_incomplete_address(url: str) -> None:
    assert origin_of(url) is None
    for model in (NewOrder, NewPublicOrder):
        with pytest.raises(ApiError) as refused:
            parse_json(orjson.dumps({"amount": 500, "return_url": url}), model)
        assert (refused.value.status, refused.value.field) == (400, "return_url")


def test_parameters_with_our_names_are_refused() -> None:
    assert taken_names("https://shop.example/?cart=7&status=SUCCESS") == ["status"]
    with pytest.raises(ApiError, match="query parameter signature"):
        parse_json(orjson.dumps({"amount": 500, "return_url": "https://a.example/?signature="}), NewOrder)


def _query(url: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize(
    ("url", "begins"),
    [("https://shop.example/thanks?cart=7#/done", "https://shop.example/thanks?cart=7&order_id="),
     ("https://shop.example", "https://shop.example/?order_id="),
     ("https://shop.example/a?x=%26y", "https://shop.example/a?x=%26y&order_id=")],
)  # fmt: skip
def test_the_address_keeps_what_it_had(url: str, begins: str) -> None:
    address = address_of(url, PAID, Secrets(SECRET))
    assert address.startswith(begins)
    assert urlsplit(address).fragment == urlsplit(url).fragment
    assert _query(address).items() >= {"payment_id": PAID.payment_id, "status": "SUCCESS"}.items()


def test_the_signature_is_the_documented_one() -> None:
    signed = b"order_AAAAAAAAAAAAAAAA|pay_1111111111111111|SUCCESS"
    assert signature_of(SECRET, PAID) == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    ended = Outcome(PAID.order_id, "", "EXPIRED")
    assert (
        signature_of(SECRET, ended)
        == hmac.new(SECRET.encode(), b"order_AAAAAAAAAAAAAAAA||EXPIRED", "sha256").hexdigest()
    )


def test_during_a_rotation_both_secrets_prove_it() -> None:
    query = _query(address_of("https://shop.example/", PAID, Secrets("retsec_new", (SECRET,))))
    assert query["signature"] == signature_of("retsec_new", PAID)
    assert query["signature_previous"] == signature_of(SECRET, PAID)


def _documented(language: str) -> str:
    section = PAGE.read_text(encoding="utf-8").partition("## Back to the shop")[2]
    found = re.search(rf"```{language} check\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("forged", [{}, {"status": "FAILED"}, {"signature": "0" * 64}, {"order_id": "order_B"}])
def test_the_documented_python_accepts_it_and_nothing_else(forged: dict[str, str]) -> None:
    names: dict[str, Any] = {"q": _signed() | forged, "RETURN_SECRET": SECRET}
    exec(_documented("python"), names)  # the page's own lines
    assert names["valid"] is (not forged)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node, as the pages do")
@pytest.mark.parametrize("forged", [{}, {"status": "FAILED"}, {"signature": "00"}, {"signature": "no hex"}])
def test_the_documented_node_accepts_it_and_nothing_else(forged: dict[str, str]) -> None:
    given = f"const q = {orjson.dumps(_signed() | forged).decode()}; const RETURN_SECRET = '{SECRET}';\n"
    script = given + _documented("js") + "\nconsole.log(valid);"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ("false" if forged else "true")


def _signed() -> dict[str, str]:
    return _query(address_of("https://shop.example/thanks", PAID, Secrets(SECRET)))


class Unread:
    """What reads a secret reaches for one of these."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was read, though there is nothing to sign")


NOBODY_PAID = {"id": ORDER, "merchant_id": "mrc_1", "status": "CREATED", "return_url": "https://shop.example"}


@pytest.mark.parametrize(
    ("order", "payment"),
    [
        (NOBODY_PAID, None),
        (NOBODY_PAID, after(create_order(), pay())),
        (NOBODY_PAID | {"return_url": None, "status": "PAID"}, after(create_order(), pay(), settle())),
        (NOBODY_PAID | {"return_url": None, "status": "EXPIRED"}, None),
    ],
    ids=["nothing tried", "under way", "paid, no way back", "ended, no way back"],
)
async def test_no_secret_is_opened_where_there_is_nothing_to_sign(order: dict[str, Any], payment: Order | None) -> None:
    latest = None if payment is None else payment.payments[-1]
    assert await way_back(Unread(), order, latest) is None  # type: ignore[arg-type]  # nothing of it is to be used
