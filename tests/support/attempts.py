"""What the database has of an attempt that `attempt` is about to send."""

from __future__ import annotations

from datetime import timedelta

from store.attempts import AttemptState


async def unknown(_attempt_id: str) -> None:
    """Nothing."""


async def decided(_attempt_id: str) -> AttemptState:
    """An outcome."""
    return AttemptState(decided=True, age=timedelta(seconds=1))


async def undecided(_attempt_id: str) -> AttemptState:
    """No outcome, for an hour."""
    return AttemptState(decided=False, age=timedelta(hours=1))
