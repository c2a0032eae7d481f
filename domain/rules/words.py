"""Which of the bank's reports about an attempt are still to be recorded."""

from __future__ import annotations

from domain.outcome import Word


def words_between(known: Word, reported: Word) -> tuple[Word, ...]:
    """The reports to record after `known`, up to `reported`, which is not older: each the opposite of the previous one.

    If both agree, the bank reversed twice or more, and the report before `reported` was missed. A bank that reports
    fewer has miscounted: it has made no movement that is not recorded.
    """
    if reported.moved is known.moved:
        return (Word(reported.turn - 1, not reported.moved), reported) if reported.turn > known.turn + 1 else ()
    return (reported,)
