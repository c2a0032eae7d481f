"""Entries of the audit log as they are shown."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from api.schemas.instant import Instant
from domain.audited import Action
from store.accounts.audit_log import Entry


class EntryShape(BaseModel):
    """One entry. `place` counts from 1 without gaps."""

    place: int
    at: Instant
    actor: str = Field(
        description="`key apk_…`, `user user_…`, or who signed up", examples=["key apk_0Xk3bR1aZpQ8wEsD"]
    )
    action: Action
    subject: str = Field(description="Id of what it was done to")
    address: str = Field(description="The client's address")
    request_id: str | None
    before: dict[str, Any] | None = Field(description="What a change replaced; only what differs")
    after: dict[str, Any] | None = Field(description="What it is now, or what was requested")


class EntriesShape(BaseModel):
    data: list[EntryShape]
    has_more: bool
    next_cursor: str | None


def entry_shape(entry: Entry) -> EntryShape:
    return EntryShape.model_validate(entry, from_attributes=True)
