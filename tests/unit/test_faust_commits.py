"""What the pinned Faust does with a commit that fails: it crashes, or leaves it to the rebalance (decision 0003)."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import CommitFailedError, IllegalStateError, UnknownError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

PARTITION = TP("commands", 3)


class Refusing:
    """A Faust consumer as far as its `_commit` needs one, whose client refuses commits."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.crashed: list[BaseException] = []
        self.tp_last_committed_at: dict[TP, float] = {}
        self.log = self

    def exception(self, *_words: Any) -> None: ...

    def assignment(self) -> set[TP]:
        return {PARTITION}

    def _ensure_consumer(self) -> Refusing:
        return self

    async def commit(self, _offsets: Any) -> None:
        raise self.error

    async def crash(self, error: BaseException) -> None:
        self.crashed.append(error)


@pytest.mark.parametrize("error", [UnknownError(), IllegalStateError(), TimeoutError(), ValueError()])
async def test_a_commit_that_fails_crashes_the_worker(error: Exception) -> None:
    consumer = Refusing(error)
    assert await AIOKafkaConsumerThread._commit(consumer, {PARTITION: 7}) is False
    assert consumer.crashed == [error]


async def test_a_commit_after_a_rebalance_is_left_to_the_rebalance() -> None:
    consumer = Refusing(CommitFailedError("the group has already rebalanced"))
    assert await AIOKafkaConsumerThread._commit(consumer, {PARTITION: 7}) is False
    assert consumer.crashed == []
