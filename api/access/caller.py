"""The caller of a request: a merchant, through one of its API keys or one of its users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.role import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """`via`: by a key (then `key_id`) or by a session (then `session_id`, `user_id`, `role`).

    `scopes`: what it may do, and grant to a new key; empty: everything.
    """

    merchant_id: str
    via: Literal["key", "session"]
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    is_bounded: bool = False
    """Whether the key is limited to addresses."""
    expires_at: datetime | None = None
    """When its key expires."""
    session_id: str | None = None
    user_id: str | None = None
    role: Role | None = None
