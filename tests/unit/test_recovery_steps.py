"""Steps of `gateway recover` that other tests reach only with a log of millions of records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ops.audit.recover import books, numbering
from ops.console.errors import GatewayError
from store.operations.recover import BankWord

SETTINGS: Any = SimpleNamespace()


@pytest.fixture
def positions(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    stored = {0: 0}

    async def read(_: object) -> dict[int, int]:
        return dict(stored)

    monkeypatch.setattr(numbering, "read_positions", read)
    return stored


@pytest.fixture
async def waited(positions: dict[int, int]) -> numbering.Wait:
    """The positions have not moved for an hour."""
    recovery: Any = SimpleNamespace(connection=None)
    wait = numbering.Wait(recovery, {0: 10})
    assert await wait.pending(numbering.STALLED_SECONDS) == [0]
    wait._moved_at -= 3_600
    return wait


async def test_the_time_that_a_session_takes_to_begin_is_not_counted(
    positions: dict[int, int], waited: numbering.Wait
) -> None:
    async def turn() -> None:
        positions[0] += 5

    session: Any = SimpleNamespace(turn=turn)
    await numbering._feed(session, waited)
    assert positions == {0: 10}


async def test_a_feed_without_movement_ends_with_an_error(waited: numbering.Wait) -> None:
    with pytest.raises(GatewayError, match=r"did not move for 60 s \(payments\.events\.v1/0, offset 0 of 10\)"):
        await waited.pending(numbering.STALLED_SECONDS)


async def test_words_of_the_bank_are_taken_in_bounded_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [BankWord(f"pay_{number // 2}", "success", None, None, number % 2) for number in range(10)]

    async def merged(_: object) -> AsyncIterator[BankWord]:
        for word in words:
            yield word

    async def found(*_: object) -> Any:
        return {}

    @asynccontextmanager
    async def reader(_: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(spans=found, partitions=found, merged=merged)

    monkeypatch.setattr(books, "log_reader", reader)
    monkeypatch.setattr(books, "committed_offsets", found)
    monkeypatch.setattr(books, "proofs_of", lambda _: None)
    monkeypatch.setattr(books, "_word_of", lambda record, _: record)
    monkeypatch.setattr(books, "AT_ONCE", 3)
    portions = [portion async for portion in books.undecided_words(SETTINGS)]
    assert len(portions) > 1
    assert all(len(portion) <= 3 for portion in portions)
    last = {word.attempt_id: word.turn for portion in portions for word in portion}
    assert last == {f"pay_{number}": 1 for number in range(5)}
