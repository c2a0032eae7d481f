"""Which audit the auditor makes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ops.audit.continuous.plan import SETTLED, WHOLE_AGAIN, Next, next_audit
from store.operations.audits import PastAudit

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
EVERY, WHOLE_EVERY = timedelta(minutes=5), timedelta(hours=24)


def past(*, whole: bool, ago: timedelta, resumes_ago: timedelta, **differences: int) -> PastAudit:
    return PastAudit(whole, AT - resumes_ago, AT - ago, 10, differences, ago)


def due(whole: PastAudit | None, recent: PastAudit | None) -> Next | None:
    return next_audit(AT, whole, recent, every=EVERY, whole_every=WHOLE_EVERY)


def test_the_first_audit_is_of_everything() -> None:
    assert due(None, None) == Next(None)


def test_nothing_is_due_right_after_an_audit() -> None:
    whole = past(whole=True, ago=timedelta(minutes=4), resumes_ago=timedelta(minutes=6))
    assert due(whole, None) is None


def test_what_moved_is_audited_from_where_the_audit_before_ended_until_it_has_settled() -> None:
    whole = past(whole=True, ago=timedelta(hours=2), resumes_ago=timedelta(hours=2, minutes=1))
    recent = past(whole=False, ago=EVERY, resumes_ago=timedelta(minutes=7))
    assert due(whole, None) == Next((whole.resumes_at, AT - SETTLED))
    assert due(whole, recent) == Next((recent.resumes_at, AT - SETTLED))


def test_a_recent_audit_from_before_the_last_whole_one_is_forgotten() -> None:
    whole = past(whole=True, ago=timedelta(minutes=6), resumes_ago=timedelta(minutes=8))
    recent = past(whole=False, ago=timedelta(hours=30), resumes_ago=timedelta(hours=31), state=1)
    assert due(whole, recent) == Next((whole.resumes_at, AT - SETTLED))


def test_everything_is_audited_again_once_a_day() -> None:
    whole = past(whole=True, ago=WHOLE_EVERY, resumes_ago=WHOLE_EVERY)
    recent = past(whole=False, ago=timedelta(0), resumes_ago=SETTLED)
    assert due(whole, recent) == Next(None)


def test_everything_is_audited_again_soon_where_it_differed() -> None:
    whole = past(whole=True, ago=WHOLE_AGAIN, resumes_ago=WHOLE_AGAIN, state=1)
    assert due(whole, None) == Next(None)


def test_an_empty_span_is_not_audited() -> None:
    whole = past(whole=True, ago=EVERY, resumes_ago=timedelta(0))
    assert due(whole, None) is None
