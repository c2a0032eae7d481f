"""The results of the running stack's audits: one row each, read by metrics, by `gateway health` and by the API."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from store.driver import Pool

KEPT_DAYS = 90
"""Long enough to see when a difference first appeared."""
INSERT = "INSERT INTO audits (whole, resumes_at, events, differences) VALUES ($1, $2, $3, $4::text::jsonb)"
PRUNE = "DELETE FROM audits WHERE finished_at < now() - make_interval(days => $1)"
# audits_latest
LATEST = """
SELECT whole, resumes_at, finished_at, events, differences::text AS differences, now() - finished_at AS age
  FROM audits
 WHERE whole = $1
 ORDER BY finished_at DESC
 LIMIT 1
"""
NOW = "SELECT now()"


@dataclass(frozen=True, slots=True)
class PastAudit:
    """One audit that ended.

    `resumes_at`: where the next audit of what moved begins. `differences`: kind -> how many. `age`: by the database's
    clock.
    """

    whole: bool
    resumes_at: datetime
    finished_at: datetime
    events: int
    differences: dict[str, int]
    age: timedelta


def differences_now(whole: PastAudit | None, recent: PastAudit | None) -> dict[str, int]:
    """The findings of the last two audits, kind -> how many. A whole audit supersedes the recent ones before it."""
    if whole is not None and recent is not None and recent.finished_at < whole.finished_at:
        recent = None
    found: Counter[str] = Counter()
    for past in (whole, recent):
        found.update({} if past is None else past.differences)
    return dict(sorted(found.items()))


class AuditStore:
    """The audits of this deployment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def now(self) -> datetime:
        """The database's clock, which `decided_at` follows too."""
        at: datetime = await self._pool.fetchval(NOW)
        return at

    async def add(self, *, whole: bool, resumes_at: datetime, events: int, differences: dict[str, int]) -> None:
        """Record one that has just ended; those that are too old go."""
        await self._pool.execute(INSERT, whole, resumes_at, events, orjson.dumps(differences).decode())
        await self._pool.execute(PRUNE, KEPT_DAYS)

    async def latest(self, *, whole: bool) -> PastAudit | None:
        """The last one of its sort."""
        row = await self._pool.fetchrow(LATEST, whole)
        return None if row is None else PastAudit(**{**row, "differences": orjson.loads(row["differences"])})
