"""Which of the bank's words about an attempt are still to be recorded."""

from __future__ import annotations

from domain.outcome import Word


def words_between(known: Word, said: Word) -> tuple[Word, ...]:
    """The words to record after `known`, up to `said`, which is not older: each the opposite of the one before.

    Where both agree, the bank turned twice or more, and the word before `said` was missed. A bank that claims less has
    counted wrongly: it has moved nothing that we do not know of.
    """
    if said.moved is known.moved:
        return (Word(said.turn - 1, not said.moved), said) if said.turn > known.turn + 1 else ()
    return (said,)
