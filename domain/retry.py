"""When a webhook is retried: pure arithmetic over a schedule that is data.

    delays = (0, 5, 30, 120, …)     delays[n] = seconds between the end of attempt n and attempt n + 1

The tier is the step without jitter: it names the retry topic, so records in one topic fall due nearly in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta, timezone
from email.utils import parsedate_tz

JITTER = 0.2
"""±20 %: endpoints that failed together are not retried together."""
RETRY_AFTER_STEPS_MAX = 2.0
"""A receiver may request more time, up to twice the step."""
RETRY_AFTER_SECONDS_MAX = 366 * 86_400.0
"""A year: more than twice any step, and far below the overflow of floats and dates."""
_HTTP_DATE_CHARACTERS_MAX = 64
"""The longest form, RFC 850, has 33 characters; anything longer is not parsed as a date."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt: its tier and when it is due."""

    tier_seconds: int
    due_at: datetime


def next_retry(
    delays_seconds: Sequence[int],
    *,
    attempts_made: int,
    ended_at: datetime,
    draw: float,
    retry_after_seconds: float | None = None,
) -> Retry | None:
    """The attempt after the failed number `attempts_made`; None at the end of the schedule.

    `draw` lies in [0, 1): 0.5 is the step exactly. A Retry-After can only lengthen the wait.
    """
    if attempts_made >= len(delays_seconds):
        return None
    step = delays_seconds[attempts_made]
    wait = step * (1 + JITTER * (2 * draw - 1))
    if retry_after_seconds is not None:
        wait = max(wait, min(retry_after_seconds, step * RETRY_AFTER_STEPS_MAX))
    return Retry(tier_seconds=step, due_at=ended_at + timedelta(seconds=wait))


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """Seconds in a Retry-After header, 0 to RETRY_AFTER_SECONDS_MAX; None if it is absent or not valid.

    RFC 9110 §10.2.3: a number of seconds, or a date in one of the three forms of §5.6.7. Never raises.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0") or "0"
        return min(float(digits), RETRY_AFTER_SECONDS_MAX) if len(digits) < 10 else RETRY_AFTER_SECONDS_MAX
    if len(text) > _HTTP_DATE_CHARACTERS_MAX:
        return None
    try:
        return _seconds_until(text, now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _seconds_until(date: str, now: datetime) -> float | None:
    """`asctime` dates have no zone: they are UTC, as every HTTP date."""
    parsed = parsedate_tz(date)
    if parsed is None:
        return None
    if parsed[0] > MAXYEAR:
        return RETRY_AFTER_SECONDS_MAX
    retry_at = datetime(*parsed[:6], tzinfo=timezone(timedelta(seconds=parsed[9] or 0)))
    return min(max(0.0, (retry_at - now).total_seconds()), RETRY_AFTER_SECONDS_MAX)
