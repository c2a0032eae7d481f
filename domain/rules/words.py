"""Which of the bank's words about an attempt are still to be recorded."""

from __future__ import annotations

from domain.outcome import Word


def words_between(known: Word, said: Word) -> tuple[Word, ...]:
    """The words to record after `known`, up to `said`. Where both agree, the bank turned twice and one was missed."""
    if said == known:
        return ()
    if said.moved is known.moved:
        return Word(said.turn - 1, not said.moved), said
    return (said,)
