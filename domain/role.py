"""The roles of a merchant's users, and the one table of what each may do.

    right                                      owner  developer  support  finance
    read       see orders, payments, events      ✓        ✓         ✓        ✓
    payments   orders, links, captures, voids    ✓        ✓
    refunds    refunds                           ✓               limited
    webhooks   endpoints, retries, replays       ✓        ✓
    keys       API keys                          ✓        ✓
    settings   the merchant, its audit log       ✓        ✓
    exports    CSV of orders and payments        ✓        ✓                  ✓
    users      users, roles, invitations         ✓
    account    own password and sessions         ✓        ✓         ✓        ✓

Which right a request needs: api/access/rights.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    DEVELOPER = "developer"
    SUPPORT = "support"
    FINANCE = "finance"


class Right(StrEnum):
    """In the order in which they are documented."""

    READ = "read"
    PAYMENTS = "payments"
    REFUNDS = "refunds"
    WEBHOOKS = "webhooks"
    KEYS = "keys"
    SETTINGS = "settings"
    EXPORTS = "exports"
    USERS = "users"
    ACCOUNT = "account"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.DEVELOPER: frozenset(Right) - {Right.REFUNDS, Right.USERS},
    Role.SUPPORT: frozenset({Right.READ, Right.REFUNDS, Right.ACCOUNT}),
    Role.FINANCE: frozenset({Right.READ, Right.EXPORTS, Right.ACCOUNT}),
}
REFUNDS_ARE_LIMITED = frozenset({Role.SUPPORT})
"""Their refunds stay within the merchant's limit for each payment; without a limit they cannot refund."""


@dataclass(frozen=True, slots=True)
class RefundLimit:
    """How much of one payment these roles may refund, in minor units. Payments in another currency: nothing."""

    amount: int
    currency: str


def may(role: Role, right: Right) -> bool:
    return right in RIGHTS[role]


def roles_with(right: Right) -> list[Role]:
    """The roles with the right, in order."""
    return [role for role in Role if may(role, right)]


def denial(role: Role, right: Right) -> str:
    """The message for a user whose role lacks the right."""
    others = [f"'{one}'" for one in roles_with(right)]
    return f"Your role '{role}' lacks the right '{right}'; the role {' or '.join(others)} has it"
