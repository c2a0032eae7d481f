"""Which audit comes next. Pure.

    recent    the orders of which a command was decided since the recent audit before, each once
    whole     everything; once a day, and soon again while it finds differences

A recent audit ends SETTLED before now: what was decided by then is published and planned. While it finds differences,
the next one begins where it began, so that a difference stays visible until it is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from store.operations.audits import PastAudit

SETTLED = timedelta(seconds=60)
"""An event is published and planned long before; only an unavailable role takes longer, and that is another alert."""
WHOLE_AGAIN = timedelta(minutes=15)
"""After a whole audit with differences: a repair shows within that time, and a big history is not read all the time."""


@dataclass(frozen=True, slots=True)
class Next:
    """`decided` None: a whole audit; else the orders of which a command was decided in this period."""

    decided: tuple[datetime, datetime] | None


def next_audit(
    at: datetime, whole: PastAudit | None, recent: PastAudit | None, *, every: timedelta, whole_every: timedelta
) -> Next | None:
    """The audit due at `at`; None: nothing yet."""
    if whole is None or at - whole.finished_at >= (WHOLE_AGAIN if whole.differences else whole_every):
        return Next(None)
    last = whole if recent is None or recent.finished_at < whole.finished_at else recent
    if at - last.finished_at < every:
        return None
    until = at - SETTLED
    return Next((last.resumes_at, until)) if until > last.resumes_at else None
