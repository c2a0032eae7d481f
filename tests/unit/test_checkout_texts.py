"""The checkout has a specific text for every reason of a failure, in every language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.outcome import DECLINES

TEXTS = Path(__file__).parents[2] / "checkout-page/src/texts"
OF_REFUNDS_AND_TURNS = {"REFUND_FAILED", "REFUND_RETURNED", "PAYMENT_REVERSED"}
"""Codes that no failed payment bears."""


@pytest.mark.parametrize("language", ["en", "hi", "ta"])
def test_each_decline_has_a_text(language: str) -> None:
    source = (TEXTS / f"{language}.ts").read_text(encoding="utf-8")
    found = re.search(r"\n  declines: \{(.*?)\n  \}", source, re.DOTALL)
    assert found is not None
    named = set(re.findall(r"^\s+([A-Z_]+):", found[1], re.MULTILINE))
    assert named == set(DECLINES) - OF_REFUNDS_AND_TURNS
