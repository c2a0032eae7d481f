"""The authenticated merchant behind a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """`via` says how it came; `key_id` which of its API keys, where it came by one."""

    merchant_id: str
    via: Literal["key", "session"]
    key_id: str | None = None
