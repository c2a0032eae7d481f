"""One table of currencies: what the API takes, what people read, and what the pages were generated from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from domain.currency import MINOR_DIGITS, decimal_text, minor_digits
from ops.stack.currency_table import GENERATED, currency_table

REPOSITORY = Path(__file__).parents[2]
AMOUNTS = json.loads((REPOSITORY / "tests/vectors/amounts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", AMOUNTS, ids=lambda row: f"{row['amount']} {row['currency']}")
def test_an_amount_is_written_with_the_digits_of_its_currency(row: dict[str, object]) -> None:
    assert decimal_text(int(str(row["amount"])), str(row["currency"])) == row["decimal"]


def test_the_table_holds_each_code_once_in_its_form() -> None:
    assert all(re.fullmatch("[A-Z]{3}", code) for code in MINOR_DIGITS)
    source = (REPOSITORY / "domain/currency.py").read_text(encoding="utf-8")
    table = source[source.index("_CODES_BY_MINOR_DIGITS = {") : source.index("}\nMINOR_DIGITS")]
    listed = re.findall(r"\b[A-Z]{3}\b", table)
    assert sorted(listed) == sorted(MINOR_DIGITS)


@pytest.mark.parametrize("code", ["XXX", "XAU", "XTS", "inr", "", "BTC", "DEM"])
def test_what_has_no_minor_unit_or_is_not_a_currency_is_not_in_the_table(code: str) -> None:
    assert code not in MINOR_DIGITS
    assert minor_digits(code) == 2


def test_the_pages_table_is_not_stale() -> None:
    assert GENERATED.read_text(encoding="utf-8") == currency_table(), "run `gateway pages types`"
