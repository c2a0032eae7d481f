"""UPI address vectors."""

from __future__ import annotations

import pytest

from domain.upi import is_vpa


@pytest.mark.parametrize(
    "vpa", ["a@b", "user@paytm", "john.doe@okhdfc", "a_b-c.9@upi2", "success@upi", "A" * 251 + "@upi"]
)
def test_well_formed_addresses(vpa: str) -> None:
    assert is_vpa(vpa)


@pytest.mark.parametrize(
    "vpa",
    ["", "@", "a@", "@b", "user", "user@@upi", "user@upi.com", "user@up i", "us er@upi", "user@upi\n", "\nuser@upi",
     "user@upi\x00", "üser@upi", "user@ùpi", "user@upi ", " user@upi", "user+tag@upi", "user@upi-x",
     "A" * 252 + "@upi"],
)  # fmt: skip
def test_ill_formed_addresses(vpa: str) -> None:
    assert not is_vpa(vpa)
