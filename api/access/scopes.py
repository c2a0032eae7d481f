"""What an API key may be used for: its scopes, and the right that each of them grants.

    a key without scopes ─► everything but users     a key with scopes ─► what they grant

A user's role gives no scopes, but bounds those of the keys that the user creates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from api.access.rights import right_of
from domain.role import Right, Role, may


class Scope(StrEnum):
    """In the order in which they are documented."""

    READ = "read"
    PAYMENTS = "payments"
    REFUNDS = "refunds"
    WEBHOOKS = "webhooks"
    SETTINGS = "settings"


SCOPES: Mapping[Right, Scope | None] = {
    Right.READ: Scope.READ,
    Right.EXPORTS: Scope.READ,
    Right.PAYMENTS: Scope.PAYMENTS,
    Right.REFUNDS: Scope.REFUNDS,
    Right.WEBHOOKS: Scope.WEBHOOKS,
    Right.KEYS: Scope.SETTINGS,
    Right.SETTINGS: Scope.SETTINGS,
    Right.ACCOUNT: Scope.SETTINGS,
    Right.USERS: None,
}
"""None: not available to any key. A stolen key must not add users, who stay when the key is revoked."""


def scope_of(method: str, path: str) -> Scope | None:
    """The scope that a key needs for a request; None: not possible with a key."""
    return SCOPES[right_of(method, path)]


def allows(scopes: Sequence[str], needed: Scope) -> bool:
    return not scopes or needed in scopes


def scopes_within(role: Role) -> tuple[Scope, ...]:
    """What a user in this role may grant to a key; empty: everything, as for a key.

    A scope counts if the role has every right that it grants.
    """
    missing = {SCOPES[right] for right in Right if not may(role, right)}
    return tuple(scope for scope in Scope if scope not in missing) if missing else ()


def missing_from(scopes: Sequence[str], required: Sequence[str]) -> list[str]:
    """The requested scopes that a caller with these scopes must not grant to another key; requesting none means all."""
    if not scopes:
        return []
    return [one for one in required or [*Scope] if one not in scopes]
