"""When a webhook is tried again: pure arithmetic over a schedule that is data.

    delays = (0, 5, 30, 120, …)     delays[n] = seconds between the end of attempt n and attempt n + 1

The tier is the undisturbed step: it names the retry topic, so records in one topic fall due nearly in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

JITTER = 0.2
"""±20 %: endpoints that failed together do not come back together."""
RETRY_AFTER_STEPS_MAX = 2.0
"""A receiver may ask for more time, up to twice the step."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt: in which tier it waits and when it is due."""

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
    """What follows the failed attempt number `attempts_made`; None when the schedule is at its end.

    `draw` lies in [0, 1): 0.5 is the step exactly. A Retry-After only ever makes the wait longer.
    """
    if attempts_made >= len(delays_seconds):
        return None
    step = delays_seconds[attempts_made]
    wait = step * (1 + JITTER * (2 * draw - 1))
    if retry_after_seconds is not None:
        wait = max(wait, min(retry_after_seconds, step * RETRY_AFTER_STEPS_MAX))
    return Retry(tier_seconds=step, due_at=ended_at + timedelta(seconds=wait))


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 §10.2.3: a number or a date); None where it is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        wanted_at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if wanted_at.tzinfo is None:
        return None
    return max(0.0, (wanted_at - now).total_seconds())
