"""UPI address vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.upi import is_vpa

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/vpas.json").read_text(encoding="utf-8"))
"""The checkout's tests read the same file."""


@pytest.mark.parametrize("vpa", VECTORS["valid"])
def test_well_formed_addresses(vpa: str) -> None:
    assert is_vpa(vpa)


@pytest.mark.parametrize("vpa", [*VECTORS["invalid"], "user@upi\n", "\nuser@upi", "user@upi ", " user@upi"])
def test_ill_formed_addresses(vpa: str) -> None:
    """White space around an address is wrong here alone: the checkout takes it away."""
    assert not is_vpa(vpa)
