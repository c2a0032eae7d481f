"""Card vectors: Luhn, networks, expiry, CVV; and what may be kept of a card."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.payments import LAST_TIME_ZONE
from domain.card import (
    NETWORKS,
    CardDetails,
    CheckedCard,
    check_card,
    has_good_expiry,
    network_of,
    normalized,
    passes_luhn,
)
from domain.rejection import ErrorCode, Rejected

TODAY = date(2030, 6, 15)
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/cards.json").read_text(encoding="utf-8"))
"""The checkout's tests read the same file."""


def check(number: str = "4111111111111111", **changes: Any) -> CheckedCard | Rejected:
    values: dict[str, Any] = {"expiry_month": "12", "expiry_year": "2031", "cvv": "123"} | changes
    details = CardDetails(normalized(number), values["expiry_month"], values["expiry_year"])
    return check_card(details, cvv=values["cvv"], today=TODAY)


@pytest.mark.parametrize("vector", VECTORS["numbers"], ids=itemgetter("number"))
def test_a_number_has_its_network_and_its_verdict(vector: dict[str, Any]) -> None:
    number, network = vector["number"], vector["network"]
    checked = check(number, cvv="1234" if network == "amex" else "123")
    assert network_of(number).name == network
    if vector["valid"]:
        assert isinstance(checked, CheckedCard), checked
        assert (checked.network, checked.last4) == (network, number[-4:])
    else:
        assert checked == Rejected(ErrorCode.INVALID_CARD, "Card validation failed", "card.number")


@pytest.mark.parametrize("vector", VECTORS["prefixes"], ids=itemgetter("prefix"))
def test_networks_begin_and_end_at_the_documented_prefixes(vector: dict[str, str]) -> None:
    assert network_of(vector["prefix"].ljust(16, "0")).name == vector["network"]


def test_the_documented_networks_are_those_that_are_accepted() -> None:
    text = (Path(__file__).parents[2] / "docs" / "API.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ([0-9, –]+) \| ([0-9, –]+) \| ([34]) \|$", text, re.MULTILINE)
    assert [(name, _spans(begins), _spans(digits), int(cvv)) for name, begins, digits, cvv in rows] == [
        (
            network.name,
            sorted(network.prefixes),
            sorted((str(length), str(length)) for length in network.lengths),
            network.cvv_length,
        )
        for network in NETWORKS
    ]


def _spans(text: str) -> list[tuple[str, str]]:
    """`34, 51–53` -> pairs of first and last; a span of lengths is spelled out."""
    spans = [(first, last or first) for first, _, last in (part.partition("–") for part in text.split(", "))]
    if all(len(first) == 2 and 12 <= int(first) <= int(last) <= 19 for first, last in spans):
        return [(str(n), str(n)) for first, last in spans for n in range(int(first), int(last) + 1)]
    return sorted(spans)


@pytest.mark.parametrize("vector", VECTORS["cvvs"], ids=lambda vector: f"{vector['network']}-{vector['cvv']}")
def test_a_cvv_has_as_many_digits_as_its_network_prints(vector: dict[str, Any]) -> None:
    number = next(one["number"] for one in VECTORS["numbers"] if one["network"] == vector["network"])
    checked = check(number, cvv=vector["cvv"])
    assert isinstance(checked, CheckedCard) is vector["valid"]
    if not vector["valid"]:
        assert checked == Rejected(ErrorCode.INVALID_CARD, "Card validation failed", "card.cvv")


@pytest.mark.parametrize("typed", ["4111 1111 1111 1111", "4111-1111-1111-1111", " 4111111111111111 "])
def test_spaces_and_dashes_are_accepted(typed: str) -> None:
    assert isinstance(check(typed), CheckedCard)


@pytest.mark.parametrize(
    "number",
    ["", "4111111111111112", "411111111111111", "41111111111111111111", "4111x11111111111", "٤١١١١١١١١١١١١١١١",
     "4111111111111111\x00", "4111.1111.1111.1111", "¹²³⁴111111111111", "0" * 12, "null"],
)  # fmt: skip
def test_a_wrong_number_is_refused_without_saying_which_rule(number: str) -> None:
    assert check(number) == Rejected(ErrorCode.INVALID_CARD, "Card validation failed", "card.number")


@pytest.mark.parametrize("cvv", ["", "12", "1234", "abc", "12 ", "١٢٣"])
def test_a_wrong_cvv_is_refused(cvv: str) -> None:
    assert check(cvv=cvv) == Rejected(ErrorCode.INVALID_CARD, "Card validation failed", "card.cvv")


@pytest.mark.parametrize(
    ("month", "year", "good"),
    [("06", "2030", True), ("6", "30", True), ("05", "2030", False), ("5", "30", False), ("12", "2029", False),
     ("01", "2031", True), ("13", "2031", False), ("0", "2031", False), ("00", "31", False), ("-1", "2031", False),
     ("006", "2031", False), ("6", "031", False), ("6", "20301", False), ("", "2031", False), ("6", "", False),
     ("٦", "2031", False), ("6.0", "2031", False), ("6", "2080", True), ("7", "2080", False), ("6", "9999", False)],
)  # fmt: skip
def test_a_card_is_good_from_the_current_month_on_for_fifty_years(month: str, year: str, good: bool) -> None:
    assert has_good_expiry(expiry_month=month, expiry_year=year, today=TODAY) is good


@pytest.mark.parametrize("vector", VECTORS["expiries"], ids=lambda vector: f"{vector['expiry']} at {vector['at']}")
def test_an_expiry_is_judged_as_the_checkout_judges_it(vector: dict[str, Any]) -> None:
    month, _, year = vector["expiry"].partition("/")
    today = (datetime.fromisoformat(vector["at"]) - LAST_TIME_ZONE).date()
    assert has_good_expiry(expiry_month=month, expiry_year=year, today=today) is vector["valid"]


def test_an_expired_card_has_a_code_of_its_own() -> None:
    refused = check(expiry_year="2029")
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.description) == (ErrorCode.EXPIRED_CARD, "Card expiry date invalid")


@given(st.text("0123456789", min_size=12, max_size=18))
def test_exactly_one_check_digit_fits(body: str) -> None:
    assert sum(passes_luhn(body + digit) for digit in "0123456789") == 1


@given(st.text("0123456789", min_size=13, max_size=19).filter(passes_luhn), st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(number: str, position: int, shift: int) -> None:
    wrong = str((int(number[position]) + shift) % 10)
    assert not passes_luhn(number[:position] + wrong + number[position + 1 :])


@given(st.text(max_size=40))
def test_any_text_gets_a_result_not_an_exception(text: str) -> None:
    assert isinstance(check(text), CheckedCard | Rejected)


@pytest.mark.parametrize("number", ["4111111111111111", "4000000000000002", "4000000000009995", "5555555555554444"])
def test_nothing_that_is_kept_holds_the_number_or_the_cvv(number: str) -> None:
    checked = check(number, cvv="917")
    assert isinstance(checked, CheckedCard)
    kept = "".join(asdict(checked).values())
    assert number[:12] not in kept
    assert "917" not in kept


def test_normalized_keeps_everything_but_separators() -> None:
    assert normalized("4 1-x") == "41x"
