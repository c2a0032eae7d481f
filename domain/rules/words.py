"""Which of the bank's words about an attempt are still to be recorded."""

from __future__ import annotations

from domain.outcome import Word


def words_between(known: Word, reported: Word) -> tuple[Word, ...]:
    """The words to record after `known`, up to `reported`, which is not older: each the opposite of the one before.

    Where both agree, the bank turned twice or more, and the word before `reported` was missed. A bank that claims less
    has counted wrongly: it has moved nothing that we do not know of.
    """
    if reported.moved is known.moved:
        return (Word(reported.turn - 1, not reported.moved), reported) if reported.turn > known.turn + 1 else ()
    return (reported,)
