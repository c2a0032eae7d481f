"""Short names of topics (`events`, `payments.events`) and times (`10m`)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ops.console.exit_codes import UsageError
from runtime.clock import now
from runtime.settings import Settings
from topics.admin import catalogue_of
from topics.catalogue import Topic

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)\Z")


def named_topics(names: Sequence[str], settings: Settings) -> list[Topic]:
    """Topics of the catalogue, all if none is named. Raises UsageError for an unknown one."""
    known = catalogue_of(settings)
    if not names:
        return list(known.values())
    return [known[name] for name in dict.fromkeys(_full_name(name, known) for name in names)]


def named_topic(name: str, settings: Settings) -> Topic:
    return named_topics([name], settings)[0]


def _full_name(name: str, known: dict[str, Topic]) -> str:
    matching = [full for full in known if name in (full, *_short_names(full))]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(f"{name!r} names {len(matching)} topics: {', '.join(matching)}.")
    close = difflib.get_close_matches(name, [*known, *(short for full in known for short in _short_names(full))], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "see `gateway topics list`."
    raise UsageError(f"There is no topic {name!r}; {hint}")


def _short_names(full: str) -> tuple[str, ...]:
    """`payments.events.v1` is also `payments.events` and `events`."""
    unversioned = full.rpartition(".")[0]
    return unversioned, unversioned.partition(".")[2]


def parse_duration(text: str) -> timedelta:
    """`250ms`, `30s`, `10m`, `2h`, `7d`. Raises UsageError."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a valid duration; write 30s, 10m, 2h or 7d.")
    try:
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise UsageError(f"{text!r} is too long.") from None


def parse_instant(text: str) -> datetime:
    """A duration ago, or an RFC 3339 instant (UTC if no zone is given). Raises UsageError."""
    try:
        if _DURATION.match(text.strip()):
            return now() - parse_duration(text)
        instant = datetime.fromisoformat(text.strip())
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError:
        raise UsageError(f"{text!r} is neither a duration such as 10m nor an RFC 3339 instant.") from None
    except OverflowError:
        raise UsageError(f"{text!r} is before the year 1 or after the year 9999.") from None
